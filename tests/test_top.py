"""Every key of the dashboard does what the help says; mouse and palette too."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from unstuck.agent import wire
from unstuck.tui.scene import ENDED, Shot
from unstuck.tui.screens.processes import ProcessesScreen

from . import pictures
from .piloting import LARGE, Driver, Listener, drive

BANK = pictures.scene(pictures.bank(told=True))
TASKS = ("transfer-1", "transfer-2", "audit-0", "audit-1", "audit-2", "Task-1", "heartbeat")


def names(driver: Driver) -> list[str]:
    """The tasks in the order in which they are shown."""
    return [task.name for _, task in driver.app.dashboard.pane.sheet.view.rows]  # type: ignore[attr-defined]


def at(driver: Driver) -> str:
    """The name of what is under the cursor."""
    row = driver.app.dashboard.pane.sheet.row  # type: ignore[attr-defined]
    return str(row[1].name)


def test_turning_pages() -> None:
    """By number, and round by tab."""

    async def steps(driver: Driver) -> None:
        for key, page in (("3", 2), ("tab", 3), ("tab", 4), ("tab", 0), ("shift+tab", 4), ("2", 1), ("1", 0)):
            await driver.press(key)
            assert page == driver.app.dashboard.page

    drive(BANK, steps)


def test_from_the_overview_to_what_is_wrong() -> None:
    """Enter, where something is; where nothing is, it is not offered."""

    async def steps(driver: Driver) -> None:
        assert "enter findings" in driver.rows[-1]
        await driver.press("enter")
        assert 1 == driver.app.dashboard.page

    async def nothing(driver: Driver) -> None:
        assert "enter findings" not in driver.rows[-1]
        await driver.press("enter")
        assert 0 == driver.app.dashboard.page

    drive(BANK, steps)
    drive(pictures.scene(pictures.idle()), nothing)


def test_moving() -> None:
    """As in vim, and with the keys that are there for it."""
    places = (("j", 1), ("down", 2), ("k", 1), ("G", 9999), ("g", 0), ("end", 9999), ("ctrl+u", 9990), ("home", 0),
              ("pagedown", 19), ("pageup", 0), ("up", 0))  # fmt: skip

    async def steps(driver: Driver) -> None:
        await driver.press("3")
        for key, place in places:
            await driver.press(key)
            assert place == driver.app.dashboard.pane.sheet.cursor, key  # type: ignore[attr-defined]

    drive(pictures.scene(pictures.crowd()), steps)


def test_sorting() -> None:
    """By the next column and the one before, and the other way round."""

    async def steps(driver: Driver) -> None:
        await driver.press("3")
        assert list(TASKS) == names(driver)
        await driver.press("s")  # name
        assert sorted(TASKS, key=str.lower) == names(driver)
        await driver.press("i")
        assert sorted(TASKS, key=str.lower, reverse=True) == names(driver)
        await driver.press("left", "left")  # round to the last one that is shown: for
        assert "transfer-1" == names(driver)[0]
        await driver.press("right", "right", "S")
        assert list(TASKS) == names(driver)

    drive(BANK, steps)


def test_a_cursor_at_the_top_stays_there() -> None:
    """One wants to see who is first now; it is the row only once somebody has gone to it."""

    async def steps(driver: Driver) -> None:
        await driver.press("3")
        for key in ("i", "s", "s", "i", "S"):
            await driver.press(key)
            assert names(driver)[0] == at(driver)

    drive(BANK, steps)


def test_the_cursor_stays_on_its_task() -> None:
    """Wherever another order puts it."""

    async def steps(driver: Driver) -> None:
        await driver.press("3", "j", "j", "j", "i")
        assert "audit-1" == at(driver)
        await driver.press("s", "s")
        assert "audit-1" == at(driver)

    drive(BANK, steps)


def test_filtering_as_one_types() -> None:
    """Words that a row must have, and words that it must not; escape takes the filter away."""

    async def steps(driver: Driver) -> None:
        await driver.press("3", "slash", *"audit")
        assert ["audit-0", "audit-1", "audit-2"] == names(driver)
        assert "3 of 7" in driver.row("/ audit")
        await driver.press("space", *"-audit-1")
        assert ["audit-0", "audit-2"] == names(driver)
        await driver.press("enter", "j")
        assert "audit-2" == at(driver)
        await driver.press("escape")
        assert sorted(TASKS) == sorted(names(driver))
        assert "audit-2" == at(driver)

    drive(BANK, steps)


def test_typing_ahead() -> None:
    """What is typed before the filter is there goes into the filter."""

    async def steps(driver: Driver) -> None:
        await driver.burst("3", "slash", "1")
        assert 2 == driver.app.dashboard.page
        assert ["transfer-1", "audit-1", "Task-1"] == [name for name in names(driver) if "1" in name]
        assert "/ 1" in driver.text

    drive(BANK, steps)


def test_a_filter_that_leaves_nothing() -> None:
    """It is said so."""

    async def steps(driver: Driver) -> None:
        await driver.press("3", "slash", *"zebra")
        assert "no task matches the filter" in driver.text

    drive(BANK, steps)


def test_a_filter_while_the_cursor_is_far_down() -> None:
    """The rows are fewer than where the cursor was."""

    async def steps(driver: Driver) -> None:
        await driver.press("3", "G", "slash", *"request-777", "enter")
        assert 0 < len(names(driver)) < 20
        assert at(driver).startswith("request-777")
        await driver.press("slash", *"zebra", "escape", "escape")
        assert 10_000 == len(names(driver))

    drive(pictures.scene(pictures.crowd()), steps)


def test_each_page_has_its_filter() -> None:
    """What is filtered here is not filtered there; the tree of waits has none."""

    async def steps(driver: Driver) -> None:
        await driver.press("3", "slash", *"audit", "enter", "5")
        assert "accounts['B'].lock" in driver.text
        await driver.press("slash", *"['a']", "enter")
        assert "accounts['B'].lock" not in driver.text
        await driver.press("4", "slash")
        assert not driver.app.dashboard.query_one("#filter").display
        await driver.press("3")
        assert ["audit-0", "audit-1", "audit-2"] == names(driver)

    drive(BANK, steps)


def test_freezing() -> None:
    """The picture stands still, keys are answered, and then it goes on where the process is."""
    source = Listener(pictures.bank())

    async def steps(driver: Driver) -> None:
        await driver.press("3", "space")
        source.show(pictures.shot(pictures.idle()))
        await driver.settle()
        assert "frozen" in driver.rows[0]
        assert "transfer-1" in driver.text
        await driver.press("slash", *"audit", "enter")
        assert ["audit-0", "audit-1", "audit-2"] == names(driver)
        await driver.press("escape", "space")
        assert "printer" in driver.text
        assert "frozen" not in driver.text

    drive(source, steps)


def test_help() -> None:
    """It opens and closes."""

    async def steps(driver: Driver) -> None:
        await driver.press("question_mark")
        assert "turn the pages" in driver.text
        await driver.press("escape")
        assert "turn the pages" not in driver.text

    drive(BANK, steps, LARGE)


def test_light_and_dark() -> None:
    """T changes from one to the other."""

    async def steps(driver: Driver) -> None:
        dark = driver.app.theme
        await driver.press("T")
        assert not driver.app.current_theme.dark
        await driver.press("T")
        assert dark == driver.app.theme

    drive(BANK, steps)


def test_the_command_palette() -> None:
    """What it finds it does."""

    async def steps(driver: Driver) -> None:
        await driver.press("ctrl+p", *"resour")
        await driver.until(lambda: "turn to page 5" in driver.text)
        await driver.press("enter")
        await driver.until(lambda: driver.app.dashboard.page == 4)

    drive(BANK, steps)


def test_quitting() -> None:
    """q leaves."""

    async def steps(driver: Driver) -> None:
        await driver.pilot.press("q")
        assert driver.app._exit

    drive(BANK, steps)


# Findings


def test_copying_a_finding() -> None:
    """y as text, Y as JSON."""

    async def steps(driver: Driver) -> None:
        await driver.press("2", "y")
        text = driver.app.clipboard
        assert text.startswith("deadlock [proven]  2 tasks wait for each other")
        assert "╭▶┌─ transfer-1" in text
        assert "take locks in one global order" in text
        await driver.press("Y")
        assert "8c1f0a2b3d4e" == json.loads(driver.app.clipboard)["id"]

    drive(BANK, steps)


def test_saving_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As text and as JSON; what is there already stays."""
    monkeypatch.chdir(tmp_path)

    async def steps(driver: Driver) -> None:
        await driver.press("2", "w", "enter", "w")
        assert "saved as" in driver.notes[0]

    drive(BANK, steps)
    stem = "unstuck-deadlock-8c1f0a2b3d4e"
    assert sorted([f"{stem}.json", f"{stem}.txt", f"{stem}-2.json", f"{stem}-2.txt"]) == sorted(
        path.name for path in tmp_path.iterdir()
    )
    assert "deadlock" == json.loads((tmp_path / f"{stem}.json").read_text())["kind"]


