"""The overview of one process: how it is, what is wrong, who blocks most, who has waited longest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from heapq import nsmallest

from ...agent import wire
from .. import words
from ..blockers import forest
from ..columns import Column, laid, widths
from ..drawing import drawn
from ..ink import Cell, Line, apart, clean, clip, fit, joined, line, width_of
from ..picture import Record
from ..records import NoRecord, finding_of
from ..scene import VERDICTS, Scene, Shot, is_open
from .places import awaited, bare, holders, spot, tidy
from .processes import p99
from .resources import used_of
from .tasks import circle_of, mark_of

_LABEL = 12
_SPARK_TOP = 0.02
"""A delay of this many seconds fills the sparkline, if none is longer."""
_MOST_LOOPS = 4
_MOST = 20


def lines(scene: Scene, width: int, height: int) -> list[Line]:
    """The overview of the process that is looked at, in a window of that size."""
    if not scene.seen:
        return []
    shot = scene.seen[0]
    head = [*_who(shot, width), (), *_health(shot, width), ()]
    room = height - len(head)
    parts = [_wrong(shot), _blocking(shot), _longest(shot)]
    shown = [*head, *_shared(parts, room, width)]
    return [clip(each, width) for each in (*shown, *_worst(shot, width, height - len(shown)))]


def brief(shot: Shot) -> Line:
    """How the process is, in half a line."""
    delay, vitals = p99(shot), shot.vitals
    return joined(
        [
            words.some(shot.health.tasks, "task"),
            (("loop p99 ", "dim"), words_of(delay)) if delay is not None else "",
            (("cpu ", "dim"), (words.share(vitals.cpu), "")) if vitals.cpu is not None else "",
        ],
        ("  ", ""),
    )


def words_of(delay: float) -> tuple[str, str]:
    """A loop's delay, toned by how bad it is."""
    return words.delay(delay), "bad" if delay >= 0.25 else "warn" if delay >= 0.05 else ""


def _fact(name: str, *cells: Cell) -> Line:
    return line((f" {name:<{_LABEL}}", "dim"), *cells)


def _who(shot: Shot, width: int) -> Iterator[Line]:
    hello = shot.greeting
    up = f"up {words.span(shot.time - hello.started)}" if hello.started and shot.time else ""
    about = joined([f"Python {hello.python}" if hello.python else "", f"unstuck {hello.unstuck}", up], (" · ", "dim"))
    yield apart(_fact("process", (str(shot.pid), "bold"), "  ", clean(shot.command)), (*about, (" ", "")), width)
    if hello.service:
        yield _fact("service", clean(hello.service))
    for part, reason in shot.health.failed.items():
        yield _fact("switched off", (clean(part), "warn"), ("  failed: ", "dim"), clean(reason))


def _health(shot: Shot, width: int) -> Iterator[Line]:
    bars = max(10, min(60, width - _LABEL - 52))
    for loop in list(shot.loops.values())[:_MOST_LOOPS]:
        name = "loop delay" if len(shot.loops) == 1 else tidy(loop.thread)[:_LABEL]
        yield _fact(name, *_delays(list(shot.delays.get(loop.id, ())), bars))
    if len(shot.loops) > _MOST_LOOPS:
        yield _fact("", (f"and {len(shot.loops) - _MOST_LOOPS} more loops", "dim"))
    yield _fact("processor", *_processor(shot, bars))
    yield _fact("tasks", *_states(shot))
    yield _fact("findings", *_verdicts(shot))


def _delays(samples: list[float], bars: int) -> Line:
    if not samples:
        return (("not known: no sample of this loop (uvloop gives none)", "dim"),)
    ordered = sorted(samples)
    figures: list[Cell] = []
    for name, part in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99)):
        figures.append(((f"{name} ", "dim"), words_of(words.percentile(ordered, part))))
    figures.append((("max ", "dim"), words_of(ordered[-1])))
    drawn = fit((words.spark(samples, bars, _SPARK_TOP), "spark"), bars, right=True)
    return line(*drawn, "  ", *joined(figures))


def _processor(shot: Shot, bars: int) -> Line:
    vitals = shot.vitals
    drawn = fit((words.spark(vitals.cpus, bars, 1.0), "spark"), bars, right=True)
    figures: list[Cell] = []
    if vitals.cpu is not None:
        figures.append((("cpu ", "dim"), (words.share(vitals.cpu), "")))
    if vitals.memory is not None:
        figures.append((("memory ", "dim"), (words.size(vitals.memory), "")))
    if vitals.agent is not None:
        figures.append((("agent ", "dim"), (words.share(vitals.agent), "")))
    return line(*drawn, "  ", *joined(figures)) if figures else (("not known", "dim"),)


def _states(shot: Shot) -> Line:
    health = shot.health
    counts = (("running", health.running), ("ready", health.ready), ("waiting", health.waiting))
    shown = [
        ((f"{number:,} ", "bold" if number else "dim"), (state, state if number else "dim")) for state, number in counts
    ]
    coming = "" if shot.complete else (f"{len(shot.tasks):,} of them told so far", "dim")
    return joined([(f"{health.tasks:,}", "bold"), *shown, coming], "   ")


def _verdicts(shot: Shot) -> Line:
    numbers = {verdict: 0 for verdict in VERDICTS}
    for record in shot.findings.values():
        numbers[record["verdict"]] = numbers.get(record["verdict"], 0) + 1
    shown: list[Cell] = [
        ((f"{'●' if number else '○'} {number} ", verdict if number else "dim"), (verdict, verdict if number else "dim"))
        for verdict, number in numbers.items()
    ]
    over = len(shot.past)
    shown.append((f"{over} ended" if over else "", "dim"))
    shown.append((f"{shot.health.retracted} retracted" if shot.health.retracted else "", "warn"))
    return joined(shown, "   ")


