"""Columns of a table and the widths they get: those that matter least leave first where there is no room."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from .ink import Cell, Line, fit

GAP = "  "


@dataclass(frozen=True, slots=True)
class Column:
    """A column by its title. ``least`` and ``most`` are its width in cells; the highest ``rank`` leaves first."""

    title: str
    least: int
    most: int = 0
    right: bool = False
    rank: int = 0
    sortable: bool = True


@lru_cache(maxsize=64)
def widths(columns: tuple[Column, ...], room: int) -> tuple[int, ...]:
    """The width of each column in so much room; 0 for one that is left out."""
    kept = set(range(len(columns)))

    def taken() -> int:
        return sum(columns[index].least for index in kept) + len(GAP) * (len(kept) - 1)

    for index in sorted(kept, key=lambda each: columns[each].rank, reverse=True):
        if taken() <= room or not columns[index].rank:
            break
        kept.discard(index)
    found = [column.least if index in kept else 0 for index, column in enumerate(columns)]
    return tuple(_grown(columns, found, room - taken()))


def _grown(columns: Sequence[Column], found: list[int], spare: int) -> list[int]:
    """Spare cells dealt out one by one, each to the column that lacks most."""
    for _ in range(spare if columns else 0):
        lacks = [column.most - width if width else 0 for column, width in zip(columns, found, strict=True)]
        index = max(range(len(lacks)), key=lacks.__getitem__)
        if lacks[index] <= 0:
            break
        found[index] += 1
    return found


def laid(columns: Sequence[Column], sizes: Sequence[int], cells: Sequence[Cell]) -> Line:
    """A row: the cells side by side in these widths."""
    spans: list[tuple[str, str]] = []
    for column, width, cell in zip(columns, sizes, cells, strict=True):
        if not width:
            continue
        if spans:
            spans.append((GAP, ""))
        spans += fit(cell, width, column.right)
    return tuple(spans)


def column_at(sizes: Sequence[int], x: int) -> int | None:
    """Which column lies at this cell."""
    start = 0
    for index, width in enumerate(sizes):
        if width and start <= x < start + width + len(GAP):
            return index
        start += width + len(GAP) if width else 0
    return None
