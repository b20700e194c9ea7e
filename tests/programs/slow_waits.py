"""Long waits behind a holder who still lives (pattern A11), and what looks like one."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from . import Pair, Program
from .deadlocks import Pool, both, spawn

LONG = 30.0
"""Seconds that the slow holders take: whoever waits for them is found long before."""
BRIEF = 0.002

PAIRS: list[Pair] = []
HEALTHY: list[Program] = []


def pair(healthy: Program, *core: str, victims: int = 0) -> Any:
    """Enter the decorated program as the slow one of a pair."""

    def enter(slow: Program) -> Program:
        PAIRS.append(Pair(slow, healthy, "slow-wait", "suspected", frozenset(core), victims))
        return slow

    return enter


def healthy(program: Program) -> Program:
    """Enter a program that waits for long without a holder to blame, and must stay silent."""
    HEALTHY.append(program)
    return program


async def use(resource: Any, seconds: float) -> None:
    async with resource:
        await asyncio.sleep(seconds)


async def queue_for(resource: Any, seconds: float, holders: int = 1, waiters: int = 1) -> None:
    """Holders take the resource one after the other and keep it, waiters queue for it in order."""
    tasks = [spawn(f"holder-{i}", use(resource, seconds)) for i in range(holders)]
    await asyncio.sleep(0)
    tasks += [spawn(f"waiter-{i}", use(resource, 0)) for i in range(waiters)]
    await asyncio.gather(*tasks)


# -- a lock, a semaphore, a condition, a pool ------------------------------------------------------------


async def lock_held_briefly() -> None:
    await queue_for(asyncio.Lock(), BRIEF)


@pair(lock_held_briefly, "waiter-0")
async def lock_of_a_sleeper() -> None:
    await queue_for(asyncio.Lock(), LONG)


async def semaphore_held_briefly() -> None:
    await queue_for(asyncio.Semaphore(2), BRIEF, holders=2, waiters=2)


@pair(semaphore_held_briefly, "waiter-0", victims=1)
async def semaphore_of_two_sleepers() -> None:
    await queue_for(asyncio.Semaphore(2), LONG, holders=2, waiters=2)


async def condition_held_briefly() -> None:
    await queue_for(asyncio.Condition(), BRIEF)


@pair(condition_held_briefly, "waiter-0")
async def condition_of_a_sleeper() -> None:
    await queue_for(asyncio.Condition(), LONG)


async def connections_used_briefly() -> None:
    pool = Pool(2)
    await asyncio.gather(*(spawn(f"worker-{i}", use(pool.connection(), BRIEF)) for i in range(4)))


@pair(connections_used_briefly, "worker-2", victims=1)
async def connections_kept_for_long() -> None:
    pool = Pool(2)
    await asyncio.gather(*(spawn(f"worker-{i}", use(pool.connection(), LONG)) for i in range(4)))


async def convoy() -> None:
    await queue_for(asyncio.Lock(), BRIEF, waiters=20)


@pair(convoy, "waiter-0", victims=19)
async def crowd_behind_one_lock() -> None:
    await queue_for(asyncio.Lock(), LONG, waiters=20)


# -- what the holder is doing ----------------------------------------------------------------------------


async def read_then_locked() -> None:
    lock, queue = asyncio.Lock(), asyncio.Queue[int]()

    async def reader() -> None:
        item = await queue.get()
        async with lock:
            assert item == 1

    async def producer() -> None:
        await asyncio.sleep(BRIEF)
        await queue.put(1)

    await asyncio.gather(spawn("reader", reader()), producer(), spawn("waiter", use(lock, 0)))


@pair(read_then_locked, "waiter")
async def lock_held_while_reading_a_queue() -> None:
    lock, queue = asyncio.Lock(), asyncio.Queue[int]()

    async def reader() -> None:
        async with lock:
            await queue.get()

    async def producer() -> None:
        await asyncio.sleep(LONG)
        await queue.put(1)

    await asyncio.gather(spawn("reader", reader()), producer(), spawn("waiter", use(lock, 0)))


async def chain_of_brief_holders() -> None:
    a, b = asyncio.Lock(), asyncio.Lock()
    await asyncio.gather(spawn("sleeper", use(a, BRIEF)), spawn("middle", both(b, a)), spawn("waiter", use(b, 0)))


@pair(chain_of_brief_holders, "middle", "waiter")
async def chain_of_holders() -> None:
    """waiter waits for middle, middle for sleeper: two resources, a finding for each."""
    a, b = asyncio.Lock(), asyncio.Lock()
    await asyncio.gather(spawn("sleeper", use(a, LONG)), spawn("middle", both(b, a)), spawn("waiter", use(b, 0)))


# -- the waiter has a timeout ----------------------------------------------------------------------------


async def patient(resource: Any, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds), resource:
            pass


async def brief_wait_with_a_timeout() -> None:
    lock = asyncio.Lock()
    await asyncio.gather(spawn("holder", use(lock, BRIEF)), spawn("waiter", patient(lock, 1)))


@pair(brief_wait_with_a_timeout, "waiter")
async def long_wait_with_a_timeout() -> None:
    lock = asyncio.Lock()
    await asyncio.gather(spawn("holder", use(lock, LONG)), spawn("waiter", patient(lock, LONG / 2)))


# -- long waits that are nobody's fault ------------------------------------------------------------------

AWHILE = 0.06
"""Seconds: longer than the threshold that these programs are run with."""


@healthy
async def worker_on_an_empty_queue() -> None:
    queue = asyncio.Queue[int]()

    async def producer() -> None:
        await asyncio.sleep(AWHILE)
        await queue.put(1)

    await asyncio.gather(queue.get(), queue.get(), producer(), producer())


@healthy
async def waiting_for_an_event() -> None:
    event = asyncio.Event()
    asyncio.get_running_loop().call_later(AWHILE, event.set)
    await asyncio.gather(event.wait(), event.wait())


@healthy
async def waiting_for_a_notification() -> None:
    condition = asyncio.Condition()

    async def consumer() -> None:
        async with condition:
            await condition.wait()

    async def producer() -> None:
        await asyncio.sleep(AWHILE)
        async with condition:
            condition.notify_all()

    await asyncio.gather(consumer(), consumer(), producer())


@healthy
async def semaphore_as_signal() -> None:
    """Permits that only the producer gives: nobody holds them back."""
    signal = asyncio.Semaphore(0)

    async def producer() -> None:
        await asyncio.sleep(AWHILE)
        signal.release()

    await asyncio.gather(signal.acquire(), producer())
