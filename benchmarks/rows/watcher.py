"""What the watcher's thread costs while nothing happens, or next to nothing: default settings, parked tasks.

- **At rest** nothing runs but the watcher. What it spends at the start, when it puts each wait to the proof, is told
  apart from what it spends from then on.
- **Heartbeat**: one more task turns the loop ten times a second, as something does in most services at night.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from functools import partial
from itertools import islice

from benchmarks.model import VALUE, Row, Sample, measurement
from benchmarks.modes import verify

from .tick import parked_tasks

TASKS = 1_000
SETTLED, SECONDS, SHORTEST = 7.5, 5.0, 1.0
BEAT = 0.1


def at_rest(beat: bool, mode: str, scale: float) -> Sample:
    """Milliseconds of CPU time of the agent's thread: all in all at the start, then in one second."""
    return asyncio.run(_rest(beat, mode, max(SHORTEST, SETTLED * scale), max(SHORTEST, SECONDS * scale)))


async def _rest(beat: bool, mode: str, settled: float, seconds: float) -> Sample:
    verify(mode)
    parked = [asyncio.create_task(coroutine) for coroutine in islice(parked_tasks(), TASKS)]
    parked += [asyncio.create_task(_heart())] if beat else []
    await asyncio.sleep(settled)
    before = _cpu_of_watcher()
    await asyncio.sleep(seconds)
    spent = _cpu_of_watcher() - before
    for task in parked:
        task.cancel()
    await asyncio.wait(parked)
    return {"ms": spent / seconds * 1e3, "start_ms": before * 1e3}


async def _heart() -> None:
    while True:
        await asyncio.sleep(BEAT)


def _cpu_of_watcher() -> float:
    (watcher,) = sys._current_frames().keys() - {thread.ident for thread in threading.enumerate()}
    return time.clock_gettime(time.pthread_getcpuclockid(watcher))


def _row(name: str, what: str, program: str, number: str) -> Row:
    return Row(name, f"{what} (informative)", program, number, "ms", VALUE)


measurement(
    "watcher",
    _row("watcher", f"the watcher's CPU a second, {TASKS:,} tasks at rest", "watcher", "ms"),
    _row("watcher-start", f"its CPU in the first {SETTLED} seconds", "watcher", "start_ms"),
)(partial(at_rest, False))
measurement(
    "watcher-heartbeat",
    _row("watcher-heartbeat", "its CPU a second beside one task that wakes up often", "watcher-heartbeat", "ms"),
)(partial(at_rest, True))
