"""A view: what a table shows of a scene, worked out away from the screen's thread."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from .columns import Column
from .ink import Cell

_NEAR = 200


@dataclass(frozen=True, slots=True)
class View:
    """Rows in the order in which they are shown. ``cells`` draws one row, and is asked for visible ones only."""

    columns: tuple[Column, ...]
    rows: Sequence[Any]
    key: Callable[[Any], Hashable]
    """What a row is, so that the cursor stays with it when the order changes."""
    cells: Callable[[Any], Sequence[Cell]]
    sort: int | None = None
    inverted: bool = False
    total: int | None = None
    """How many there are without the filter."""
    empty: str = "nothing to show"

    def index_of(self, key: Hashable, near: int = 0) -> int | None:
        """Where that row is now. Looked for around ``near`` first, for rows seldom go far."""
        rows, key_of = self.rows, self.key
        start, end = min(max(0, near - _NEAR), len(rows)), min(len(rows), near + _NEAR)
        for index in chain(range(start, end), range(start), range(end, len(rows))):
            if key_of(rows[index]) == key:
                return index
        return None


NOTHING = View((), (), lambda row: None, lambda row: ())
