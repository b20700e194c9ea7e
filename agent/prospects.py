"""Which parked tasks to put to the proof, and when again.

Laws:
- A wait is looked at when it is found parked, and again and again as long as it lasts, for what could end it
  may be dropped later: every second tick at first, more rarely as long as nothing comes of it.
- The looks cost at most SHARE of a processor in the long run; waits just parked are always looked at.
- Remembered are records (weak references) with the witness of their wait; who has moved drops out.
"""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

from .state import TaskRecord

SHARE = 0.01
_BURST = 0.1
_FIRST, _LAST = 2, 32


class _Entry(NamedTuple):
    record: TaskRecord
    witness: int
    pause: int


class Prospects:
    """The schedule. Time is counted in ticks."""

    def __init__(self, interval: float) -> None:
        self._income = interval * SHARE
        self._credit = _BURST
        self._tick = 0
        self._later: dict[int, list[_Entry]] = defaultdict(list)
        self._now: list[_Entry] = []

    def due(self, parked: list[TaskRecord]) -> list[TaskRecord]:
        """The records to look at in this tick; ``parked`` are the new ones."""
        self._tick += 1
        self._credit = min(_BURST, self._credit + self._income)
        waiting = self._later.pop(self._tick, [])
        if self._credit <= 0:
            self._later[self._tick + 1] += waiting
            waiting = []
        fresh = [_Entry(record, record.witness, _FIRST) for record in parked]
        self._now = fresh + [
            each for each in waiting if each.record.witness == each.witness and each.record() is not None
        ]
        return [each.record for each in self._now]

    def looked(self, cost: float) -> None:
        """The look took ``cost`` seconds of processor."""
        self._credit -= cost
        for entry in self._now:
            pause = min(_LAST, 2 * entry.pause) if cost > self._income else entry.pause
            self._later[self._tick + entry.pause].append(entry._replace(pause=pause))
        self._now = []