def _worst(shot: Shot, width: int, room: int) -> list[Line]:
    """The graph of the worst finding, where it fits."""
    for _, record in Scene((shot,)).findings()[:1]:
        graph = _graph(record, width - 2) if is_open(record) else []
        if graph and len(graph) + 2 <= room:
            heading = _heading(f"the {record['kind']}", "", width)
            return [(), heading, *(line(" ", *each) for each in graph)]
    return []


def _graph(record: Record, width: int) -> list[Line]:
    try:
        return drawn(finding_of(record), width)
    except NoRecord:
        return []


Part = tuple[str, tuple[Column, ...], list[Sequence[Cell]], int]
"""A heading, the columns of its lines, their cells, and how many more there are."""

_WRONG = (
    Column("", 2),
    Column("", 13, 16),
    Column("", 9, rank=1),
    Column("", 20, 80),
    Column("", 7, right=True),
    Column("", 8, 12),
)
_BLOCKING = (Column("", 8, right=True), Column("", 22, 46), Column("", 32, 60), Column("", 12, 30, rank=1))
_LONGEST = (
    Column("", 8, right=True),
    Column("", 1),
    Column("", 22, 46),
    Column("", 20, 50),
    Column("", 15, 30, rank=1),
)


def _wrong(shot: Shot) -> Part:
    rows = [record for _, record in Scene((shot,)).findings() if is_open(record)]
    return "what is wrong", _WRONG, [_finding(shot, record) for record in rows[:_MOST]], max(0, len(rows) - _MOST)


def _finding(shot: Shot, record: Record) -> Sequence[Cell]:
    verdict, behind = record["verdict"], shot.victims_of(record)
    return (
        (" ●", verdict),
        (record["kind"], verdict),
        (verdict, verdict),
        clean(record["title"]),
        (words.span(shot.age_of(record)), "dim"),
        (f"+{behind:,}" if behind else "", "dim"),
    )


def _blocking(shot: Shot) -> Part:
    trees = forest(shot)
    found = [_blocker(shot, root, trees.blocked[root], trees.is_circle(root)) for root in trees.roots[:_MOST]]
    return "who blocks most", _BLOCKING, found, len(trees.roots) - len(found)


def _blocker(shot: Shot, root: str, blocked: int, circle: bool) -> Sequence[Cell]:
    number = (f"{blocked:,}", "bold")
    task = shot.tasks.get(root)
    if task is None:
        resource = shot.resources[root]
        held = holders(shot, resource.holders)
        name = joined([(tidy(resource.name), "link"), (tidy(resource.type), "dim")], " ")
        return (
            number,
            name,
            joined([used_of((shot, resource)), (("held by ", "dim"), *held) if held else ""]),
            spot(resource.made),
        )
    who = joined([circle_of((shot, task)) if circle else "", _name(task)], " ")
    what = awaited(shot, task)
    waits = (("waits for ", "dim"), *what) if what else ((task.state, task.state),)
    if task.on in shot.held.get(root, ()) and not circle:  # it has just got what it waited for
        waits = ()
    return number, who, joined([_held(shot, root), waits], (" · ", "dim")), spot(task.at)


def _held(shot: Shot, id: str) -> Line:
    """What a task holds that somebody waits for: what most wait for by name, the others counted."""
    things = sorted((shot.resources[each] for each in shot.held.get(id, ())), key=lambda thing: -thing.waiters)
    if not things:
        return ()
    more = f" +{len(things) - 1}" if len(things) > 1 else ""
    return (("holds ", "dim"), (tidy(things[0].name), "holds"), (more, "dim"))


def _name(task: wire.Task) -> Line:
    coro = bare(task.coro)
    return joined([(tidy(task.name), "bold"), (f"({coro})" if coro != task.name else "", "dim")], " ")


def _longest(shot: Shot) -> Part:
    waiting = [task for task in shot.tasks.values() if task.state == "waiting"]
    oldest = nsmallest(_MOST, waiting, key=lambda task: task.since)
    found: list[Sequence[Cell]] = [
        (
            words.span(shot.time - task.since),
            mark_of((shot, task)),
            _name(task),
            awaited(shot, task),
            spot(task.at),
        )
        for task in oldest
    ]
    return "who has waited longest", _LONGEST, found, len(waiting) - len(found)


def _shared(parts: Sequence[Part], room: int, width: int) -> Iterator[Line]:
    """The parts, each with as many lines as there is room for: the first ones first, but two for each."""
    parts = [part for part in parts if part[2]]
    left = room - 2 * len(parts)
    for number, (heading, columns, rows, more) in enumerate(parts):
        others = sum(min(2, len(each[2])) for each in parts[number + 1 :])
        shown = rows[: max(1, left - others)]
        left -= len(shown)
        hidden = more + len(rows) - len(shown)
        yield _heading(heading, f"{hidden:,} more" if hidden else "", width)
        sizes = widths(columns, width)
        yield from (laid(columns, sizes, cells) for cells in shown)
        if number < len(parts) - 1:
            yield ()


def _heading(text: str, note: str, width: int) -> Line:
    title = line((f" {text} ", "head2"))
    end = f" {note} " if note else ""
    return line(*title, ("─" * max(0, width - width_of(title) - len(end) - 1), "rule"), (end, "dim"))
