"""The CPU time of the loop's thread, per turn of an operation.

Laws:
- CPU time, not wall time, so that other processes disturb little; of this thread, because that is the
  thread the agent slows down. What the watcher's own thread costs is measured by the tick rows.
- A tenth of the work is done unmeasured first; then the median of equal batches counts.
- The garbage collector stays on: objects that the agent makes it visit are part of the price. A full
  collection before each batch gives all batches the same start.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
from collections.abc import Awaitable, Callable

from .modes import verify

BATCHES = 7


def cost_per_turn(body: Callable[[int], Awaitable[None]], turns: int, mode: str) -> float:
    """Nanoseconds of CPU time per turn of ``body(turns)`` in a fresh event loop."""
    return asyncio.run(_measure(body, turns, mode))


async def _measure(body: Callable[[int], Awaitable[None]], turns: int, mode: str) -> float:
    verify(mode)
    await body(max(1, BATCHES * turns // 10))
    costs = []
    for _ in range(BATCHES):
        gc.collect()
        started = time.thread_time_ns()
        await body(turns)
        costs.append((time.thread_time_ns() - started) / turns)
    verify(mode)
    return statistics.median(costs)
