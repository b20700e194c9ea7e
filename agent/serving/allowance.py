"""How much processor time serving may take from the program.

Laws:
- A share of what the program can get of a core, on this machine as busy as it is and under its limits: little while
  the program uses that itself, more the less it does.
- What is spent beyond the share is made up for by doing nothing for a while, but not for longer than FORGIVEN: what has
  to be told at all, has to be told sometime.
"""

from __future__ import annotations

import os
import time

BUSY, URGENT, IDLE = 0.02, 0.1, 0.3
"""Shares of a core: of a busy program, of a busy one whose picture somebody waits for, of an idle one."""
FORGIVEN = 2.0
_IS_BUSY = 0.5
_SAVED = 0.5
_MEASURED = 0.1
_LEAST = 0.5
_LIMIT = "/sys/fs/cgroup/cpu.max"


class Allowance:
    """Seconds of the thread's processor time. Between ``begin`` and ``end`` work is done while ``left`` is above 0."""

    def __init__(self) -> None:
        self.share = BUSY
        self._limit = limit()
        self._began = self._own = time.thread_time()
        self._process = time.process_time()
        self._measured = self._refilled = time.monotonic()
        self._available = self._limit
        self._used = 0.0
        self._credit = IDLE * self._limit * _SAVED

    @property
    def left(self) -> float:
        """How much may still be spent now."""
        return self._credit - (time.thread_time() - self._began)

    @property
    def is_scarce(self) -> bool:
        """Whether the program needs its processor itself."""
        return self._used > _IS_BUSY / 2

    def begin(self, now: float, is_urgent: bool = False) -> None:
        """Credit the time since the last call. ``now`` is monotonic seconds."""
        self._began = time.thread_time()
        if now - self._measured >= _MEASURED:
            self._measure(now)
        least = URGENT if is_urgent else BUSY
        self.share = max(IDLE * (1 - self._used / _IS_BUSY), least) * self._available
        self._credit = min(self._credit + self.share * (now - self._refilled), self.share * _SAVED)
        self._refilled = now

    def end(self) -> None:
        """What was done since ``begin`` is paid for."""
        now = time.thread_time()
        self._credit = max(self._credit - (now - self._began), -self.share * FORGIVEN)
        self._began = now

    def _measure(self, now: float) -> None:
        """How much the program, all its threads without this one, has used of what it could get."""
        process, own = time.process_time(), time.thread_time()
        used = ((process - self._process) - (own - self._own)) / (now - self._measured)
        self._available = self._limit * _part()
        self._used = used / self._available
        self._measured, self._process, self._own = now, process, own


def limit() -> float:
    """The part of a core that this container may use at all; 1 where there is no limit, or none that can be read."""
    try:
        with open(_LIMIT, encoding="ascii") as file:
            quota, period = file.read().split()
        return min(1.0, int(quota) / int(period))
    except (OSError, ValueError):
        return 1.0


def _part() -> float:
    """The part of a core that there is for each who wants one; never so little that nothing could be told."""
    try:
        return max(_LEAST, min(1.0, (os.cpu_count() or 1) / max(os.getloadavg()[0], 0.01)))
    except OSError:
        return 1.0
