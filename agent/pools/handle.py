"""What stands for a pool in the graph.

Laws:
- One for each pool, as long as the pool lives; the pool itself is referred to weakly, or a part of it that leads back.
- A pool that is not made as the table says, or changes while it is read, has nothing out and nobody waiting.
- ``holders`` are as the last search found them. Who has moved since may have given his connection back.
"""

from __future__ import annotations

from collections.abc import Callable
from types import CodeType
from typing import Any, NamedTuple

from ..state import OwnReference
from .rows import Library


class Holder(NamedTuple):
    """A task that has connections of a pool in its frames, and where it stood when that was seen."""

    task: OwnReference
    key: int
    future: OwnReference | None
    """What it was suspended on; None when it was running or about to run."""
    connections: frozenset[int]
    line: int | None
    code: CodeType
    """The frame that has the connection, and the line of its ``async with``, if it is one."""

    def has_moved(self) -> bool:
        """Whether it is not where it was."""
        task = self.task()
        if task is None or self.future is None:
            return True
        future = self.future()
        return future is None or task._fut_waiter is not future


class ConnectionPool:
    """One pool."""

    __slots__ = (
        "__weakref__", "_part", "again", "first", "holders", "is_complete", "is_searched", "library", "since",
    )  # fmt: skip

    def __init__(self, library: Library, part: Any, forget: Callable[[Any], None]) -> None:
        self.library = library
        self._part = OwnReference(part, forget)
        self.holders: tuple[Holder, ...] = ()
        self.is_complete = False
        """Whether each connection that is out was found, and all tasks were searched."""
        self.is_searched = False
        """Whether all tasks were."""
        self.first = 0
        """The id of the task that is first in the queue,"""
        self.since = 0.0
        """and since when (monotonic): so long no connection has come back, for they are given out in order."""
        self.again = 0.0
        """Monotonic time before which nothing is searched again."""

    def pool(self) -> Any:
        """The pool itself, or None when it is gone."""
        part = self._part()
        return None if part is None else self.library.whole(part)

    def taken(self) -> int:
        """How many connections are out, if none is free and no more can be made; else 0."""
        return self._ask(self.library.taken)

    def waiters(self) -> int:
        """How many wait for a connection."""
        return self._ask(self.library.waiters)

    def is_connection(self, pool: Any, thing: Any) -> bool:
        """Whether it is a connection of the pool that is out."""
        try:
            return self.library.connection(pool, thing)
        except Exception:  # noqa: BLE001 - see the laws
            return False

    def _ask(self, question: Callable[[Any], int]) -> int:
        pool = self.pool()
        try:
            return 0 if pool is None else question(pool)
        except Exception:  # noqa: BLE001 - see the laws
            return 0

    def missing(self) -> int:
        """How many of the connections that are out no task was found to have."""
        found = frozenset[int]().union(*(holder.connections for holder in self.holders))
        return max(0, self.taken() - len(found))

    def holder_ids(self) -> tuple[int, ...]:
        """Ids of the tasks that have the connections; empty while that is not known of each."""
        return tuple(sorted(holder.key for holder in self.holders)) if self.is_complete else ()

    def has_moved(self) -> bool:
        """Whether a holder is not where he was seen, so that he may have given back by now."""
        return not self.is_complete or any(holder.has_moved() for holder in self.holders)

    def forget(self) -> None:
        """What was found holds no longer."""
        self.holders, self.is_complete, self.is_searched = (), False, False


_known: dict[int, ConnectionPool] = {}
"""By the id of the pool."""


def handle_of(library: Library, pool: Any) -> ConnectionPool | None:
    """What stands for a pool; None for one that has no part yet that can be referred to weakly."""
    found = _known.get(id(pool))
    if found is not None and found.pool() is pool:
        return found
    key = id(pool)
    part = library.part(pool)
    if part is None:
        return None
    _known[key] = handle = ConnectionPool(library, part, lambda _: _forget(key))
    return handle


def at(thing: Any) -> ConnectionPool | None:
    """What stands for this object, if it is a pool that somebody was seen to wait for."""
    found = _known.get(id(thing))
    return found if found is not None and found.pool() is thing else None


def _forget(key: int) -> None:
    _known.pop(key, None)