def test_saving_where_one_may_not_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told, and nothing else happens."""
    place = tmp_path / "gone"
    place.mkdir()
    monkeypatch.chdir(place)

    async def steps(driver: Driver) -> None:
        place.rmdir()
        await driver.press("2", "w")
        assert "cannot be saved" in driver.notes[0]

    drive(BANK, steps)


def test_scrolling_the_detail() -> None:
    """J and K, without leaving the list."""

    async def steps(driver: Driver) -> None:
        await driver.press("2")
        before = driver.text
        await driver.press("J", "J")
        assert before != driver.text
        await driver.press("K", "K")
        assert before == driver.text

    drive(BANK, steps)


def test_a_finding_that_ends_while_it_is_read() -> None:
    """It stays, and says so."""
    source = Listener(pictures.bank())

    async def steps(driver: Driver) -> None:
        await driver.press("2", "enter")
        source.show(pictures.shot(pictures.idle(4711)))
        await driver.settle()
        assert "this is over" in driver.text
        assert "transfer-1" in driver.text
        await driver.press("escape")
        assert "nothing is wrong" in driver.text

    drive(source, steps)


# Tasks


def test_a_task_in_full_is_followed() -> None:
    """As long as one looks at it."""
    source = Listener(pictures.bank(told=True))

    async def steps(driver: Driver) -> None:
        await driver.press("3", "enter")
        assert "where it stands" in driver.text
        assert "async with accounts[target].lock:" in driver.text
        assert [(4711, wire.Follow("t:transfer-1"))] == source.said
        await driver.press("escape")
        assert (4711, wire.Follow(None)) == source.said[-1]

    drive(source, steps)


def test_going_to_the_blocker_and_to_the_creator() -> None:
    """b and c, on the screen of a task; escape goes back one by one."""

    async def steps(driver: Driver) -> None:
        await driver.press("3", "enter", "b")
        assert "transfer-2  (transfer)" in driver.rows[1]
        await driver.press("c")
        assert "Task-1  (main)" in driver.rows[1]
        await driver.press("c")
        assert "the task that made it has ended, or is not known" in driver.notes
        await driver.press("escape", "escape")
        assert "transfer-1  (transfer)" in driver.rows[1]

    drive(BANK, steps, LARGE)


def test_the_blocker_in_the_table() -> None:
    """b moves the cursor."""

    async def steps(driver: Driver) -> None:
        await driver.press("3", "j", "j", "b")
        assert "transfer-1" == at(driver)
        await driver.press("G", "b")
        assert ["it waits for no other task"] == driver.notes

    drive(BANK, steps)


def test_following_a_task() -> None:
    """f keeps its await chain in sight while the cursor moves on; f on it lets go."""
    source = Listener(pictures.bank(told=True))

    async def steps(driver: Driver) -> None:
        await driver.press("3", "f")
        assert [(4711, wire.Follow("t:transfer-1"))] == source.said
        await driver.press("j", "j")
        assert "▸ async with accounts[target].lock:" in driver.text
        assert "◆" in driver.row(" transfer-1 ")
        await driver.press("k", "k", "f")
        assert "▸ async with" not in driver.text
        assert (4711, wire.Follow(None)) == source.said[-1]

    drive(source, steps)


def test_a_followed_task_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """When nothing is told of it: the conversation is a new one."""
    monkeypatch.setattr("unstuck.tui.app._ASK_AGAIN", 0.0)
    source = Listener(pictures.bank())

    async def steps(driver: Driver) -> None:
        await driver.press("3", "f")
        source.changed()
        await driver.settle()
        assert [(4711, wire.Follow("t:transfer-1"))] * 2 == source.said[:2]

    drive(source, steps)


def test_cancelling_a_task() -> None:
    """It is asked first; the answer of the process is told."""
    source = Listener(pictures.bank())

    async def steps(driver: Driver) -> None:
        await driver.press("3", "x")
        assert "Cancel transfer-1 in process 4711?" in driver.text
        await driver.press("n", "x", "y")
        assert [(4711, wire.Cancel(1, "t:transfer-1"))] == source.said
        source.told.append(wire.Answer(1, True, "transfer-1 was cancelled"))
        source.changed()
        await driver.settle()
        assert ["transfer-1 was cancelled"] == driver.notes

    drive(source, steps)


def test_cancelling_where_it_is_not_allowed() -> None:
    """The key is not offered; who presses it all the same is told why nothing happens."""
    source = Listener(pictures.idle())

    async def steps(driver: Driver) -> None:
        await driver.press("3", "x")
        assert "cancel" not in driver.rows[-1]
        assert "Cancel" not in driver.text
        await driver.press("enter", "x")
        assert ["process 4712 does not allow it: UNSTUCK_ALLOW_ACTIONS=1 there"] * 2 == driver.notes
        assert not any(isinstance(frame, wire.Cancel) for _, frame in source.said)

    drive(source, steps)


def test_switching_the_agent_off() -> None:
    """From the command palette, after a question; offered where the process obeys."""
    source = Listener(pictures.bank())

    async def steps(driver: Driver) -> None:
        await driver.press("ctrl+p", *"switch")
        await driver.until(lambda: "Switch the agent off" in driver.text)
        await driver.press("enter")
        await driver.until(lambda: "in process 4711?" in driver.text)
        await driver.press("n")
        assert [] == source.said
        driver.app.ask_to_switch_off()
        await driver.press("y")
        assert [(4711, wire.SwitchOff(1))] == source.said

    drive(source, steps)


def test_the_agent_is_not_switched_off_where_that_is_not_allowed() -> None:
    """The palette does not offer it."""

    async def steps(driver: Driver) -> None:
        offered = [command.title for command in driver.app.get_system_commands(driver.app.screen)]
        assert "Processes" in offered
        assert "Switch the agent off" not in offered

    drive(pictures.scene(pictures.idle()), steps)


# Waits, resources


def test_folding_waits() -> None:
    """A long queue is folded; right unfolds it, left folds it and then the whole."""

    async def steps(driver: Driver) -> None:
        await driver.press("4")
        assert "… 72 more" in driver.text
        await driver.press("right")
        assert "more" not in driver.text
        await driver.press("left")
        assert "… 72 more" in driver.text
        await driver.press("left")
        assert "request-" not in "\n".join(driver.rows[4:])
        await driver.press("right", "G", "enter")
        assert "more" not in driver.text

    drive(pictures.scene(pictures.crowd(100)), steps)


def test_a_task_from_the_waits() -> None:
    """Enter opens it."""

    async def steps(driver: Driver) -> None:
        await driver.press("4", "enter")
        assert "where it stands" in driver.text

    drive(BANK, steps)


def test_who_waits_for_a_resource() -> None:
    """Enter shows the tasks."""

    async def steps(driver: Driver) -> None:
        await driver.press("5", "enter")
        assert 2 == driver.app.dashboard.page
        assert ["transfer-2", "audit-0", "audit-1", "audit-2"] == names(driver)

    drive(BANK, steps)


# Several processes


def test_looking_at_one_of_several() -> None:
    """Enter on the first page, and escape back to all."""

    async def steps(driver: Driver) -> None:
        assert "2 processes" in driver.rows[0]
        await driver.press("j", "enter")
        assert "4712" in driver.rows[0]
        assert "loop delay" in driver.text
        await driver.press("3")
        assert "transfer-1" not in driver.text
        await driver.press("escape")
        assert "transfer-1" in driver.text

    drive(pictures.scene(pictures.bank(), pictures.idle()), steps)


def test_choosing_processes() -> None:
    """p shows what there is; enter takes one, or all that are alike; space marks several; escape stays."""
    source = Listener(pictures.bank(service="bank"), pictures.bank(4720, service="bank"), pictures.idle())

    async def steps(driver: Driver) -> None:
        await driver.press("p")
        assert isinstance(driver.app.screen, ProcessesScreen)
        assert "all 2 of bank" in driver.text
        await driver.press("enter")
        assert ((4711, 4720), "bank") == (source.picked[-1][0], source.picked[-1][1].service)  # type: ignore[union-attr]
        await driver.press("p", "g", "j", "space", "j", "enter")
        assert ((4711, 4712), None) == source.picked[-1]
        await driver.press("p", "escape")
        assert 2 == len(source.picked)
        assert not source.browsing
        assert not isinstance(driver.app.screen, ProcessesScreen)

    drive(source, steps)


def test_nothing_to_choose_from() -> None:
    """It is said how a process comes to be listed."""
    source = Listener()
    source.browsing = True

    async def steps(driver: Driver) -> None:
        assert "UNSTUCK=1 python app.py" in driver.text

    drive(source, steps)


def test_a_process_that_ends_while_it_is_watched() -> None:
    """The last picture stays, on every page."""
    source = Listener(pictures.bank())

    async def steps(driver: Driver) -> None:
        await driver.press("3")
        source.show(pictures.shot(pictures.bank(), state=ENDED, note="the process has ended"))
        await driver.settle()
        assert "ended" in driver.rows[0]
        assert list(TASKS) == names(driver)

    drive(source, steps)


def test_a_task_that_is_gone_is_gone() -> None:
    """No ghost is left in any table."""
    shot = pictures.shot(pictures.bank())
    source = Listener(pictures.bank())

    async def steps(driver: Driver) -> None:
        for key in "345":
            await driver.press(key)
        tasks = {id: task for id, task in shot.tasks.items() if id == "t:heartbeat"}
        source.show(replace(shot, tasks=tasks, resources={}, findings={}))
        for key in "1345":
            await driver.press(key)
            assert "transfer" not in driver.text

    drive(source, steps)


# Mouse


def test_clicking_on_a_key() -> None:
    """What the bottom line names is what a click on it does, whichever page or screen one is on."""

    async def steps(driver: Driver) -> None:
        await driver.press("3")
        bottom = driver.rows[-1]
        assert "/ filter" in bottom
        await driver.click(bottom.index("? help") + 2, 23)
        assert "─ keys ─" in driver.text
        await driver.press("escape")
        await driver.click(bottom.index("/ filter"), 23)
        assert driver.app.dashboard.query_one("#filter").display
        await driver.press("escape", "1")
        assert "filter" not in driver.rows[-1], "there is nothing to filter on the first page"

    drive(BANK, steps)


def test_clicking() -> None:
    """On a tab, a row, twice on a row, a title."""

    async def steps(driver: Driver) -> None:
        await driver.click(30, 1)
        assert 2 == driver.app.dashboard.page
        await driver.click(15, 5)
        assert "audit-0" == at(driver)
        await driver.click(15, 2)
        assert sorted(TASKS, key=str.lower) == names(driver)
        await driver.click(15, 2)
        assert "transfer-2" == names(driver)[0]
        await driver.click(15, 4, times=2)
        assert "where it stands" in driver.text

    drive(BANK, steps)


# Many


@pytest.mark.parametrize("page", "12345")
def test_ten_thousand_tasks(page: str) -> None:
    """The screen's own thread is never busy for long."""
    source = Listener(pictures.crowd())

    async def steps(driver: Driver) -> None:
        await driver.press(page)
        spent = []
        for key in ("j", "G", "k", "g"):
            start = time.thread_time()
            await driver.press(key)
            spent.append(time.thread_time() - start)
        assert min(spent) < 0.1

    drive(source, steps)


def test_nothing_of_a_picture_is_kept() -> None:
    """A thousand pictures later the dashboard holds as many shots as at first."""
    source = Listener(pictures.bank())
    shot = pictures.shot(pictures.bank())

    async def steps(driver: Driver) -> None:
        for number in range(12):
            source.show(replace(shot, time=shot.time + number))
            await driver.settle()
        import gc

        gc.collect()
        assert sum(isinstance(each, Shot) for each in gc.get_objects()) <= before + 12

    import gc

    before = sum(isinstance(each, Shot) for each in gc.get_objects())
    drive(source, steps)
