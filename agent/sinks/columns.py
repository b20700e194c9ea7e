"""The widths of a diagnostic's columns: source to the left, what it means beside it or below."""

from __future__ import annotations

from dataclasses import dataclass

from .rows import Row
from .text import fill, widest

_LEAST_CODE, _MOST_NAME = 40, 40


@dataclass(frozen=True, slots=True)
class Columns:
    """Widths in terminal cells. ``beside``: facts stand beside the code, not below it."""

    gutter: int
    code: int
    verb: int
    name: int
    facts: int
    beside: bool

    @classmethod
    def fitting(cls, rows: list[Row], width: int) -> Columns:
        """Columns for these rows: long code gives way to the facts, but never to less than _LEAST_CODE."""
        gutter, verb = widest(row.gutter for row in rows), widest(row.verb for row in rows)
        code = widest(row.code for row in rows)
        name = min(_MOST_NAME, widest(row.facts[0] for row in rows if len(row.facts) > 1))
        room = width - 4 - (gutter + 2) * bool(gutter)
        wide = room - verb - 4
        needed = widest("  ".join((fill(row.facts[0], name), *row.facts[1:])) for row in rows if row.facts)
        beside = min(code, max(wide - needed, _LEAST_CODE))
        if wide - beside >= widest(fact for row in rows for fact in row.facts):
            return cls(gutter, beside, verb, name, wide - beside, True)
        return cls(gutter, room, verb, name, wide, False)
