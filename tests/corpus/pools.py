"""Pools that run dry (A5, A9): who has one of its units asks for another."""

from __future__ import annotations

import asyncio
import contextlib
import time
from concurrent.futures import ThreadPoolExecutor

from . import Pace, buggy, healthy, io, slow_io


class Pool:
    """Database connections, over a semaphore."""

    def __init__(self, size: int) -> None:
        self.permits = asyncio.BoundedSemaphore(size)

    async def __aenter__(self) -> Pool:
        await self.permits.acquire()  # <- page-1, page-2, nested-1, nested-2
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.permits.release()


@buggy("deadlock|pool-exhausted", "page-1", "page-2")
async def transaction_inside_a_transaction(fixed: bool) -> None:
    """Two connections, two requests with a nested transaction each."""
    pool = Pool(3 if fixed else 2)

    async def page() -> None:
        async with pool:  # <- page-1, page-2
            await slow_io()
            async with pool:  # <- page-1, page-2
                await io()

    await asyncio.gather(*(asyncio.create_task(page(), name=f"page-{n}") for n in (1, 2)))


@buggy("pool-exhausted", "nested-1", "nested-2", verdict="suspected", settings={"slow_wait_after": 0.1})
async def nested_while_one_still_works(fixed: bool) -> None:
    """Two of three connections are held by who waits for another one; only a long query keeps it from being total."""
    pool = Pool(5 if fixed else 3)
    over = asyncio.Event()

    async def nested() -> None:
        async with pool:  # <- nested-1, nested-2
            await io()
            async with pool:  # <- nested-1, nested-2
                await io()

    async def query() -> None:
        async with pool:
            await asyncio.sleep(0.01 if fixed else 0.5)
        over.set()

    parts = [("nested-1", nested()), ("nested-2", nested()), ("long-query", query())]
    await asyncio.gather(*(asyncio.create_task(part, name=name) for name, part in parts), over.wait())


@buggy("deadlock", "render_0", "render_1", apart=True)
async def executor_full_of_its_own_waiters(fixed: bool) -> None:
    """Each job of a small executor waits for another job of the same executor."""
    executor = ThreadPoolExecutor(4 if fixed else 2, thread_name_prefix="render")
    loop = asyncio.get_running_loop()

    def render() -> None:
        time.sleep(Pace.slow)
        executor.submit(int).result()  # <- render_0, render_1

    with executor if fixed else contextlib.nullcontext():
        await asyncio.gather(*(loop.run_in_executor(executor, render) for _ in range(2)))


@healthy
async def pool_busy_but_moving(fixed: bool) -> None:
    """Everybody waits for long, and everybody gets a connection."""
    pool = Pool(2)

    async def query() -> None:
        async with pool:
            await io()

    await asyncio.gather(*(query() for _ in range(20)))


@healthy
async def executor_busy_but_moving(fixed: bool) -> None:
    with ThreadPoolExecutor(2) as executor:
        loop = asyncio.get_running_loop()
        await asyncio.gather(*(loop.run_in_executor(executor, time.sleep, 0.002) for _ in range(6)))
