"""How much processor time serving may take from the program.

Laws:
- A share of a core: little while the program is busy, more while it is idle and nobody misses it.
- What is spent beyond the share is made up for by doing nothing until it is even again.
"""

from __future__ import annotations

import time

BUSY, URGENT, IDLE = 0.02, 0.1, 0.3
"""Shares of a core: of a busy program, of a busy one whose picture somebody waits for, of an idle one."""
_IS_BUSY = 0.5
_SAVED = 0.5
_MEASURED = 0.1


class Allowance:
    """``refill`` now and then, work while ``left`` is above zero, and ``spend`` what it took; seconds."""

    def __init__(self) -> None:
        self.left = IDLE * _SAVED
        self.is_busy = False
        self._measured = self._refilled = time.monotonic()
        self._process, self._own = time.process_time(), time.thread_time()

    def refill(self, now: float, is_urgent: bool = False) -> None:
        """Credit the share of the time since the last call. ``now`` is monotonic seconds."""
        if now - self._measured >= _MEASURED:
            self._measure(now)
        share = IDLE if not self.is_busy else URGENT if is_urgent else BUSY
        self.left = min(self.left + share * (now - self._refilled), share * _SAVED)
        self._refilled = now

    def spend(self, seconds: float) -> None:
        """So much processor time was used."""
        self.left -= seconds

    def _measure(self, now: float) -> None:
        """Whether the program, all its threads without this one, uses its processor."""
        process, own = time.process_time(), time.thread_time()
        self.is_busy = (process - self._process) - (own - self._own) > _IS_BUSY * (now - self._measured)
        self._measured, self._process, self._own = now, process, own
