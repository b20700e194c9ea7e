"""The table of resources that somebody waits for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .. import words
from ..columns import Column
from ..ink import Cell, Line, painted
from ..scene import Row, Scene, key_of
from ..sorting import Ask, chosen, natural, sorted_by
from ..view import View
from .places import holders, spot, tidy

COLUMNS = (
    Column("waiters", 8, right=True),
    Column("pid", 7, right=True, rank=1),
    Column("name", 20, 44),
    Column("type", 14, 26, rank=2),
    Column("used", 7, 11, right=True),
    Column("held by", 14, 30),
    Column("longest", 8, right=True),
    Column("made at", 14, 34, rank=3),
)
WAITERS, PID, NAME, TYPE, USED, HELD, LONGEST, MADE = range(len(COLUMNS))
_ALONE = tuple(column if column.title != "pid" else Column("pid", 0, rank=99) for column in COLUMNS)


def view(scene: Scene, ask: Ask) -> View:
    """The resources that the filter leaves, in the order asked for."""
    every = scene.resources()
    rows = sorted_by(chosen(every, ask, _text), _KEYS[ask.sort], ask.inverted)
    found = ask.words

    def cells(row: Row) -> Sequence[Cell]:
        return _cells(row, found)

    return View(
        COLUMNS if scene.several else _ALONE,
        rows,
        key_of,
        cells,
        ask.sort,
        ask.inverted,
        len(every),
        "no resource matches the filter" if every else "nobody waits for a lock, queue, event, pool or the like",
    )


def used_of(row: Row) -> Line:
    """Units in use and units there are: ``3/10``; a queue without limit has items only."""
    used, total = row[1].used, row[1].total
    if used is None:
        return ()
    if not total:
        return ((f"{used:,}", ""),)
    full = used >= total and "Queue" not in row[1].type
    return ((f"{used:,}", "bad" if full else ""), (f"/{total:,}", "dim"))


def longest_of(row: Row) -> str:
    """For how long its longest waiter has waited."""
    return words.span(row[0].time - row[1].oldest) if row[1].oldest is not None else ""


def _cells(row: Row, found: Sequence[str]) -> Sequence[Cell]:
    shot, resource = row
    return (
        (f"{resource.waiters:,}", "bold"),
        str(shot.pid),
        painted(tidy(resource.name), found),
        painted(tidy(resource.type), found, plain="dim"),
        used_of(row),
        holders(shot, resource.holders),
        longest_of(row),
        spot(resource.made),
    )


def _text(row: Row) -> str:
    shot, resource = row
    names = [shot.tasks[holder].name for holder in resource.holders[:3] if holder in shot.tasks]
    return "\n".join((resource.name, resource.type, str(shot.pid), *names))


def _use(row: Row) -> float:
    used, total = row[1].used, row[1].total
    return 1.0 if used is None else -(used / total) if total else 0.0


_KEYS: tuple[Callable[[Row], Any], ...] = (
    lambda row: (-row[1].waiters, row[1].oldest or row[0].time),
    lambda row: row[0].pid,
    lambda row: natural(row[1].name),
    lambda row: row[1].type.lower(),
    _use,
    lambda row: (not row[1].holders, row[0].name_of(row[1].holders[0]) if row[1].holders else ""),
    lambda row: row[1].oldest if row[1].oldest is not None else row[0].time,
    lambda row: (row[1].made.file, row[1].made.line) if row[1].made else ("~", 0),
)
