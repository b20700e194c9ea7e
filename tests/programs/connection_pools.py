"""Pools of real libraries, all with the same face: ``take()`` gives a manager that has a connection.

``python -m tests.programs.connection_pools POOL BODY ADDRESS KIND``: in a process of its own, for such a program is
broken off in the middle. Prints the records of all that the agent says until there is one of that kind, or it ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

Take = Callable[[], contextlib.AbstractAsyncContextManager[Any]]
Pool = Callable[[str, int, float], contextlib.AbstractAsyncContextManager[Take]]
"""With the server's address (or a scratch folder), the size, and after how many seconds a wait times out."""

POOLS: dict[str, Pool] = {}
NEEDS: dict[str, tuple[str, str]] = {}
"""By name: a module that must be there, and the server: http, redis, postgres, or a folder."""
LONG = 3600.0
AFTER, PATIENT = 0.2, 1.0
"""Settings where something is to be found, and where nothing is: a busy machine keeps a program waiting, too."""
BODIES: dict[str, tuple[int, float, Callable[[Take], Awaitable[None]]]] = {}
"""By name: the pool's size, after how many seconds a wait times out, and the program."""
KEPT: list[Any] = []


def body(size: int, timeout: float = LONG) -> Callable[[Any], Any]:
    """Enter a program."""

    def enter(function: Any) -> Any:
        BODIES[function.__name__] = size, timeout, function
        return function

    return enter


def pool(module: str, server: str) -> Callable[[Any], Pool]:
    """Enter a pool."""

    def enter(function: Any) -> Pool:
        made = contextlib.asynccontextmanager(function)
        POOLS[function.__name__], NEEDS[function.__name__] = made, (module, server)
        return made

    return enter


@pool("aiohttp", "http")
async def aiohttp_client(url: str, size: int, timeout: float) -> AsyncIterator[Take]:
    import aiohttp

    limits = aiohttp.ClientTimeout(total=None, connect=timeout if timeout < LONG else None)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=size), timeout=limits) as session:
        yield lambda: session.get(url)


@pool("httpx", "http")
async def httpx_client(url: str, size: int, timeout: float) -> AsyncIterator[Take]:
    import httpx

    limits = httpx.Limits(max_connections=size)
    async with httpx.AsyncClient(limits=limits, timeout=timeout if timeout < LONG else None) as client:
        yield lambda: client.stream("GET", url)


@pool("aiosqlite", "folder")
async def sqlalchemy_engine(folder: str, size: int, timeout: float) -> AsyncIterator[Take]:
    from sqlalchemy.ext.asyncio import create_async_engine
    from sqlalchemy.pool import AsyncAdaptedQueuePool

    engine = create_async_engine(
        f"sqlite+aiosqlite:///{Path(folder) / 'data.db'}",
        poolclass=AsyncAdaptedQueuePool,
        pool_size=size,
        max_overflow=0,
        pool_timeout=timeout,
    )
    yield engine.connect
    await engine.dispose()


@pool("aiosqlite", "folder")
async def sqlalchemy_session(folder: str, size: int, timeout: float) -> AsyncIterator[Take]:
    from sqlalchemy import text
    from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
    from sqlalchemy.pool import AsyncAdaptedQueuePool

    engine = create_async_engine(
        f"sqlite+aiosqlite:///{Path(folder) / 'data.db'}",
        poolclass=AsyncAdaptedQueuePool,
        pool_size=1,
        max_overflow=size - 1,
        pool_timeout=timeout,
    )

    @contextlib.asynccontextmanager
    async def take() -> AsyncIterator[Any]:
        async with AsyncSession(engine) as session:
            await session.execute(text("select 1"))
            yield session

    yield take
    await engine.dispose()


@pool("asyncpg", "postgres")
async def asyncpg_pool(url: str, size: int, timeout: float) -> AsyncIterator[Take]:
    import asyncpg

    pool = await asyncpg.create_pool(url, min_size=1, max_size=size)
    yield lambda: pool.acquire(timeout=timeout if timeout < LONG else None)
    pool.terminate()


