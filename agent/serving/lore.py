"""What is known of code: whose it is, what it means to stand in it, which line is where.

Law: code objects are kept, a bounded number of them, so that their ids stay theirs; no frame, no coroutine.
"""

from __future__ import annotations

from types import CodeType
from typing import Any, NamedTuple

from .. import wire
from ..bytecode import handlers_around, ranges
from ..names import assigned_name
from ..stacks import Link, line_of
from ..waits.reading import future_wait, table
from ..waits.rows import Row

_MOST = 5_000
_IN_A_POOL = Row("", lambda _link, _links, future: future_wait(future), composite=True)
"""A function in which a library's pool of connections is waited for, or something else."""
_LONGEST = 500


class Known(NamedTuple):
    """One function."""

    code: CodeType
    is_own: bool
    """Whether it is the program's, not one that a library puts in between."""
    row: Row | None
    """What it means to be suspended in it."""
    has_blocks: bool
    """Whether it has a ``with`` or ``try`` at all."""


class Lore:
    """Looked up once a function and once a line."""

    def __init__(self) -> None:
        self.codes: dict[int, Known] = {}
        self._spots: dict[tuple[int, int], tuple[CodeType, wire.Spot]] = {}
        self._assigned: dict[tuple[int, int], tuple[CodeType, str | None]] = {}
        self._libraries = (False, 0)

    def refresh(self) -> None:
        """Before each look: a library may have been loaded since the last, and its functions have a meaning now."""
        libraries = table().has_anyio, len(table().pools)
        if libraries != self._libraries or len(self.codes) > _MOST:
            self._libraries = libraries
            self.codes.clear()
        for known in (self._spots, self._assigned):
            if len(known) > _MOST:
                known.clear()

    def learn(self, awaitable: Any, code: CodeType) -> Known:
        """What is known of the function of a suspended coroutine or generator."""
        is_own = Link(awaitable, code, -1).is_own
        row = table().row(code) or (_IN_A_POOL if id(code) in table().pools else None)
        known = self.codes[id(code)] = Known(code, is_own, row, bool(ranges(code)))
        return known

    def of(self, link: Link) -> Known:
        """The same of a link of a chain."""
        return self.codes.get(id(link.code)) or self.learn(link.awaitable, link.code)

    def spot(self, code: CodeType, lasti: int) -> wire.Spot:
        """The line of the instruction at that offset."""
        known = self._spots.get((id(code), lasti))
        if known is None:
            spot = wire.Spot(code.co_filename[:_LONGEST], line_of(code, lasti), code.co_qualname[:_LONGEST])
            known = self._spots[id(code), lasti] = (code, spot)
        return known[1]

    def assigned(self, site: Any) -> str | None:
        """What the line that made a primitive assigned it to."""
        if not site:
            return None
        known = self._assigned.get((id(site[0]), site[1]))
        if known is None:
            known = self._assigned[id(site[0]), site[1]] = (site[0], assigned_name(site))
        return known[1]


def stands_in_with(code: CodeType, lasti: int) -> bool:
    """Whether a ``with`` block covers that instruction."""
    return any(each.is_with for each in handlers_around(code, lasti))
