"""What the program loses while a dashboard is attached to it: 10,000 tasks live, 2,000 a second end and begin.

The program works as fast as it can: each turn ends a task, begins another, and sends as many messages through two
queues as make it half a millisecond of work. A dashboard of another process attaches and leaves, again and again;
the turns in the time with it, once it has its first picture, are compared with those in the time without it right
before, all in one process:

- **per second of processor time** of the whole process, the agent's thread included. One thread runs at a time, so
  this is the program's throughput on a machine that has nothing else to do, and says the same on one that has;
- **per second** by the clock, which is what a user feels and a busy machine blurs (informative).
"""

from __future__ import annotations

import asyncio
import collections
import json
import os
import statistics
import sys
import time
from functools import partial
from typing import Any, NamedTuple

from benchmarks.model import VALUE, Row, Sample, measurement
from benchmarks.modes import ROOT, verify

TASKS = 10_000
TURN = 0.0005
"""Seconds of work a turn."""
WINDOW, SETTLE, PAIRS = 1.5, 3.0, 5
_ENVIRONMENT = {"UNSTUCK_SINKS": "socket", "UNSTUCK_SOCKET_DIR": "{folder}"}


class Rate(NamedTuple):
    """Turns by the processor's clock and by the wall's, a second."""

    processor: float
    wall: float


class Program:
    """The tasks and the work."""

    def __init__(self) -> None:
        self._gates: collections.deque[asyncio.Future[None]] = collections.deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._there, self._back = asyncio.Queue[int](), asyncio.Queue[int]()
        self._echo = asyncio.create_task(self._answer())
        self._messages = 1

    async def prepare(self, tasks: int) -> None:
        """Begin the tasks, and find out how many messages make a turn."""
        for _ in range(tasks):
            self._begin()
        await asyncio.sleep(0)
        self._messages, started = 1_000, time.thread_time()
        await self.turn()
        self._messages = max(1, round(1_000 * TURN / (time.thread_time() - started)))

    async def turn(self) -> None:
        """The oldest task ends, another begins, and work is done."""
        self._gates.popleft().set_result(None)
        self._begin()
        for _ in range(self._messages):
            self._there.put_nowait(1)
            await self._back.get()

    async def window(self) -> Rate:
        """Turns for a while."""
        turns, clock, processor = 0, time.perf_counter(), time.process_time()
        while time.perf_counter() - clock < WINDOW:
            await self.turn()
            turns += 1
        return Rate(turns / (time.process_time() - processor), turns / (time.perf_counter() - clock))

    async def until(self, line: asyncio.Task[bytes]) -> bytes:
        """Turns until there is something to read."""
        while not line.done():
            await self.turn()
        return await line

    def _begin(self) -> None:
        gate = asyncio.get_running_loop().create_future()
        self._gates.append(gate)
        task = asyncio.create_task(self._request(gate))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _request(self, gate: asyncio.Future[None]) -> None:
        await gate

    async def _answer(self) -> None:
        while True:
            self._back.put_nowait(await self._there.get())


def sample(tasks: int, mode: str, scale: float) -> Sample:
    """Attach and leave; how much dearer a turn is while somebody looks."""
    return asyncio.run(_sample(tasks, mode, max(2, round(PAIRS * scale))))


async def _sample(tasks: int, mode: str, pairs: int) -> Sample:
    verify(mode)
    program = Program()
    await program.prepare(tasks)
    onlooker = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "benchmarks.onlooker",
        os.environ["UNSTUCK_SOCKET_DIR"],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name != "UNSTUCK"},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert onlooker.stdin is not None and onlooker.stdout is not None
    hear = onlooker.stdout.readline
    await program.until(asyncio.create_task(hear()))
    seen, processor, wall = [], [], []
    for _ in range(pairs):
        without = await program.window()
        onlooker.stdin.write(f"{SETTLE + WINDOW}\n".encode())
        await program.until(asyncio.create_task(hear()))
        settled = time.monotonic() + SETTLE
        while time.monotonic() < settled:
            await program.turn()
        attached = await program.window()
        seen.append(json.loads(await program.until(asyncio.create_task(hear()))))
        processor.append(without.processor / attached.processor)
        wall.append(without.wall / attached.wall)
    onlooker.stdin.close()
    await onlooker.wait()
    verify(mode)
    return _summary(seen, processor, wall)


def _summary(seen: list[dict[str, Any]], processor: list[float], wall: list[float]) -> Sample:
    return {
        "ratio": statistics.median(processor),
        "wall": statistics.median(wall),
        "gap_ms": statistics.median(each["gap"] for each in seen) * 1e3,
        "updates": statistics.median(each["updates"] for each in seen) / (SETTLE + WINDOW),
        "rows": statistics.median(each["rows"] for each in seen) / (SETTLE + WINDOW),
        "known": statistics.median(each["known"] for each in seen),
    }


def _rows(program: str, tasks: int) -> list[Row]:
    dearer = f"a dashboard attached, {tasks:,} tasks, 2,000 a second end and begin: a turn's processor time"
    return [
        Row(program, dearer, program, "ratio", "x", VALUE, 1.03),
        Row(f"{program}-wall", "the same by the clock (informative)", program, "wall", "x", VALUE),
        Row(f"{program}-gap", "its longest time without an update (informative)", program, "gap_ms", "ms", VALUE),
    ]


for _name, _tasks in (("attached", TASKS), ("attached-100k", 10 * TASKS)):
    measurement(_name, *_rows(_name, _tasks), environment=_ENVIRONMENT)(partial(sample, _tasks))
