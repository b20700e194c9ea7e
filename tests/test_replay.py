"""A recording on the screens of ``unstuck top``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from unstuck.agent.findings import Event
from unstuck.tui import replay as replaying
from unstuck.tui import reporting
from unstuck.tui.picture import Edge
from unstuck.tui.replay import Replay, pictures, replay
from unstuck.tui.report.words import Clock

from . import builders, recordings
from .piloting import LARGE, Driver, drive
from .recordings import moved, written

TIME = builders.TIME
EVENT = builders.two_locks(age_s=1.0)
BEHIND = builders.slow_wait(id="other")


def source(path: str, until: float | None = None) -> Replay:
    return replay([path], Clock(False), until)


def test_a_finding_that_is_open(tmp_path: Path) -> None:
    """Its tasks, its resources and who waits for whom are there, as its process would have sent them."""
    (picture,) = pictures([written(tmp_path / "f", [EVENT, moved(EVENT, 60, "updated")])])
    assert (4711, TIME + 60, [builders.ID]) == (picture.pid, picture.time, list(picture.findings))
    assert {"transfer-1": "B", "transfer-2": "A"} == {task.name: task.on for task in picture.tasks.values()}
    assert {"accounts['A'].lock", "accounts['B'].lock"} == {each.name for each in picture.resources.values()}
    assert {
        Edge("t:transfer-1", "B", "waits"),
        Edge("t:transfer-2", "A", "waits"),
        Edge("A", "t:transfer-1", "held_by"),
        Edge("B", "t:transfer-2", "held_by"),
    } == set(picture.edges())
    task = picture.tasks["t:transfer-1"]
    assert (TIME + 60 - 1.2, "asyncio.Lock", "bank.py", 21) == (
        task.since,
        task.wait,
        task.at and task.at.file,
        task.at and task.at.line,
    )
    assert ("async with accounts[dst].lock:", ("A",)) == (
        picture.details["t:transfer-1"].stack[0].code,
        picture.details["t:transfer-1"].holds,
    )


def test_a_task_that_joins_others_and_one_with_a_deadline(tmp_path: Path) -> None:
    """Both come along."""
    joining, slow = builders.ring_with_gather(), moved(BEHIND, 0)
    (picture,) = pictures([written(tmp_path / "f", [joining, slow])])
    assert ("t:enrich", "t:validate") == picture.tasks["t:process"].joins
    assert slow.time + 12.0 == picture.tasks["t:refresher"].due


def test_a_blocked_loop(tmp_path: Path) -> None:
    """Its task is running."""
    (picture,) = pictures([written(tmp_path / "f", [builders.blocked_loop()])])
    assert ["running"] == [task.state for task in picture.tasks.values()]
    assert picture.health is not None and (1, 1, 0) == (
        picture.health.tasks,
        picture.health.running,
        picture.health.waiting,
    )


def test_findings_that_ended_or_just_happened(tmp_path: Path) -> None:
    """They are told, but have no tasks any more."""
    lost = builders.event(id="lost", kind="lost-error", tasks=(builders.task("gone", None),), happened=True)
    (picture,) = pictures([written(tmp_path / "f", [EVENT, lost, moved(EVENT, 9, "retracted")])])
    assert (["lost"], [builders.ID], {}) == (
        list(picture.findings),
        [each["id"] for each in picture.past],
        picture.tasks,
    )
    assert picture.health is not None and 1 == picture.health.retracted


def test_an_earlier_moment(tmp_path: Path) -> None:
    """What came later has not happened yet, and who came later is not there."""
    path = written(tmp_path / "f", [EVENT, moved(EVENT, 60, "closed"), moved(EVENT, 70, pid=4712)])
    (picture,) = pictures([path], TIME + 30)
    assert (4711, TIME + 30, [builders.ID]) == (picture.pid, picture.time, list(picture.findings))
    assert [TIME + 60, TIME + 70] == [each.time for each in pictures([path])]
    assert [] == pictures([path], TIME - 5)


def test_more_processes_than_can_be_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that were heard of last."""
    monkeypatch.setattr(replaying, "MOST_PROCESSES", 3)
    path = written(tmp_path / "f", [moved(EVENT, n, pid=n) for n in range(1, 9)])
    assert [6, 7, 8] == [each.pid for each in pictures([path])]


@settings(max_examples=50, deadline=None)
@given(st.lists(recordings.events, max_size=6))
def test_any_recording(tmp_path_factory: pytest.TempPathFactory, told: list[Event]) -> None:
    """No recording is too strange, and what is open is what was opened and not ended."""
    path = written(tmp_path_factory.mktemp("any") / "f", told)
    for picture in pictures([path]):
        list(picture.edges())
        assert all(record["event"] in ("opened", "updated") for record in picture.findings.values())
        json.dumps([*picture.findings.values(), *picture.past])


