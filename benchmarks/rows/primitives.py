"""Locks, semaphores, events and queues of asyncio."""

from __future__ import annotations

import asyncio

from benchmarks.model import operation

CONTENDERS = 10


@operation("lock", "uncontended `async with Lock`", turns=200_000, budget=1.00)
async def uncontended_lock(turns: int) -> None:
    lock = asyncio.Lock()
    for _ in range(turns):
        async with lock:
            pass


@operation("semaphore", "uncontended `async with Semaphore`", turns=100_000, budget=1.05)
async def uncontended_semaphore(turns: int) -> None:
    semaphore = asyncio.Semaphore(2)
    for _ in range(turns):
        async with semaphore:
            pass


@operation("queue", "Queue: put and get", turns=100_000, budget=1.05)
async def put_and_get(turns: int) -> None:
    queue: asyncio.Queue[int] = asyncio.Queue()
    for turn in range(turns):
        await queue.put(turn)
        await queue.get()


@operation("event", "Event: round trip of set, wait, clear between two tasks", turns=20_000, budget=1.05)
async def event_round_trip(turns: int) -> None:
    ping, pong = asyncio.Event(), asyncio.Event()
    answering = asyncio.create_task(_answer(ping, pong, turns))
    for _ in range(turns):
        ping.set()
        await pong.wait()
        pong.clear()
    await answering


async def _answer(ping: asyncio.Event, pong: asyncio.Event, turns: int) -> None:
    for _ in range(turns):
        await ping.wait()
        ping.clear()
        pong.set()


@operation("event-fresh", "Event: create, set, wait (informative)", turns=100_000)
async def fresh_event(turns: int) -> None:
    for _ in range(turns):
        event = asyncio.Event()
        event.set()
        await event.wait()


@operation("lock-contended", f"contended Lock, {CONTENDERS} tasks (informative)", turns=20_000)
async def contended_lock(turns: int) -> None:
    lock = asyncio.Lock()
    await asyncio.gather(*[_contend(lock, turns // CONTENDERS) for _ in range(CONTENDERS)])


@operation("lock-nested", "a Lock within a Lock (informative)", turns=100_000)
async def nested_locks(turns: int) -> None:
    outer, inner = asyncio.Lock(), asyncio.Lock()
    for _ in range(turns):
        async with outer, inner:
            pass


@operation("lock-beside", "uncontended Lock while another task holds one (informative)", turns=100_000)
async def lock_beside_another(turns: int) -> None:
    lock, other = asyncio.Lock(), asyncio.Lock()
    holding = asyncio.create_task(_hold(other))
    await asyncio.sleep(0)
    for _ in range(turns):
        async with lock:
            pass
    holding.cancel()


async def _hold(lock: asyncio.Lock) -> None:
    async with lock:
        await asyncio.Event().wait()


@operation("lock-by-hand", "Lock: acquire and release (informative)", turns=100_000)
async def lock_by_hand(turns: int) -> None:
    lock = asyncio.Lock()
    for _ in range(turns):
        await lock.acquire()
        lock.release()


async def _contend(lock: asyncio.Lock, turns: int) -> None:
    for _ in range(turns):
        async with lock:
            await asyncio.sleep(0)  # held across a turn of the loop, so that the others must queue
