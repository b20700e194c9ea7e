"""The table of tasks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from typing import Any

from .. import words
from ..columns import Column
from ..ink import Cell, Line, painted, text_of
from ..scene import VERDICTS, Row, Scene, key_of
from ..sorting import Ask, chosen, natural, sorted_by
from ..view import View
from .places import awaited, bare, holders, spot, tidy

COLUMNS = (
    Column("!", 2),
    Column("pid", 7, right=True, rank=1),
    Column("state", 7, rank=6),
    Column("name", 12, 26),
    Column("coroutine", 14, 36, rank=3),
    Column("waits for", 18, 36),
    Column("held by", 12, 22, rank=2),
    Column("for", 7, right=True),
    Column("ends in", 7, right=True, rank=7),
    Column("created by", 12, 22, rank=8),
    Column("place", 15, 28, rank=5),
)
MARK, PID, STATE, NAME, CORO, WAITS, HELD, FOR, ENDS, CREATOR, PLACE = range(len(COLUMNS))
ALONE = tuple(column if column.title != "pid" else Column("pid", 0, rank=99) for column in COLUMNS)
_STATES = {"running": 0, "ready": 1, "waiting": 2}
_AGES = 1e10
"""More seconds than any time has."""
_MARKS = {True: "●", False: "○"}


def view(scene: Scene, ask: Ask, followed: tuple[int, str] | None = None) -> View:
    """The tasks that the filter leaves, in the order asked for; the followed one is marked."""
    every = scene.tasks()
    rows = sorted_by(chosen(every, ask, _text), _KEYS[ask.sort], ask.inverted)
    found = ask.words

    def cells(row: Row) -> Sequence[Cell]:
        return _cells(row, found, followed)

    return View(
        COLUMNS if scene.several else ALONE,
        rows,
        key_of,
        cells,
        ask.sort,
        ask.inverted,
        len(every),
        "no task matches the filter" if every else "no tasks",
    )


def mark_of(row: Row) -> Line:
    """A sign at tasks of a finding: full for its core, hollow for those behind it."""
    verdict, core = row[0].marks.get(row[1].id, ("", False))
    return ((_MARKS[core], verdict),) if verdict else ()


def circle_of(row: Row) -> Line:
    """A sign at the task where a circle begins and closes."""
    return (("↻", row[0].marks.get(row[1].id, ("warn",))[0]),)


def age_of(row: Row) -> float:
    """For how long the task has been in its state."""
    return max(0.0, float(row[0].time - row[1].since))


def creator(row: Row) -> Line:
    """Who made the task: the task by name while it lives, else the place."""
    shot, task = row
    parent = shot.tasks.get(task.parent or "")
    return ((tidy(parent.name), ""),) if parent is not None else spot(task.made)


def _cells(row: Row, found: Sequence[str], followed: tuple[int, str] | None) -> Sequence[Cell]:
    shot, task = row
    resource = shot.resources.get(task.on or "")
    return (
        (*mark_of(row), ("◆", "key")) if key_of(row) == followed else mark_of(row),
        str(shot.pid),
        (task.state, task.state),
        painted(tidy(task.name), found, plain="key" if key_of(row) == followed else ""),
        painted(bare(task.coro), found),
        awaited(shot, task) or ((f"({task.state})", task.state),),  # the column with the state may have no room
        holders(shot, resource.holders, task.id) if resource else (),
        words.span(age_of(row)),
        (words.span(task.due - shot.time) if task.due is not None else "", "dim"),
        creator(row),
        spot(task.at),
    )


def _text(row: Row) -> str:
    shot, task = row
    resource = shot.resources.get(task.on or "")
    parts = [task.name, task.coro, task.state, task.wait, str(shot.pid)]
    if resource is not None:
        parts.append(resource.name)
        parts += [shot.tasks[holder].name for holder in resource.holders[:3] if holder in shot.tasks]
    if task.at is not None:
        parts.append(f"{task.at.file}:{task.at.line}")
    return "\n".join(parts)


def _marked(row: Row) -> float:
    """The worst first, cores before those behind them; then who has waited longest. One number: there are many rows."""
    since: float = row[1].since
    marks = row[0].marks
    if row[1].id not in marks:
        return since
    verdict, core = marks[row[1].id]
    rank = VERDICTS.index(verdict) if verdict in VERDICTS else len(VERDICTS)
    return since - _AGES * (2 * (len(VERDICTS) - rank) + core)


def _held(row: Row) -> tuple[bool, str]:
    resource = row[0].resources.get(row[1].on or "")
    if resource is None or not resource.holders:
        return True, ""
    return False, row[0].name_of(resource.holders[0])


def _waits(row: Row) -> tuple[bool, str]:
    text = text_of(awaited(*row)).lower()
    return not text, text


_KEYS: tuple[Callable[[Row], Any], ...] = (
    _marked,
    lambda row: row[0].greeting.pid,
    lambda row: _STATES.get(row[1].state, 3) * _AGES + row[1].since,
    lambda row: natural(row[1].name),
    lambda row: row[1].coro.lower(),
    _waits,
    _held,
    lambda row: row[1].since,
    lambda row: inf if row[1].due is None else row[1].due,
    lambda row: natural(text_of(creator(row))),
    lambda row: (row[1].at.file, row[1].at.line) if row[1].at else ("~", 0),
)