# -- screens -------------------------------------------------------------------------------------------


def test_the_screens(tmp_path: Path) -> None:
    """They say that this is a recording, and show its findings, tasks, waits and resources."""

    async def steps(driver: Driver) -> None:
        assert "recorded  as it was at 22:14:20.250 UTC" in driver.rows[0]
        await driver.press("2")
        assert "deadlock [proven]  2 tasks wait for each other · 1 min 1 s" in driver.text
        await driver.press("3")
        assert driver.row("transfer-1") and driver.row("transfer-2")
        await driver.press("4")
        assert "accounts['A'].lock" in driver.text
        await driver.press("5")
        assert driver.row("accounts['B'].lock")
        await driver.press("p")
        assert ["there are no other processes to choose from"] == driver.notes

    drive(source(written(tmp_path / "f", [EVENT, moved(EVENT, 60, "updated")])), steps, LARGE)


def test_the_screens_of_several_processes(tmp_path: Path) -> None:
    """All of them at once."""

    async def steps(driver: Driver) -> None:
        assert "2 processes" in driver.rows[0] and "recorded" in driver.rows[0]
        await driver.press("3")
        assert ["4711", "4711", "4712", "4712"] == sorted(row.split()[1] for row in driver.rows if "transfer-" in row)

    drive(source(written(tmp_path / "f", [EVENT, moved(EVENT, 60, pid=4712)])), steps, LARGE)


def test_the_screens_of_nothing(tmp_path: Path) -> None:
    """That is said."""

    async def steps(driver: Driver) -> None:
        assert "nothing was recorded" in driver.rows[0]

    drive(source(written(tmp_path / "f", [])), steps)


def test_hostile_names_on_the_screens(tmp_path: Path) -> None:
    """They are only text there, too."""

    async def steps(driver: Driver) -> None:
        for page in "12345":
            await driver.press(page)
            assert all(row.isprintable() for row in driver.rows)

    told = []
    for number, name in enumerate(recordings.HOSTILE):
        task = builders.task(name, "L", builders.place(3, name, name, name), coro=name)
        lock = builders.lock("L", name, name, type=name)
        told.append(builders.event(id=f"x{number}", tasks=(task,), resources=(lock,), title=name, help=name, note=name))
    drive(source(written(tmp_path / "f", told)), steps, LARGE)


# -- the command ---------------------------------------------------------------------------------------


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[Replay]:
    """What the application would have been started with."""
    started: list[Replay] = []

    class App:
        def __init__(self, source: Replay) -> None:
            started.append(source)

        def run(self) -> None:
            pass

    monkeypatch.setattr("unstuck.tui.app.TopApp", App)
    monkeypatch.setenv("TEXTUAL_DRIVER", "headless")
    return started


def run(*arguments: str, exit_code: int = 0) -> Result:
    result = CliRunner().invoke(reporting.report, arguments)
    assert exit_code == result.exit_code, result.output
    return result


@pytest.mark.parametrize(
    ("at", "opened"),
    [
        (None, 0),
        ("22:14:00", 1),
        ("22:14", 1),
        ("2023-11-14T22:14:00", 1),
        ("2023-11-14T23:14:00+01:00", 1),
        ("22:15", 0),
    ],
)
def test_a_moment_on_the_command_line(tmp_path: Path, shown: list[Replay], at: str | None, opened: int) -> None:
    """A time of the last day in UTC, or one with its date and, if need be, its zone."""
    path = written(tmp_path / "f", [EVENT, moved(EVENT, 60, "closed")])
    run("--top", *(["--at", at] if at else []), path)
    (source,) = shown
    (shot,) = source.scene().shots
    assert opened == len(shot.findings)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--top", "--at", "noon"], "'noon' is no time"),
        (["--at", "22:14"], "--at goes with --top"),
        (["--top", "-o", "x"], "writes into no file"),
        (["--top", "-"], "a pipe will not do"),
    ],
)
def test_wrong_usage(tmp_path: Path, shown: list[Replay], arguments: list[str], text: str) -> None:
    """Exit code 2 and a clear word."""
    assert text in run(*arguments, written(tmp_path / "f", [EVENT]), exit_code=2).stderr
    assert [] == shown


def test_without_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is nothing to draw on."""
    monkeypatch.delenv("TEXTUAL_DRIVER", raising=False)
    assert "--top is for a terminal" in run("--top", written(tmp_path / "f", [EVENT]), exit_code=2).stderr
