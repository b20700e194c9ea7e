"""What the watcher's thread costs while nothing happens: default settings, parked tasks, an idle loop."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from itertools import islice

from benchmarks.model import VALUE, Row, Sample, measurement
from benchmarks.modes import verify

from .tick import parked_tasks

TASKS = 1_000
SECONDS = 3.0


@measurement(
    "watcher",
    Row(
        "watcher",
        f"the watcher's CPU a second, {TASKS:,} tasks at rest (informative)",
        "watcher",
        "ms",
        "ms",
        VALUE,
    ),
)
def at_rest(mode: str, scale: float) -> Sample:
    """Milliseconds of CPU time of the agent's thread in one second."""
    return asyncio.run(_rest(mode))


async def _rest(mode: str) -> Sample:
    verify(mode)
    parked = [asyncio.create_task(coroutine) for coroutine in islice(parked_tasks(), TASKS)]
    await asyncio.sleep(1.5)
    before = _cpu_of_watcher()
    await asyncio.sleep(SECONDS)
    spent = _cpu_of_watcher() - before
    for task in parked:
        task.cancel()
    await asyncio.wait(parked)
    return {"ms": spent / SECONDS * 1e3}


def _cpu_of_watcher() -> float:
    (watcher,) = sys._current_frames().keys() - {thread.ident for thread in threading.enumerate()}
    return time.clock_gettime(time.pthread_getcpuclockid(watcher))
