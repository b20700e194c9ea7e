"""What the proof costs: reference arithmetic over islands of stuck tasks (``agent/proof``).

- **One island**: tasks that wait for each other's events, about 1,000 objects in all, proven again and again
  from a thread of its own; beside it in the process lives a heap of 1,000,000 objects, or none. Cost is the
  CPU time of the proving thread, the median of PROOFS.
- **A crowd**: 10,000 tasks, half of them waiting for a future each, half for one event, judged at once. A
  probe thread (see ``tick``) notes the longest time it had to wait for the interpreter meanwhile.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks.model import VALUE, Row, Sample, measurement
from benchmarks.modes import verify

from .tick import Probe

OBJECTS, HEAP, CROWD, PROOFS = 1_000, 1_000_000, 10_000, 15


class Thing:
    """One object of an unrelated heap."""

    __slots__ = ("following", "number")

    def __init__(self, number: int, following: Any) -> None:
        self.number, self.following = number, following


async def _wait(mine: asyncio.Event, others: asyncio.Event) -> None:
    await mine.wait()
    others.set()


async def _wait_for_future() -> None:
    reply = asyncio.get_running_loop().create_future()
    pending = {1: reply}
    await pending[1]


def _ring(count: int) -> list[asyncio.Task[None]]:
    events = [asyncio.Event() for _ in range(count)]
    return [asyncio.create_task(_wait(events[at - 1], events[at])) for at in range(count)]


def _crowd(count: int) -> list[asyncio.Task[Any]]:
    event = asyncio.Event()
    return [asyncio.create_task(event.wait() if at % 2 else _wait_for_future()) for at in range(count)]


def _prove(tasks: list[asyncio.Task[Any]], **options: Any) -> tuple[int, int]:
    """How many tasks were proven, and how many objects that took."""
    from unstuck.agent.proof import prove

    proof = prove(tasks, lambda *_: (), lambda: [tasks], **options)
    return len(proof.tasks), proof.objects


def _cpu(step: Callable[[], Any]) -> float:
    started = time.thread_time()
    step()
    return (time.thread_time() - started) * 1e3


async def _prove_ring(mode: str, heap: int) -> Sample:
    verify(mode)
    _rest_of_the_agent_rests()
    things: list[Thing] = []
    for number in range(heap):
        things.append(Thing(number, things[-1] if things else None))
    size = 20
    while True:
        tasks = _ring(size)
        await asyncio.sleep(0.01)
        proven, objects = await asyncio.to_thread(_prove, tasks)
        assert proven == size
        if objects >= OBJECTS:
            break
        size = size * OBJECTS // objects + 1
    costs = [await asyncio.to_thread(_cpu, partial(_prove, tasks)) for _ in range(PROOFS)]
    return {"ms": statistics.median(costs), "objects": objects}


async def _prove_crowd(mode: str) -> Sample:
    verify(mode)
    _rest_of_the_agent_rests()
    tasks = _crowd(CROWD)
    await asyncio.sleep(0.05)
    sample = await asyncio.to_thread(_judge, tasks)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    return sample


def _judge(tasks: list[asyncio.Task[Any]]) -> Sample:
    from unstuck.agent.pace import breathe

    probe = Probe()
    probe.start()
    costs, waits = [], []
    for _ in range(5):
        probe.worst()
        costs.append(_cpu(lambda: _all_proven(_prove(tasks, breathe=breathe)[0])))
        waits.append(probe.worst())
    probe.on = False
    return {"ms": statistics.median(costs), "wait_ms": statistics.median(waits)}


def _rest_of_the_agent_rests() -> None:
    """The watcher would put the same tasks to the proof, and hold them meanwhile."""
    from unstuck.agent import api

    agent = api.current()
    if agent is not None:
        agent.watchdog.stop()


def _all_proven(count: int) -> None:
    assert count == CROWD, count


@measurement("proof", Row("proof", f"proof over {OBJECTS:,} objects", "proof", "ms", "ms", VALUE, 5.0))
def one_island(mode: str, scale: float) -> Sample:
    """Milliseconds of CPU time."""
    return asyncio.run(_prove_ring(mode, 0))


@measurement(
    "proof-heap",
    Row("proof-heap", f"the same beside a heap of {HEAP:,}", "proof-heap", "ms", "ms", VALUE, 5.0),
)
def beside_a_heap(mode: str, scale: float) -> Sample:
    """Milliseconds of CPU time."""
    return asyncio.run(_prove_ring(mode, round(HEAP * min(1.0, scale))))


@measurement(
    "proof-crowd",
    Row("proof-crowd", f"{CROWD:,} stuck tasks judged", "proof-crowd", "ms", "ms", VALUE, 500.0),
    Row("proof-crowd-wait", "its longest wait for the GIL", "proof-crowd", "wait_ms", "ms", VALUE, 5.0),
)
def a_crowd(mode: str, scale: float) -> Sample:
    """Milliseconds of CPU time, and of waiting."""
    return asyncio.run(_prove_crowd(mode))
