"""The standard library's patterns: a pipeline with join(), heartbeats, a supervisor, subprocesses, idle pools."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

from .common import BUG, cancelled, load, run, signalled


class Pipeline:
    """Bounded queues between stages, batches that are waited for, and a cap on what is done at once."""

    def __init__(self) -> None:
        self.raw: asyncio.Queue[int] = asyncio.Queue(20)
        self.cooked: asyncio.PriorityQueue[int] = asyncio.PriorityQueue(20)
        self.ready = asyncio.Event()
        self.cap = asyncio.Semaphore(3)
        self.table = asyncio.Lock()
        self.stored = 0

    async def cook(self) -> None:
        await self.ready.wait()
        while True:
            number = await self.raw.get()
            if BUG and number == 7:
                continue  # nobody is told that it is done
            async with self.cap:
                await asyncio.sleep(0.001)
            await self.cooked.put(number)
            self.raw.task_done()

    async def store(self) -> None:
        while True:
            await self.cooked.get()
            async with self.table:
                self.stored += 1
            self.cooked.task_done()

    async def batch(self) -> None:
        for number in range(30):
            await self.raw.put(number)
        await self.raw.join()
        await self.cooked.join()


async def supervise(name: str, crashes: asyncio.Event) -> None:
    """Restart a worker whenever it fails."""
    while True:
        worker = asyncio.create_task(fragile(crashes), name=name)
        with contextlib.suppress(RuntimeError):
            await worker
        await asyncio.sleep(0.05)


async def fragile(crashes: asyncio.Event) -> None:
    await asyncio.sleep(0.02)
    if random.random() < 0.3:
        raise RuntimeError("as it happens")
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(crashes.wait(), random.uniform(0.1, 0.3))


async def heartbeat(beats: list[float]) -> None:
    while True:
        beats[:] = [*beats[-10:], asyncio.get_running_loop().time()]
        await asyncio.sleep(0.1)


async def echo(child: asyncio.subprocess.Process, busy: asyncio.Lock) -> None:
    """One question at a time to a process that lives as long as we do."""
    assert child.stdin and child.stdout
    async with busy:
        child.stdin.write(b"hello\n")
        await child.stdin.drain()
        assert await child.stdout.readline() == b"hello\n"


async def short() -> None:
    child = await asyncio.create_subprocess_exec("true", stdout=asyncio.subprocess.PIPE)
    await child.communicate()
    assert child.returncode == 0


async def main() -> None:
    loop = asyncio.get_running_loop()
    pipeline, busy, crashes = Pipeline(), asyncio.Lock(), asyncio.Event()
    child = await asyncio.create_subprocess_exec(
        "cat", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=sys.stderr
    )
    waiting = asyncio.create_task(child.wait())
    tasks = [asyncio.create_task(each()) for each in [*[pipeline.cook] * 4, *[pipeline.store] * 2]]
    tasks += [asyncio.create_task(supervise(f"worker-{number}", crashes)) for number in range(3)]
    tasks += [asyncio.create_task(heartbeat([])), asyncio.create_task(asyncio.Event().wait())]
    loop.call_later(0.05, pipeline.ready.set)
    with ThreadPoolExecutor(3) as threads, ProcessPoolExecutor(1) as processes:

        async def computes() -> None:
            jobs = [loop.run_in_executor(threads, sum, range(1000)) for _ in range(6)]
            assert await asyncio.gather(*jobs) == [499500] * 6

        async def computes_elsewhere() -> None:
            assert await loop.run_in_executor(processes, abs, -1) == 1

        async def races() -> None:
            _, late = await asyncio.wait(
                [asyncio.create_task(asyncio.sleep(delay)) for delay in (0.001, 5)], return_when="FIRST_COMPLETED"
            )
            await cancelled(*late)

        users = [pipeline.batch, computes, computes_elsewhere, races, short]
        await load(*users, lambda: echo(child, busy), lambda: echo(child, busy), pause=0.01)
        await signalled()
        await cancelled(*tasks)
    if child.stdin:  # now that the pool's process has gone, which had a copy of it
        child.stdin.close()
    await waiting


if __name__ == "__main__":
    run(main)
