"""Facts of one sort, counted by place.

Laws:
- One finding a place. It is told when the first fact is known, and again, with the new count, at most once
  in AGAIN seconds.
- Bounded: past MOST places no new one is entered; those that are there go on counting.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass

from ..findings import Finding

AGAIN = 60.0
MOST = 500


@dataclass(slots=True)
class _Entry:
    make: Callable[[int], Finding]
    count: int = 0
    told: int = 0
    told_at: float = 0.0


class Tally:
    """Counts facts by ``subject``; makes a finding of each that there is news of."""

    def __init__(self) -> None:
        self._entries: dict[Hashable, _Entry] = {}

    def add(self, subject: Hashable, make: Callable[[int], Finding]) -> None:
        """One more fact. ``make`` is kept from the first one; it is called with the count."""
        if subject not in self._entries and len(self._entries) >= MOST:
            return
        entry = self._entries.setdefault(subject, _Entry(make))
        entry.count += 1

    def news(self, now: float, final: bool = False) -> Iterator[Finding]:
        """A finding for each subject with facts that were not told yet; at the end, all of those."""
        for entry in self._entries.values():
            if entry.count > entry.told and (not entry.told or final or now - entry.told_at >= AGAIN):
                entry.told, entry.told_at = entry.count, now
                yield entry.make(entry.count)
