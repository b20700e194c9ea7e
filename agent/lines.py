"""Who stands in line for what: the locks and semaphores that tasks are blocked on, followed from tick to tick.

Laws:
- A wait that goes on costs two comparisons in C a tick; Python's own loops see only waits that began or ended.
- Whoever stands first in a line has waited longest: the hooks enter waits in the order of time.
- Since when the holders are the same is known to within a tick: a hold is noticed at the tick after it began.
- Between ticks resources are referred to weakly; what a look gives lives for the tick.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import compress
from operator import is_not
from typing import Any, NamedTuple

from .pools import ConnectionPool, refresh
from .resources import holder_ids
from .state import OwnReference, State

_BREATH = 400


class Queue(NamedTuple):
    """A lock, a semaphore or a pool that somebody is blocked on. Times are monotonic seconds."""

    resource: Any
    waiter: int
    """Id of the task that has waited longest."""
    since: float
    """Since when it has."""
    holders: tuple[int, ...]
    held: float
    """Since when the holders have been these, as far as was seen."""


class _Line:
    """The waits for one resource."""

    __slots__ = ("held", "holders", "reference", "waits")

    def __init__(self, reference: OwnReference, now: float) -> None:
        self.reference = reference
        self.waits: dict[int, float] = {}
        """Task id to since when."""
        self.holders: tuple[int, ...] = ()
        self.held = now


class _Waits:
    """One of the two notes of who waits, as it was at the last look."""

    def __init__(self) -> None:
        self.entries: dict[int, Any] = {}
        self.places: dict[int, _Line] = {}
        """Task id to the line it stands in."""

    def news(self, entries: dict[int, Any]) -> tuple[list[tuple[int, Any]], set[int]]:
        """What has been entered, and the ids of those whose wait is over."""
        before = self.entries
        is_new = map(is_not, entries.values(), map(before.get, entries))
        entered, over = list(compress(entries.items(), is_new)), before.keys() - entries.keys()
        if entered or over:  # else the old one does: what is long and young makes the collector slow
            self.entries = entries
        return entered, over


class Lines:
    """All lines of the process. Called in the watcher's thread, once a tick."""

    def __init__(self, state: State) -> None:
        self.state = state
        self._noted, self._read = _Waits(), _Waits()
        self._lines: dict[int, _Line] = {}
        """By the resource's id."""

    def look(self, now: float, breathe: Callable[[], None]) -> dict[int, Queue]:
        """What tasks are blocked on now, by id."""
        self._follow(self._noted, dict(self.state.blocked), now)
        self._follow(self._read, dict(self.state.queued), now)
        if len(self._lines) >= _BREATH:
            breathe()
        found: dict[int, Queue] = {}
        for count, (key, line) in enumerate(list(self._lines.items())):
            if count % _BREATH == _BREATH - 1:
                breathe()
            queue = self._first(line, now)
            if queue is None:
                del self._lines[key]
            else:
                found[key] = queue
        return found

    def _follow(self, waits: _Waits, entries: dict[int, Any], now: float) -> None:
        entered, over = waits.news(entries)
        for key, entry in entered:
            self._enter(waits, key, entry, now)
        for key in over:
            _leave(waits, key)

    def _enter(self, waits: _Waits, key: int, entry: Any, now: float) -> None:
        _leave(waits, key)
        reference, since = entry[0], entry[1]
        resource = reference()
        if resource is None:
            return
        line = self._lines.get(id(resource))
        if line is None or line.reference() is not resource:
            line = self._lines[id(resource)] = _Line(reference, now)
        line.waits[key] = since
        waits.places[key] = line

    def _first(self, line: _Line, now: float) -> Queue | None:
        resource = line.reference()
        if resource is None or not line.waits:
            return None
        waiter = next(iter(line.waits))
        if isinstance(resource, ConnectionPool):
            refresh(resource, waiter, line.waits[waiter], self.state.tasks(), now)
        holders = holder_ids(resource)
        if holders != line.holders:
            line.holders, line.held = holders, now
        return Queue(resource, waiter, line.waits[waiter], holders, line.held)


def _leave(waits: _Waits, key: int) -> None:
    line = waits.places.pop(key, None)
    if line is not None:
        line.waits.pop(key, None)
