"""Which parked tasks to put to the proof, and when again.

Laws:
- A wait is looked at when it is found parked, and again and again as long as it lasts, for what could end it
  may be dropped later: every second tick at first, more rarely as long as nothing comes of it.
- The looks live on an allowance of processor time a tick, with some saved up. While it is overdrawn nothing is
  looked at again, and of the new waits only a few at a time; most will have moved when it is their turn.
- A look is spared while it could only see what the last one saw: no other thread has run since, the collector has
  freed nothing, and the wait has not grown old meanwhile.
- Remembered are records (weak references) with the witness of their wait; who has moved drops out.
"""

from __future__ import annotations

import asyncio
import gc
import math
import time
from collections import defaultdict, deque
from typing import Any, NamedTuple

from .processor import others
from .state import TaskRecord

ALLOWANCE, SAVED = 0.001, 0.1
"""Seconds of processor time a tick of one second or more, and at most."""
_FEW = 8
_FIRST, _LAST = 2, 32


class _Entry(NamedTuple):
    record: TaskRecord
    witness: int
    pause: int
    looked: float = -math.inf
    """When it was looked at with all means (monotonic seconds)."""

    def is_still(self) -> bool:
        """Whether its task waits as it did."""
        return self.record.witness == self.witness and self.record() is not None


class Prospects:
    """The schedule. Time is counted in ticks."""

    def __init__(self, interval: float, stuck_after: float) -> None:
        self._lull = _Lull()
        self._stuck_after = stuck_after
        self._allowance = ALLOWANCE * max(0.1, min(1.0, interval))
        self._credit = SAVED
        self._tick = 0
        self._fresh: deque[_Entry] = deque()
        self._later: dict[int, list[_Entry]] = defaultdict(list)
        self._now: list[_Entry] = []

    @property
    def is_overdrawn(self) -> bool:
        """Whether to look at no more than what is due."""
        return self._credit <= 0

    def due(self, parked: list[TaskRecord]) -> list[TaskRecord]:
        """The records to look at in this tick; ``parked`` are the new ones."""
        self._tick += 1
        self._credit = min(SAVED, self._credit + self._allowance)
        again = self._later.pop(self._tick, [])
        self._fresh.extend(_Entry(record, record.witness, _FIRST) for record in parked)
        if self.is_overdrawn:
            again.extend(self._later[self._tick + 1])
            self._later[self._tick + 1] = again
            self._now = self._take(_FEW)
        else:
            self._now = self._worth_it([entry for entry in again if entry.is_still()])
            self._now += self._take(len(self._fresh))
        return [entry.record for entry in self._now]

    def _take(self, most: int) -> list[_Entry]:
        """The first of the new waits that still last."""
        taken: list[_Entry] = []
        while self._fresh and len(taken) < most:
            entry = self._fresh.popleft()
            if entry.is_still():
                taken.append(entry)
        return taken

    def _worth_it(self, again: list[_Entry]) -> list[_Entry]:
        """Those of which a look may see anything new; the others have to wait for another time."""
        if not again and not self._fresh:
            return []
        since, chosen = self._lull.since(), list[_Entry]()
        for entry in again:
            if entry.looked >= since and self._is_old(entry, entry.looked) == self._is_old(entry, self._lull.now):
                self._later[self._tick + entry.pause].append(entry)
            else:
                chosen.append(entry)
        return chosen

    def _is_old(self, entry: _Entry, now: float) -> bool:
        """Whether the wait is long enough to be suspected."""
        return entry.record.moved <= now - self._stuck_after

    def looked(self, cost: float) -> None:
        """The look took ``cost`` seconds of processor."""
        when = -math.inf if self.is_overdrawn else self._lull.now
        self._credit -= cost
        for entry in self._now:
            pause = min(_LAST, 2 * entry.pause) if cost > self._allowance else entry.pause
            self._later[self._tick + entry.pause].append(entry._replace(pause=pause, looked=when))
        self._now = []


class _Lull:
    """A time in which nothing of the process has run but the watcher."""

    def __init__(self) -> None:
        self.now = 0.0
        """When that was asked last."""
        self._since = math.inf
        self._witness: Any = None

    def since(self) -> float:
        """When it began, as far as is known, in monotonic seconds; in the future where that is not known."""
        self.now = time.monotonic()
        spent = None if asyncio._get_running_loop() is not None else others()  # a thread with a loop is no watcher
        witness = None if spent is None else (spent, sum(each["collected"] for each in gc.get_stats()))
        if witness is None or witness != self._witness:
            self._witness, self._since = witness, self.now if witness is not None else math.inf
        return self._since
