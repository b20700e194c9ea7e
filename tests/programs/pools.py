"""Pools whose holders ask for more (patterns A5, A9) before it is total, and what is merely busy."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from . import Program
from .deadlocks import spawn
from .threads import rename_current

BUSY: list[Exhausted] = []
HEALTHY: list[Program] = []
BRIEF = 0.005


@dataclass(frozen=True)
class Exhausted:
    """A program that is given a coroutine to wait for, after which it can end."""

    program: Callable[[Any], Any]
    core: frozenset[str]
    others: frozenset[str]
    victims: int

    def __str__(self) -> str:
        return self.program.__name__


def exhausted(core: str, others: str, victims: int = 0) -> Any:
    """Enter the decorated program with the names of those who wait for the pool and of those who can finish."""

    def enter(program: Any) -> Any:
        BUSY.append(Exhausted(program, frozenset(core.split()), frozenset(others.split()), victims))
        return program

    return enter


def healthy(program: Program) -> Program:
    """Enter a program that must stay silent."""
    HEALTHY.append(program)
    return program


# -- semaphores --------------------------------------------------------------------------------------------


async def ask_twice(pool: asyncio.Semaphore) -> None:
    async with pool:
        await asyncio.sleep(BRIEF)
        async with pool:
            await asyncio.sleep(0)


async def hold(pool: asyncio.Semaphore, end: Any) -> None:
    async with pool:
        await end


@exhausted("greedy", "patient")
async def one_holder_asks_again(end: Any) -> None:
    pool = asyncio.Semaphore(2)
    await asyncio.gather(spawn("patient", hold(pool, end)), spawn("greedy", ask_twice(pool)))


@exhausted("greedy-0 greedy-1", "patient", victims=1)
async def most_holders_ask_again(end: Any) -> None:
    pool = asyncio.Semaphore(3)
    tasks = [spawn("patient", hold(pool, end)), *(spawn(f"greedy-{n}", ask_twice(pool)) for n in range(2))]
    await asyncio.sleep(0)
    await asyncio.gather(*tasks, spawn("victim", hold(pool, asyncio.sleep(0))))


@exhausted("parent", "patient")
async def holder_joins_a_child_that_asks(end: Any) -> None:
    pool = asyncio.Semaphore(2)

    async def parent() -> None:
        async with pool:
            await spawn("child", hold(pool, asyncio.sleep(0)))

    await asyncio.gather(spawn("patient", hold(pool, end)), spawn("parent", parent()))


@exhausted("greedy", "patient")
async def connection_pool(end: Any) -> None:
    permits = asyncio.Semaphore(2)

    @asynccontextmanager
    async def connection() -> AsyncIterator[None]:
        async with permits:
            yield

    async def patient() -> None:
        async with connection():
            await end

    async def greedy() -> None:
        async with connection():
            await asyncio.sleep(BRIEF)
            async with connection():
                pass

    await asyncio.gather(spawn("patient", patient()), spawn("greedy", greedy()))


@healthy
async def one_holder_finishes_soon() -> None:
    await one_holder_asks_again(asyncio.sleep(2 * BRIEF))


@healthy
async def asking_again_with_a_timeout() -> None:
    pool = asyncio.Semaphore(2)

    async def careful() -> None:
        async with pool:
            try:
                async with asyncio.timeout(0.15), pool:
                    pass
            except TimeoutError:
                pass

    await asyncio.gather(hold(pool, asyncio.sleep(0.1)), careful())


# -- executors ---------------------------------------------------------------------------------------------


def blocking(pool: ThreadPoolExecutor, end: Any) -> tuple[Future[Any], threading.Event]:
    """A job that keeps a worker until the end has come."""
    event = threading.Event()

    async def watch() -> None:
        await end
        event.set()

    task = spawn("watch", watch())
    job = pool.submit(event.wait, 20)
    job.add_done_callback(lambda _: task)
    return job, event


@exhausted("pool_1", "pool_0", victims=1)
async def one_job_waits_for_its_executor(end: Any) -> None:
    with ThreadPoolExecutor(2, thread_name_prefix="pool") as pool:
        first, _ = blocking(pool, end)
        outer = pool.submit(lambda: pool.submit(int).result())
        await asyncio.gather(*map(asyncio.wrap_future, (first, outer)))


@exhausted("asyncio_1 deeper", "asyncio_0", victims=1)
async def one_job_waits_for_a_coroutine_that_needs_it(end: Any) -> None:
    loop = asyncio.get_running_loop()
    loop.set_default_executor(pool := ThreadPoolExecutor(2, thread_name_prefix="asyncio"))

    async def deeper() -> None:
        rename_current("deeper")
        await asyncio.to_thread(int)

    first, _ = blocking(pool, end)
    second = asyncio.to_thread(lambda: asyncio.run_coroutine_threadsafe(deeper(), loop).result())
    await asyncio.gather(asyncio.wrap_future(first), second)


@healthy
async def long_plain_jobs() -> None:
    with ThreadPoolExecutor(2) as pool:
        await asyncio.gather(*(asyncio.wrap_future(pool.submit(time.sleep, 0.06)) for _ in range(4)))


@healthy
async def busy_but_moving() -> None:
    with ThreadPoolExecutor(2) as pool:

        def outer() -> None:
            pool.submit(int).result()

        jobs = [pool.submit(time.sleep, 0.002) for _ in range(30)]
        jobs.insert(0, pool.submit(outer))
        await asyncio.gather(*map(asyncio.wrap_future, jobs))


@healthy
async def one_worker_finishes_soon() -> None:
    await one_job_waits_for_its_executor(asyncio.sleep(2 * BRIEF))
