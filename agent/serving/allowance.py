"""How much processor time serving may take from the program.

Laws:
- Of a busy program a small part of what it uses itself; the more it idles, the more of that. A program that wants to
  run and has to wait for a processor does not idle.
- One half is for looking at the tasks, the other for telling of them; neither can use up the other's.
- What is spent beyond that is made up for by doing nothing for a while, but not for longer than FORGIVEN: what has to
  be told at all, has to be told sometime.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from .demand import Demand, Meter

BUSY, URGENT, IDLE = 0.015, 0.15, 0.3
"""Shares: of what a busy program uses, of the same while somebody waits for his first picture, of a core that idles."""
_LEAST, _LEAST_URGENT = 0.005, 0.05
"""Of a core: with less, nothing could be told at all."""
_IS_BUSY = 0.5
"""The part of a core from which on a program is busy."""
_SAVED = 0.5
FORGIVEN = 2.0
"""Seconds."""
_MEASURED = 0.1
_LOOKED = 0.04


class Allowance:
    """Seconds of the thread's processor time, between ``begin`` and ``end`` of each call. ``now`` is monotonic."""

    def __init__(self) -> None:
        self._share = BUSY
        self._meter = Meter()
        self._demand = Demand(1.0, 1.0)
        self._measured = self._refilled = time.monotonic()
        self._began = time.thread_time()
        self._credit = _LEAST
        self._next_look = 0.0

    @property
    def left(self) -> float:
        """How much may still be spent on telling."""
        return self._credit - (time.thread_time() - self._began)

    @property
    def is_scarce(self) -> bool:
        """Whether the program needs its processor itself."""
        return self._demand.wanted > _IS_BUSY / 2

    def begin(self, now: float, threads: Iterable[int | None], is_urgent: bool = False) -> None:
        """Credit the time since the last call. ``threads`` are those that run a loop."""
        self._began = time.thread_time()
        if now - self._measured >= _MEASURED:
            self._demand, self._measured = self._meter.read(threads), now
        used, wanted = self._demand
        part, least = (URGENT, _LEAST_URGENT) if is_urgent else (BUSY, _LEAST)
        of_program = max(least, part * min(used, 1.0))
        self._share = max(of_program, IDLE * (1 - wanted / _IS_BUSY))
        self._credit = min(self._credit + self._share / 2 * (now - self._refilled), self._share / 2 * _SAVED)
        self._refilled = now

    def end(self) -> None:
        """What was done since ``begin`` is paid for."""
        now = time.thread_time()
        self._credit = max(self._credit - (now - self._began), -self._share / 2 * FORGIVEN)
        self._began = now

    def may_look(self, now: float) -> bool:
        """Whether it is time to look at the tasks again."""
        return now >= self._next_look

    def looking(self, now: float, look: Callable[[], None]) -> None:
        """Look at the tasks, and find out when that may be done again."""
        began = time.thread_time()
        look()
        cost = time.thread_time() - began
        self._began += cost  # no part of telling
        self._next_look = now + min(FORGIVEN, max(_LOOKED, cost / (self._share / 2)))
