"""An event loop in virtual time.

Laws:
- Nothing ready: the clock jumps to the next timer, or to the next thread that is due, whichever is first.
- Threads are real; each waits at a gate that opens at its (virtual) time, and wakes the loop once by
  ``call_soon_threadsafe``. Meanwhile the loop stands still, so a program runs the same each time.
- ``between`` is called between two rounds of callbacks, ``idle`` before each jump, ``settled`` when there is
  nothing to jump to; the latter two say whether to look again before that happens.
"""

from __future__ import annotations

import _thread
import asyncio
import heapq
import selectors
from collections.abc import Callable
from typing import Any

MOST_ROUNDS = 3_000
_PATIENCE = 5.0


class Selector(selectors.DefaultSelector):
    """Never sleeps: time jumps instead."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> Any:
        events = super().select(0)
        if events or (timeout is not None and timeout <= 0):
            return events
        return super().select(_PATIENCE if self.loop.jump() else 0)


class Gate:
    """Where a thread waits until its time has come."""

    def __init__(self) -> None:
        self.lock = _thread.allocate_lock()
        self.lock.acquire()

    def wait(self) -> None:
        self.lock.acquire()

    def open(self) -> None:
        self.lock.release()


class VirtualLoop(asyncio.SelectorEventLoop):
    """The loop that programs run in."""

    def __init__(self, between: Callable[[], object], idle: Callable[[], bool], settled: Callable[[], bool]) -> None:
        self.now, self.rounds = 0.0, 0
        self.gates: list[tuple[float, int, Gate]] = []
        self.between, self.idle, self.settled = between, idle, settled
        selector = Selector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.now

    def gate(self, delay: float) -> Gate:
        """A gate that opens after ``delay`` virtual seconds."""
        gate = Gate()
        heapq.heappush(self.gates, (self.now + delay, len(self.gates) + self.rounds * 1000, gate))
        return gate

    def open_all(self) -> None:
        """Let every thread go."""
        while self.gates:
            heapq.heappop(self.gates)[2].open()

    def jump(self) -> bool:
        """Nothing is ready: go to the time of whatever comes next. Whether a thread was let go."""
        if self.idle() or self._ready:  # type: ignore[attr-defined]
            return False
        timer = self._scheduled[0]._when if self._scheduled else None  # type: ignore[attr-defined]
        if self.gates and (timer is None or self.gates[0][0] <= timer):
            self.now, _, gate = heapq.heappop(self.gates)
            gate.open()
            return True
        if timer is not None:
            self.now = max(self.now, timer)
        elif not self.settled():
            self.stop()
        return False

    def _run_once(self) -> None:
        self.rounds += 1
        if self.rounds > MOST_ROUNDS:
            self.stop()
        else:
            self.between()
        super()._run_once()  # type: ignore[misc]
