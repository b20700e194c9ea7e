"""The table of processes: those that can be chosen, and those that are watched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .. import words
from ..columns import Column
from ..ink import Cell, Line, Span, clean, line
from ..scene import ENDED, LIVE, SILENT, VERDICTS, Scene, Shot
from ..sorting import Ask, natural, sorted_by
from ..view import View

_BARS = 16
COLUMNS = (
    Column("pid", 8, right=True),
    Column("service", 12, 20, rank=4),
    Column("command", 30, 70),
    Column("tasks", 7, right=True),
    Column("findings", 8, 10),
    Column("delay p99", 9, right=True),
    Column("loop delay", _BARS, rank=2, sortable=False),
    Column("cpu", 5, right=True, rank=1),
    Column("memory", 8, right=True, rank=3),
    Column("up", 7, right=True, rank=5),
)
PID, SERVICE, COMMAND, TASKS, FINDINGS, DELAY, SPARK, CPU, MEMORY, UP = range(len(COLUMNS))


class Group(NamedTuple):
    """All workers of one service, together. ``name`` is its service, or the command they have in common."""

    name: str
    shots: tuple[Shot, ...]


def view(scene: Scene, ask: Ask, grouped: bool = False, marked: frozenset[int] = frozenset()) -> View:
    """The processes; ``grouped``: before those of one service a row that means all of them."""

    def cells(row: Shot | Group) -> Sequence[Cell]:
        first, *others = _cells(row)
        return (line(("◆", "key"), first) if isinstance(row, Shot) and row.pid in marked else first, *others)

    rows: list[Shot | Group] = list(sorted_by(scene.shots, _KEYS[ask.sort], ask.inverted))
    if grouped:
        rows = _with_groups(rows)
    return View(COLUMNS, rows, _key, cells, ask.sort, ask.inverted, empty="no process of yours runs the agent")


def service_of(shot: Shot) -> str:
    """What makes processes workers of one service: its name, else the command line."""
    return shot.greeting.service or shot.command


def p99(shot: Shot) -> float | None:
    """How late timers were at worst but for one in a hundred, in seconds."""
    every = sorted(delay for delays in shot.delays.values() for delay in delays)
    return words.percentile(every, 0.99) if every else None


def verdicts(shots: Sequence[Shot]) -> Line:
    """The open findings by verdict, as coloured counts."""
    spans: list[Span] = []
    for verdict in VERDICTS:
        number = sum(record["verdict"] == verdict for shot in shots for record in shot.findings.values())
        if number:
            spans.append((f"●{number}" if not spans else f" ●{number}", verdict))
    return tuple(spans)


def state_of(shot: Shot) -> Line:
    """A word when the process is not live."""
    return {SILENT: (("silent", "warn"),), ENDED: (("ended", "bad"),)}.get(shot.state, ())


def _with_groups(rows: Sequence[Shot | Group]) -> list[Shot | Group]:
    found: dict[str, list[Shot]] = {}
    for shot in rows:
        if isinstance(shot, Shot):
            found.setdefault(service_of(shot), []).append(shot)
    grouped: list[Shot | Group] = []
    for name, shots in found.items():
        if len(shots) > 1:
            grouped.append(Group(name, tuple(shots)))
        grouped += shots
    return grouped


def _key(row: Shot | Group) -> str | int:
    return row.name if isinstance(row, Group) else row.pid


def _cells(row: Shot | Group) -> Sequence[Cell]:
    if isinstance(row, Group):
        tasks = sum(shot.health.tasks for shot in row.shots)
        name = (f"all {len(row.shots)} of {clean(row.name)}", "bold")
        return ("all", "dim"), "", name, f"{tasks:,}", verdicts(row.shots) or ("none", "dim"), "", "", "", "", ""
    delay, vitals = p99(row), row.vitals
    ended = "dim" if row.state == ENDED else ""
    return (
        (str(row.pid), ended),
        (clean(row.greeting.service), ended),
        (*state_of(row), (" " if row.state != LIVE else "", ""), (clean(row.command), ended)),
        (f"{row.health.tasks:,}", ended),
        verdicts((row,)) or ("none" if row.state == LIVE else "", "dim"),
        words.delay(delay) if delay is not None else "",
        (words.spark(_recent(row), _BARS, 0.02), "spark"),
        words.share(vitals.cpu) if vitals.cpu is not None else "",
        words.size(vitals.memory) if vitals.memory is not None else "",
        words.span(row.time - row.greeting.started) if row.greeting.started and row.time else "",
    )


def _worst(shot: Shot) -> list[int]:
    return [-sum(record["verdict"] == verdict for record in shot.findings.values()) for verdict in VERDICTS]


def _recent(shot: Shot) -> list[float]:
    return [delay for delays in shot.delays.values() for delay in delays[-120:]]


_KEYS = (
    lambda shot: shot.pid,
    lambda shot: shot.greeting.service,
    lambda shot: natural(shot.command),
    lambda shot: -shot.health.tasks,
    lambda shot: (_worst(shot), natural(shot.command)),
    lambda shot: -(p99(shot) or 0.0),
    lambda shot: shot.pid,
    lambda shot: -(shot.vitals.cpu or 0.0),
    lambda shot: -(shot.vitals.memory or 0),
    lambda shot: shot.greeting.started,
)