@pool("psycopg_pool", "postgres")
async def psycopg_pool(url: str, size: int, timeout: float) -> AsyncIterator[Take]:
    from psycopg_pool import AsyncConnectionPool

    async with AsyncConnectionPool(url, min_size=1, max_size=size, timeout=timeout) as pool:
        yield pool.connection


@pool("redis", "redis")
async def redis_pool(url: str, size: int, timeout: float) -> AsyncIterator[Take]:
    import redis.asyncio as redis

    limit = timeout if timeout < LONG else None
    pool = redis.BlockingConnectionPool.from_url(url, max_connections=size, timeout=limit)
    client = redis.Redis(connection_pool=pool)

    @contextlib.asynccontextmanager
    async def take() -> AsyncIterator[Any]:
        async with client.pipeline() as pipe:
            await pipe.watch("key")
            yield pipe

    yield take
    await pool.aclose()


# -- programs ----------------------------------------------------------------------------------------------


async def each_asks_twice(take: Take, count: int) -> None:
    """Each of the tasks has one connection, and then takes another."""
    barrier = asyncio.Barrier(count)

    async def twice() -> None:
        async with take():
            await barrier.wait()
            async with take():
                pass

    async with asyncio.TaskGroup() as group:
        for number in range(count):
            group.create_task(twice(), name=f"twice-{number}")


@body(2)
async def all_ask_twice(take: Take) -> None:
    await each_asks_twice(take, 2)


@body(4)
async def enough_for_all(take: Take) -> None:
    await each_asks_twice(take, 2)


@body(2, timeout=600)
async def all_ask_twice_with_a_timeout(take: Take) -> None:
    await each_asks_twice(take, 2)


@body(2)
async def one_asks_twice(take: Take) -> None:
    taken = asyncio.Event()

    async def patient() -> None:
        async with take():
            taken.set()
            await asyncio.sleep(LONG)

    task = asyncio.create_task(patient(), name="patient")
    await taken.wait()
    await asyncio.create_task(each_asks_twice(take, 1), name="greedy")
    await task


@body(2)
async def one_is_slow(take: Take) -> None:
    """Nobody asks twice: those who wait for a slow one have a slow wait."""
    taken = asyncio.Barrier(3)

    async def slow() -> None:
        async with take():
            await taken.wait()
            await asyncio.sleep(LONG)

    tasks = [asyncio.create_task(slow(), name=f"slow-{number}") for number in range(2)]
    await taken.wait()

    async def wait() -> None:
        async with take():
            pass

    await asyncio.create_task(wait(), name="waits")
    await asyncio.gather(*tasks)


@body(2)
async def connections_are_not_given_back(take: Take) -> None:
    async def forget() -> None:
        manager = take()
        KEPT.append((manager, await manager.__aenter__()))

    for _ in range(2):
        await asyncio.create_task(forget())

    async def wait() -> None:
        async with take():
            pass

    await asyncio.create_task(wait(), name="waits")


@body(2)
async def busy(take: Take) -> None:
    """More who want one than there are, all the time, and each gives his back."""
    end = time.monotonic() + 2.5 * PATIENT

    async def work() -> None:
        while time.monotonic() < end:
            async with take():
                await asyncio.sleep(0.001)

    async with asyncio.TaskGroup() as group:
        for _ in range(12):
            group.create_task(work())


@contextlib.asynccontextmanager
async def http() -> AsyncIterator[str]:
    """A server whose answers are so long that a client who does not read them keeps its connection."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\n\r\n" + bytes(5_000_000))
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


async def run(pool: str, name: str, address: str) -> None:
    """A program with a pool."""
    size, timeout, function = BODIES[name]
    async with http() as url, POOLS[pool](address or url, size, timeout) as take:
        await function(take)


def main(pool: str, name: str, address: str, kind: str) -> None:
    """See above."""
    from unstuck.agent.pools import search

    from .. import harness

    search._PATIENT, search._AGAIN = 0.02, 0.05
    after = AFTER if name not in ("busy", "enough_for_all") else PATIENT
    with harness.agent(slow_wait_after=after, stuck_after=after, blocked_loop_after=60.0) as ear:
        harness.run_until_found(lambda: run(pool, name, address), ear, kind, patience=20)
        for event in ear.events:
            print(json.dumps(event.as_record(), default=str))
        sys.stdout.flush()
        os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
