"""What the agent remembers of a task that waits.

Parked tasks are made while ``tracemalloc`` counts, with the agent and without; the difference is the
agent's. It is read after the watcher has had time for several ticks, because its notes on each task are
part of the price. The second row is what the system sees, without tracemalloc, coarser and allocator
included; it is informative.
"""

from __future__ import annotations

import asyncio
import gc
import os
import tracemalloc
from collections.abc import Callable

from benchmarks.model import AGENT, DIFFERENCE, NONE, Row, Sample, measurement
from benchmarks.modes import verify

TASKS = 100_000
INTERVAL = 0.25
PARKED_FOR = 8 * INTERVAL
_ENVIRONMENT = {"UNSTUCK_INTERVAL": f"{INTERVAL}s"}


@measurement(
    "memory",
    Row(
        "memory",
        f"memory a task, {TASKS:,} parked",
        "memory",
        number="bytes",
        unit="B",
        compare=DIFFERENCE,
        budget=400,
    ),
    modes=(NONE, AGENT),
    environment=_ENVIRONMENT,
)
def traced_bytes(mode: str, scale: float) -> Sample:
    """Bytes a parked task that Python's allocators handed out."""
    tracemalloc.start(1)
    return asyncio.run(_park(mode, scale, lambda: tracemalloc.get_traced_memory()[0]))


@measurement(
    "memory-rss",
    Row(
        "memory-rss",
        "the same as resident memory (informative)",
        "memory-rss",
        number="bytes",
        unit="B",
        compare=DIFFERENCE,
    ),
    modes=(NONE, AGENT),
    environment=_ENVIRONMENT,
)
def resident_bytes(mode: str, scale: float) -> Sample:
    """Bytes a parked task by which the resident set grew (Linux)."""
    return asyncio.run(_park(mode, scale, _resident))


async def _park(mode: str, scale: float, measure: Callable[[], int]) -> Sample:
    verify(mode)
    future = asyncio.get_running_loop().create_future()
    count = max(1, round(TASKS * scale))
    await asyncio.gather(*[_wait(asyncio.sleep(0)) for _ in range(100)])
    gc.collect()
    before = measure()
    tasks = [asyncio.create_task(_wait(future)) for _ in range(count)]
    await asyncio.sleep(PARKED_FOR)
    gc.collect()
    grown = measure() - before
    verify(mode)
    future.set_result(None)
    await asyncio.wait(tasks)
    return {"bytes": grown / count}


async def _wait(what: asyncio.Future[None] | object) -> None:
    await what  # type: ignore[misc]


def _resident() -> int:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
