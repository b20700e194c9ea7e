"""What a tick of the watcher costs, and how long it keeps the program waiting.

Tasks of many kinds are parked, the agent's own clock is stopped (an interval of an hour), and this
module turns the agent's pipeline by hand from a thread of its own:

- the **first ticks** look closely at every task once, a bounded number a tick; the **steady ticks** after
  them are what a service pays every interval. Cost is the CPU time of the ticking thread.
- then a **probe** thread sleeps for a fraction of a millisecond, over and over, and notes how much too
  late it gets the interpreter back: as long as the loop's thread would have had to wait. The longest wait
  of a tick counts, the median over ticks is taken, because a busy machine is late now and then by itself;
  the same probe without ticks (``idle_ms``) says by how much.
"""

from __future__ import annotations

import asyncio
import statistics
import threading
import time
from collections.abc import Coroutine, Iterator
from functools import partial
from itertools import count, islice
from typing import Any

from benchmarks.model import VALUE, Row, Sample, measurement
from benchmarks.modes import verify

STEADY_TICKS = 20
LOOKS_PER_TICK = 1_000
PAUSE = 0.01
PROBE_EVERY = 0.0002
_PARKED_CLOCK = {"UNSTUCK_INTERVAL": "1h", "UNSTUCK_SLOW_WAIT_AFTER": "1h"}


def parked_tasks() -> Iterator[Coroutine[Any, Any, Any]]:
    """Endlessly, coroutines that park: the mix of a service at rest."""
    loop = asyncio.get_running_loop()
    for _ in count():
        lock, event = asyncio.Lock(), asyncio.Event()
        yield _hold(lock)
        for _ in range(9):
            yield _wait_for_future(loop)
            yield _wait_for_future(loop)
            yield event.wait()
            yield asyncio.sleep(3600)
            yield _take(lock)
            yield asyncio.Queue[None]().get()
            child = loop.create_future()
            yield _be_awaited(child, loop)
            yield _await_other(child)


async def _hold(lock: asyncio.Lock) -> None:
    async with lock:
        await asyncio.sleep(3600)


async def _take(lock: asyncio.Lock) -> None:
    async with lock:
        pass


async def _wait_for_future(loop: asyncio.AbstractEventLoop) -> None:
    await loop.create_future()


async def _be_awaited(told: asyncio.Future[Any], loop: asyncio.AbstractEventLoop) -> None:
    told.set_result(asyncio.current_task())
    await loop.create_future()


async def _await_other(told: asyncio.Future[Any]) -> None:
    await (await told)


class Probe(threading.Thread):
    """Notes the longest time that a thread which wants to run had to wait for the interpreter."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.longest = 0.0
        self.on = True

    def run(self) -> None:
        while self.on:
            asked = time.perf_counter()
            time.sleep(PROBE_EVERY)
            self.longest = max(self.longest, time.perf_counter() - asked - PROBE_EVERY)

    def worst(self) -> float:
        """Milliseconds, since the last call."""
        time.sleep(PAUSE)
        longest, self.longest = self.longest, 0.0
        return longest * 1e3


def sample_ticks(tasks: int, mode: str, scale: float) -> Sample:
    """Park ``tasks`` tasks, tick, and measure."""
    return asyncio.run(_sample(tasks, mode))


async def _sample(tasks: int, mode: str) -> Sample:
    verify(mode)
    parked = [asyncio.create_task(coroutine) for coroutine in islice(parked_tasks(), tasks)]
    for _ in range(4):
        await asyncio.sleep(0)
    sample = await asyncio.to_thread(_measure, tasks)
    verify(mode)
    for task in parked:
        task.cancel()
    await asyncio.wait(parked)
    return sample


def _measure(tasks: int) -> Sample:
    from unstuck.agent import api

    tick = api.current().pipeline.tick
    first = [_cpu(tick) for _ in range(5 + tasks // LOOKS_PER_TICK)]
    steady = [_cpu(tick) for _ in range(STEADY_TICKS)]
    waits, idle = _waits(tick), _waits(partial(time.sleep, statistics.median(steady) / 1e3))
    return {
        "first_ms": first[0],
        "dearest_ms": max(first),
        "steady_ms": statistics.median(steady),
        "wait_ms": statistics.median(waits),
        "wait_max_ms": max(waits),
        "idle_ms": statistics.median(idle),
        "idle_max_ms": max(idle),
    }


def _cpu(tick: Any) -> float:
    time.sleep(PAUSE)
    started = time.thread_time()
    tick()
    return (time.thread_time() - started) * 1e3


def _waits(tick: Any) -> list[float]:
    probe = Probe()
    probe.start()
    longest = []
    for _ in range(STEADY_TICKS):
        probe.worst()
        tick()
        longest.append(probe.worst())
    probe.on = False
    return longest


def _rows(program: str, tasks: int, cpu: float, wait: float) -> list[Row]:
    return [
        Row(program, f"a tick over {tasks:,} waiting tasks", program, "steady_ms", "ms", VALUE, cpu),
        Row(f"{program}-first", "its very first tick (informative)", program, "first_ms", "ms", VALUE),
        Row(f"{program}-wait", "its longest wait for the GIL", program, "wait_ms", "ms", VALUE, wait),
    ]


for _tasks, _budget in ((10_000, 5.0), (100_000, 40.0)):
    _name = f"tick-{_tasks // 1000}k"
    measurement(_name, *_rows(_name, _tasks, _budget, 5.0), environment=_PARKED_CLOCK)(partial(sample_ticks, _tasks))

measurement(
    "tick-10k-slow",
    Row(
        "tick-10k-slow",
        "a tick over 10,000, every lock overdue (informative)",
        "tick-10k-slow",
        "steady_ms",
        "ms",
        VALUE,
    ),
    environment=_PARKED_CLOCK | {"UNSTUCK_SLOW_WAIT_AFTER": "10ms"},
)(partial(sample_ticks, 10_000))
