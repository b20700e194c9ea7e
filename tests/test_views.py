"""What the dashboard shows, without a screen: words, columns, order, who blocks whom, graphs; and whatever may come."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unstuck.agent import wire
from unstuck.tui import words
from unstuck.tui.blockers import STANDING, forest
from unstuck.tui.columns import Column, column_at, laid, widths
from unstuck.tui.drawing import MOST, drawn
from unstuck.tui.ink import Cell, Line, apart, clip, fit, joined, line, painted, text_of, width_of
from unstuck.tui.picture import Picture
from unstuck.tui.scene import RECORDED, Scene, Shot
from unstuck.tui.sorting import Ask, chosen, natural, sorted_by
from unstuck.tui.view import View
from unstuck.tui.views import findings, head, overview, processes, resources, task, tasks, waits

from . import builders, pictures

# Words


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 ms"), (0.0001, "<1 ms"), (0.25, "250 ms"), (0.9996, "1.0 s"), (1.24, "1.2 s"), (9.96, "10 s"), (42, "42 s"),
     (59.6, "1m00s"), (252, "4m12s"), (3599.7, "1h00m"), (11_100, "3h05m"), (187_200, "2d04h")],
)  # fmt: skip
def test_spans(seconds: float, said: str) -> None:
    assert said == words.span(seconds)


@pytest.mark.parametrize(
    ("number", "said"),
    [(0, "0 B"), (999, "999 B"), (1000, "0.98 KiB"), (25_690_112, "24.5 MiB"), (1_300_000_000, "1.21 GiB")],
)
def test_sizes(number: int, said: str) -> None:
    assert said == words.size(number)


def test_shares_and_delays() -> None:
    assert ("0.3%", "12%", "140%") == (words.share(0.003), words.share(0.12), words.share(1.4))
    assert ("0 ms", "<0.1 ms", "0.3 ms", "12 ms") == tuple(map(words.delay, (0, 0.00001, 0.0003, 0.012)))


def test_sparks() -> None:
    """The newest is at the right, each bar the highest of its share, and no bar more than there is room for."""
    assert "▁█" == words.spark([0.0, 1.0], 10)
    assert "▁▁█" == words.spark([0.0] * 8 + [1.0], 3)
    assert "▁" == words.spark([0.0001], 10, top=1.0)
    assert "" == words.spark([], 10)
    assert 10 == len(words.spark([0.1] * 95, 10))


def test_commands_as_one_types_them() -> None:
    """Without folders; a package that is run by its name; nothing is made of what is no path."""
    assert "python3 uvicorn app:app" == words.called(("/usr/bin/python3", "/srv/venv/bin/uvicorn", "app:app"))
    assert "python3 -m shop --db=/var/db" == words.called(("/usr/bin/python3", "/srv/shop/__main__.py", "--db=/var/db"))
    assert "" == words.called(())


# Lines and columns


def test_cells_are_cut_and_filled() -> None:
    """A mark stands for what is missing; of a place the end is kept, for there is the line."""
    assert "abcd…" == text_of(clip("abcdefgh", 5))
    assert "…y:21" == text_of(clip(("transfer.py:21", "place"), 5))
    assert "ab   " == text_of(fit("ab", 5))
    assert "   ab" == text_of(fit("ab", 5, right=True))
    assert "ab…" == text_of(fit((("ab", "x"), ("cd", "y")), 3))
    assert "a  b" == text_of(joined(["a", "", "b"]))
    assert "a   b" == text_of(apart("a", "b", 5))


def test_wide_characters() -> None:
    """Widths are cells, not characters."""
    assert 5 == width_of(fit("日本語", 5))
    assert "日本…" == text_of(fit("日本語", 5))
    assert 4 == width_of(fit("日本語", 4))


def test_what_was_searched_is_painted() -> None:
    assert (("au", "found"), ("dit-", ""), ("1", "found")) == painted("audit-1", ["1", "au"])
    assert (("audit", ""),) == painted("audit", ["zebra"])


COLUMNS = (Column("a", 4, 10), Column("b", 4, rank=1), Column("c", 4, 6, rank=2))


def test_columns_leave_by_rank_and_grow_as_they_may() -> None:
    assert (4, 4, 4) == widths(COLUMNS, 16)
    assert (5, 4, 0) == widths(COLUMNS, 11)
    assert (4, 0, 0) == widths(COLUMNS, 4)
    assert (10, 4, 6) == widths(COLUMNS, 100)
    assert "one         three " == text_of(laid(COLUMNS, [10, 0, 6], ["one", "two", "three"]))
    assert (0, 0, 2, None) == tuple(column_at([10, 0, 6], x) for x in (0, 11, 12, 30))


# Order and filters


def test_names_in_natural_order() -> None:
    names = ["Task-10", "Task-9", "alpha", "Task-100"]
    assert ["alpha", "Task-9", "Task-10", "Task-100"] == sorted_by(names, natural, False)


def test_filters() -> None:
    rows = ["alpha one", "beta one", "alpha two"]
    assert ["alpha one"] == list(chosen(rows, Ask(filter="ALPHA one"), str))
    assert ["beta one"] == list(chosen(rows, Ask(filter="-alpha"), str))
    assert ["alpha two"] == list(chosen(rows, Ask(filter="alpha -one"), str))
    assert rows == list(chosen(rows, Ask(filter="  "), str))


@pytest.mark.parametrize("column", range(len(tasks.COLUMNS)))
@pytest.mark.parametrize("inverted", [False, True])
def test_tasks_by_every_column(column: int, inverted: bool) -> None:
    """Every column sorts, both ways, and loses nobody."""
    scene = pictures.scene(pictures.bank(), pictures.idle(), pictures.crowd(50))
    rows = tasks.view(scene, Ask(column, inverted)).rows
    assert len(scene.tasks()) == len(rows)
    assert {id(row[1]) for row in scene.tasks()} == {id(row[1]) for row in rows}


@pytest.mark.parametrize("column", range(len(resources.COLUMNS)))
def test_resources_by_every_column(column: int) -> None:
    scene = pictures.scene(pictures.bank(), pictures.idle(), pictures.crowd(50))
    assert 4 == len(resources.view(scene, Ask(column)).rows)


@pytest.mark.parametrize("column", range(len(processes.COLUMNS)))
def test_processes_by_every_column(column: int) -> None:
    scene = pictures.scene(pictures.bank(), pictures.idle(), pictures.crowd(50))
    assert 3 == len(processes.view(scene, Ask(column)).rows)


def test_the_sick_process_comes_first_in_the_list() -> None:
    """And with it all of its service; those that are well are in the order of their commands."""
    well = pictures.idle(1, service="z"), pictures.idle(2, service="a")
    scene = pictures.scene(*well, pictures.bank(3, service="bank"), pictures.idle(4, service="bank"))
    rows = processes.view(scene, Ask(processes.FINDINGS), grouped=True).rows
    assert ["bank", 3, 4, 1, 2] == [row.name if isinstance(row, processes.Group) else row.pid for row in rows]


def test_what_is_wrong_comes_first() -> None:
    """The core of the worst finding, those behind it, and then who has waited longest."""
    names = [each.name for _, each in tasks.view(pictures.scene(pictures.bank()), Ask()).rows]
    assert ["transfer-1", "transfer-2", "audit-0"] == names[:3]


def test_the_head_leaves_out_what_says_nothing() -> None:
    """The service names the process; of its command line there is enough to see, or none."""
    scene = pictures.scene(pictures.bank(service="bank", command=("/usr/bin/python3", "-m", "bank.transfers", "--all")))
    told = {width: text_of(head.line_of(scene, None, [], width)) for width in (80, 100)}
    assert "python3" not in told[80]
    assert "4711  bank  python3 -m bank.transfers" in told[100]


def test_the_head_says_how_many_tasks_are_told() -> None:
    """Where more come and go than a busy process has time to tell of, the table is not all there is."""
    (shot,) = pictures.scene(pictures.crowd(100)).shots
    for number, word in ((100, "● live "), (105, "● live "), (400, "● live, 25% of tasks")):
        seen = Scene((replace(shot, health=wire.Health(number, 0, 0, number, 0.1, 0)),))
        assert word in text_of(head.line_of(seen, None, [], 120))


def test_the_command_has_room_in_the_list() -> None:
    """It tells processes apart; sparklines are the first to leave, and are never cut at their newest end."""
    scene = pictures.scene(pictures.bank(command=("/usr/bin/python3", "-m", "shop.workers.checkout")))
    for width in (80, 100, 120, 160):
        text = _drawn_text(processes.view(scene, Ask()), width)
        assert "python3 -m shop.workers.chec" in text
        assert not any("…" in word for word in text.split() if set(word) & set(words.SPARKS))


def test_what_a_task_does_is_told_at_80_columns() -> None:
    """Names like Task-38537 tell nobody what it is."""
    text = _drawn_text(tasks.view(pictures.scene(pictures.crowd(40)), Ask()), 80)
    assert "request-7     handle" in text
    assert "(running)" in text  # for the state has no column of its own there


# Who blocks whom


def made(*listed: wire.Task, resources: tuple[wire.Resource, ...] = (), marked: tuple[str, ...] = ()) -> Shot:
    """A process with these tasks; a finding is about the marked ones."""
    core = [{"id": id, "role": "core"} for id in marked]
    record = {"id": "f", "event": "opened", "verdict": "proven", "time": "2026-01-01T00:00:00+00:00", "tasks": core}
    return Shot(
        pictures.greeting(),
        pictures.NOW,
        tasks={each.id: each for each in listed},
        resources={each.id: each for each in resources},
        findings={"f": record} if marked else {},
    )


def waiting(name: str, on: str | None = None, ago: float = 1.0, **more: Any) -> wire.Task:
    """A task that waits, and whose id is its name."""
    return pictures.task(name, name, ago=ago, on=on, wait="asyncio.Lock", **more)


def lock(id: str, *holders: str, **more: Any) -> wire.Resource:
    """A lock by its holders."""
    return wire.Resource(id, "asyncio.Lock", id, holders=holders, **more)


def test_a_chain() -> None:
    """a waits for b, who waits for c: c is the root, and blocks two."""
    shot = made(waiting("a", "L"), waiting("b", "M"), waiting("c"), resources=(lock("L", "b"), lock("M", "c")))
    trees = forest(shot)
    assert (["c"], {"c": 2, "M": 2, "b": 1, "L": 1}) == (trees.roots, trees.blocked)


def test_a_circle_that_is_part_of_a_finding() -> None:
    """It is cut at the one who has waited longest, who counts too."""
    shot = made(waiting("a", "L", 2.0), waiting("b", "M", 3.0), waiting("c", "L"),
                resources=(lock("L", "b"), lock("M", "a")), marked=("a", "b"))  # fmt: skip
    trees = forest(shot)
    assert (["b"], {"b": "M"}, 3) == (trees.roots, trees.closes, trees.blocked["b"])


def test_a_circle_that_is_part_of_no_finding() -> None:
    """Somebody moved while he was looked at: nothing is said of a circle."""
    shot = made(waiting("a", "L"), waiting("b", "L"), resources=(lock("L", "a"),))
    trees = forest(shot)
    assert (["a"], {}, 1) == (trees.roots, trees.closes, trees.blocked["a"])
    assert "itself" not in _drawn_text(tasks.view(Scene((shot,)), Ask()), 160)


def circle(ago: float, **more: Any) -> Shot:
    """a and b wait for each other, and b came later, ``ago``; c waits behind a."""
    locks = (lock("L", "b"), wire.Resource("M", "asyncio.Lock", "M", None, ("a",), **more))
    shot = made(waiting("a", "L", 9.0), waiting("b", "M", ago), waiting("c", "M", 8.0), resources=locks)
    return replace(shot, complete=True)


def test_a_circle_that_stands_is_told_before_it_is_a_finding() -> None:
    """What is not proven is a finding after half a minute only: whoever looks before should see where to look."""
    scene = Scene((circle(STANDING),))
    assert {"a": "L"} == forest(scene.shots[0]).closes
    tree = waits.view(scene, frozenset(), frozenset())
    assert "↻ a again" in _drawn_text(tree, 120)
    assert "circle: see page 4" in findings.view(scene, Ask()).empty
    crowd = {f"w{n}": waiting(f"w{n}", "M", 20.0) for n in range(30)}
    scene = Scene((replace(scene.shots[0], tasks={**crowd, **scene.shots[0].tasks}),))
    tree = waits.view(scene, frozenset(), frozenset())
    assert "↻ a again" in _drawn_text(tree, 120)  # none of it is among those that are folded away


def test_a_circle_that_has_just_come_about_is_not_told() -> None:
    """Nor one through a pool of which others may give back what they hold, or in a picture that is not whole."""
    young, pool = circle(STANDING - 0.1), circle(STANDING, used=2, total=2)
    for shot in (young, pool, replace(circle(STANDING), complete=False)):
        assert {} == forest(shot).closes
        assert "nothing is wrong" in findings.view(Scene((shot,)), Ask()).empty


def test_those_who_came_after_the_finding_was_told() -> None:
    """The record counts those who were behind it once; the tree and the marks show who is there now, and so does it."""
    late = [pictures.task(f"late-{n}", f"late-{n}", on="A", wait="asyncio.Lock", ago=0.5) for n in range(30)]
    joins = pictures.task("joins", "joins", joins=("late-7",), wait="task")
    gives_up = pictures.task("gives-up", "gives-up", on="A", wait="asyncio.Lock", due=pictures.NOW + 3)
    picture = pictures.bank()
    picture.apply(pictures.update((*late, joins, gives_up)))
    scene = pictures.scene(picture)
    ((shot, record),) = scene.findings()
    assert (3, 34) == (record["victims"], shot.victims_of(record))
    assert {("proven", False)} == {shot.marks[each.id] for each in (*late, joins)}
    assert "gives-up" not in shot.marks
    assert "2 +34" in _drawn_text(findings.view(scene, Ask()), 160)
    assert "+34 tasks behind them" in "\n".join(map(text_of, findings.told((shot, record), 120))).replace("\xa0", " ")
    assert "+34" in "\n".join(map(text_of, overview.lines(scene, 120, 40)))


def test_rows_are_drawn_without_counting() -> None:
    """Among 100,000 tasks that takes a while, and drawing must not."""
    scene = pictures.scene(pictures.bank())
    findings.view(scene, Ask())
    assert "behind" in vars(scene.shots[0])


def test_behind_what_is_no_circle_the_record_counts() -> None:
    """A recording names a few of them only, and so does a picture that is not whole."""
    (shot,) = pictures.scene(pictures.bank(victims=3)).shots
    (record,) = shot.findings.values()
    record = {**record, "victims": 80}
    for seen in (replace(shot, state=RECORDED), replace(shot, complete=False)):
        assert 80 == seen.victims_of(record)
    assert 80 == shot.victims_of({**record, "event": "closed"})


def test_who_blocks_most_tells_what_he_holds() -> None:
    """Whose turn it is changes all the time in a busy program; what they queue for does not."""
    shot = made(waiting("a", "L"), pictures.task("b", "b", wait="asyncio.sleep"), resources=(lock("L", "b"),))
    text = "\n".join(text_of(each) for each in overview.lines(Scene((shot,)), 120, 40))
    assert "holds L · waits for asyncio.sleep" in text


def test_who_has_just_got_what_he_waited_for() -> None:
    """The row of the task is a moment older than that of the lock: he holds it, and waits for it no more."""
    shot = made(waiting("a", "L"), waiting("b", "L"), resources=(lock("L", "a"),))
    assert "holds L    " in "\n".join(text_of(each) for each in overview.lines(Scene((shot,)), 120, 40))


def test_nobody_is_younger_than_his_wait() -> None:
    """A hook notes a wait at once; that there is such a task may be seen a look later."""
    late = pictures.task("a", "a", ago=3.3, born=pictures.NOW - 2.8, wait="asyncio.Lock")
    shot = made(late)
    assert "age       3.3 s" in "\n".join(text_of(each) for each in task.told((shot, late), 100))


def test_what_several_hold_is_a_root() -> None:
    """A pool, and those who wait for it; who holds a unit himself is told."""
    shot = made(waiting("a", "P"), waiting("b", "P"), waiting("c"), resources=(lock("P", "a", "c"),))
    trees = forest(shot)
    assert (["P"], 2) == (trees.roots, trees.blocked["P"])
    assert "─ a holds one itself" in _drawn_text(waits.view(Scene((shot,)), frozenset(), frozenset()), 120)


def test_of_joined_tasks_the_slowest_counts() -> None:
    shot = made(
        waiting("a", ago=5),
        waiting("b", ago=9),
        pictures.task("c", "c", "ready", 99),
        waiting("main", joins=("a", "b", "c")),
    )
    assert {"main": "b"} == forest(shot).parent


def test_ownerless_things_come_last() -> None:
    """Many idle workers before an empty queue are no trouble; one behind a lock may be."""
    idle = [waiting(f"w{n}", "Q") for n in range(5)]
    shot = made(
        *idle, waiting("a", "L"), waiting("b"), resources=(wire.Resource("Q", "asyncio.Queue", "Q"), lock("L", "b"))
    )
    assert ["b", "Q"] == forest(shot).roots


def test_a_task_that_joins_itself_and_one_that_is_gone() -> None:
    """Nonsense does not hang."""
    shot = made(
        waiting("a", joins=("a",)), waiting("b", joins=("gone",)), waiting("c", "L"), resources=(lock("L", "gone"),)
    )
    trees = forest(shot)
    assert {"L": 1, "a": 0} == trees.blocked


# Graphs


GRAPHS = [
    builders.two_locks(), builders.lock_taken_twice(), builders.ring_with_gather(), builders.long_ring(30),
    builders.slow_wait(),
]  # fmt: skip


@pytest.mark.parametrize("event", GRAPHS, ids=lambda event: event.finding.title)
@pytest.mark.parametrize("width", [30, 76, 150])
def test_graphs_keep_to_their_width(event: Any, width: int) -> None:
    rows = drawn(event.finding, width)
    assert rows
    assert max(map(width_of, rows)) <= width


def test_a_circle_is_closed_in_its_graph() -> None:
    text = [text_of(row) for row in drawn(builders.two_locks().finding, 80)]
    assert text[0].startswith("╭▶┌─ transfer-1")
    assert text[-1].startswith("╰────╯  waits for accounts['A'].lock")
    assert all(row.startswith("│ ") for row in text[1:-1])


def test_a_chain_that_does_not_close() -> None:
    text = [text_of(row) for row in drawn(builders.slow_wait().finding, 80)]
    assert "  ┌─ reader (read)" in text[0]
    assert "     ▼  waits for cache.lock asyncio.Lock held by refresher" in text
    assert text[-1].startswith("  └")


def test_a_long_ring_is_cut_in_its_middle() -> None:
    text = [text_of(row) for row in drawn(builders.long_ring(30).finding, 80)]
    assert MOST - 1 == sum("┌─" in row for row in text)
    assert any(f"┆  {30 - MOST + 1} more" in row for row in text)


def test_nothing_to_draw() -> None:
    assert [] == drawn(builders.blocked_loop().finding, 80)


# Whatever may come

TEXT = st.text(max_size=12)
NAME = st.sampled_from(["a", "b", "c", "L", "Q", "日本語-1", "x\x1b[31m\n", ""]) | TEXT
NUMBER = st.floats() | st.floats(min_value=-1e9, max_value=4e9) | st.just(pictures.NOW)
SPOT = st.none() | st.builds(wire.Spot, TEXT, st.integers(-1, 10**6), TEXT)
TASK = st.builds(
    wire.Task, NAME, NAME, TEXT, TEXT, st.sampled_from(["running", "ready", "waiting", "odd"]), NUMBER, TEXT,
    st.none() | NAME, st.none() | NUMBER, st.none() | NUMBER, st.none() | NAME, SPOT, SPOT,
    st.lists(NAME, max_size=3).map(tuple),
)  # fmt: skip
RESOURCE = st.builds(
    wire.Resource, NAME, TEXT, NAME, SPOT, st.lists(NAME, max_size=3).map(tuple), st.integers(0, 10**7),
    st.none() | NUMBER, st.none() | st.integers(0, 10**6), st.none() | st.integers(0, 10**6),
)  # fmt: skip
LOOP = st.builds(wire.Loop, NAME, TEXT, st.booleans(), st.integers(0, 9), st.lists(st.floats(), max_size=5).map(tuple))
HEALTH = st.builds(wire.Health, *[st.integers(0, 10**7)] * 4, st.floats(), st.integers(0, 9))


def some(each: st.SearchStrategy[Any], most: int = 2) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(each, max_size=most).map(tuple)


UPDATE = st.builds(
    wire.Update, NUMBER, HEALTH, st.booleans(), some(NAME), some(TASK, 6), some(NAME), some(RESOURCE, 4), some(LOOP)
)
PLACE = st.builds(wire.Place, TEXT, st.integers(-1, 10**6), TEXT, TEXT)
DETAIL = st.builds(
    wire.Detail, NAME, st.just(False), some(PLACE, 3),
    st.lists(st.builds(wire.Maker, NAME, NAME, st.none() | PLACE), max_size=2).map(tuple),
    st.lists(st.builds(wire.Past, TEXT, st.none() | NAME, SPOT, NUMBER, st.none() | NUMBER), max_size=3).map(tuple),
    some(NAME), st.none() | TEXT, st.none() | TEXT,
)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(st.lists(UPDATE, min_size=1, max_size=3), st.lists(DETAIL, max_size=2), st.sampled_from([80, 160]), TEXT)
def test_whatever_comes_is_shown(
    updates: list[wire.Update], details: list[wire.Detail], width: int, filter: str
) -> None:
    """Nothing raises, no line is too wide, nothing that a terminal would obey is let through."""
    hello = pictures.greeting(command=("x\x1b[2J",), service="s\x07")
    picture = Picture(hello)
    for frame in (*updates, *details):
        picture.apply(frame)
    scene = Scene((Shot.of(picture), pictures.shot(pictures.bank())))
    for seen in (scene, scene.narrowed(hello.pid), Scene((Shot.of(picture),))):
        shown = [
            tasks.view(seen, Ask(filter=filter)),
            resources.view(seen, Ask(filter=filter)),
            findings.view(seen, Ask(filter=filter)),
            waits.view(seen, frozenset(), frozenset()),
            processes.view(seen, Ask(), True),
        ]
        texts = [_drawn_text(view, width) for view in shown]
        rows: list[Line] = [line(text) for text in overview.lines(seen, width, 40)]
        rows += [text for row in seen.tasks()[:8] for text in task.told(row, width)]
        rows.append(head.line_of(seen, None, [], width))
        assert all(width_of(row) <= width for row in rows)
        texts += [text_of(row) for row in rows]
        assert [] == [text for text in texts if not text.replace("\n", "").isprintable()]


def _drawn_text(view: View, width: int) -> str:
    sizes = widths(view.columns, width)
    drawn_rows: list[Cell] = [laid(view.columns, sizes, view.cells(row)) for row in view.rows]
    assert all(width_of(row) <= width for row in drawn_rows)
    return "\n".join(map(text_of, drawn_rows))
