"""Does something grow without end? Counts by windows of time, and what came and went in each.

Theory. A leak and a rising load look alike for a while; what tells them apart is turnover. Of what a leak has
piled up, nothing goes; and it goes on growing when the start-up is long over. So growth counts only if it is
there in each of the last windows, if next to nothing of what was there has gone, and if it does not slow down.

Law: a judgement needs WINDOWS windows at least; one missing makes none.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import pairwise

WINDOWS, PATIENT = 5, 15
"""How many windows of growth it takes, and how many where there is nothing else to go by."""
LEAST = 20
_GONE = 0.05
"""Share of the newcomers that may have gone in the same time."""


@dataclass(slots=True)
class Trend:
    """One count over the windows, newest last."""

    counts: deque[int] = field(default_factory=lambda: deque(maxlen=PATIENT + 1))
    gone: deque[int] = field(default_factory=lambda: deque(maxlen=PATIENT + 1))

    def add(self, count: int, gone: int) -> None:
        """One more window: how many there are at its end, and how many of the former have gone in it."""
        self.counts.append(count)
        self.gone.append(max(0, gone))

    def grows(self, windows: int = WINDOWS) -> bool:
        """Whether it has grown in each of the last ``windows``, with next to no loss, and not ever more slowly."""
        if len(self.counts) <= windows or self.counts[-1] < LEAST:
            return False
        counts, gone = list(self.counts)[-windows - 1 :], list(self.gone)[-windows:]
        steps = [after - before for before, after in pairwise(counts)]
        came = sum(steps) + sum(gone)
        half = windows // 2
        return min(steps) > 0 and sum(gone) <= _GONE * came and 2 * sum(steps[-half:]) >= sum(steps[:half])

    def rate(self, window: float, windows: int = WINDOWS) -> float:
        """Growth a minute over the last windows of ``window`` seconds."""
        span = min(windows, len(self.counts) - 1)
        return (self.counts[-1] - self.counts[-1 - span]) / (span * window) * 60.0
