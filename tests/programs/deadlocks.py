"""Deadlocks of locks, semaphores and joins (patterns A1, A3, A4, A5), and what looks like one."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

from . import Pair, Program

PAIRS: list[Pair] = []
HEALTHY: list[Program] = []


def pair(healthy: Program, *core: str, verdict: str = "proven", victims: int = 0) -> Callable[[Program], Program]:
    """Enter the decorated program as the buggy one of a pair."""

    def enter(buggy: Program) -> Program:
        PAIRS.append(Pair(buggy, healthy, "deadlock", verdict, frozenset(core), victims))
        return buggy

    return enter


def healthy(program: Program) -> Program:
    """Enter a program without a buggy sibling that must stay silent."""
    HEALTHY.append(program)
    return program


def spawn(name: str, coro: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    return asyncio.create_task(coro, name=name)


async def pause() -> None:
    await asyncio.sleep(0.005)


async def both(first: Any, second: Any) -> None:
    async with first:
        await pause()
        async with second:
            await pause()


# -- two locks ---------------------------------------------------------------------------------------


async def same_order() -> None:
    a, b = asyncio.Lock(), asyncio.Lock()
    await asyncio.gather(spawn("one", both(a, b)), spawn("two", both(a, b)))


@pair(same_order, "one", "two")
async def opposite_order() -> None:
    a, b = asyncio.Lock(), asyncio.Lock()
    await asyncio.gather(spawn("one", both(a, b)), spawn("two", both(b, a)))


async def ring_with_a_gap() -> None:
    locks = [asyncio.Lock() for _ in range(6)]
    await asyncio.gather(*(spawn(str(i), both(*sorted((locks[i], locks[(i + 1) % 5]), key=id))) for i in range(5)))


@pair(ring_with_a_gap, "0", "1", "2", "3", "4")
async def ring_of_five() -> None:
    locks = [asyncio.Lock() for _ in range(5)]
    await asyncio.gather(*(spawn(str(i), both(locks[i], locks[(i + 1) % 5])) for i in range(5)))


async def inner_wait_with_timeout() -> None:
    a, b = asyncio.Lock(), asyncio.Lock()

    async def careful(first: asyncio.Lock, second: asyncio.Lock) -> None:
        async with first:
            await pause()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.1), second:
                    await pause()

    await asyncio.gather(careful(a, b), careful(b, a))


@pair(inner_wait_with_timeout, "one", "two", victims=5)
async def crowd_behind_two_locks() -> None:
    a, b = asyncio.Lock(), asyncio.Lock()

    async def merely(lock: asyncio.Lock) -> None:
        await asyncio.sleep(0.002)
        async with lock:
            pass

    tasks = [spawn("one", both(a, b)), spawn("two", both(b, a))]
    await asyncio.gather(*tasks, *(spawn(f"victim-{i}", merely(a)) for i in range(3)))


async def wait_for_the_inner_lock() -> None:
    a, b = asyncio.Lock(), asyncio.Lock()

    async def careful(first: asyncio.Lock, second: asyncio.Lock) -> None:
        async with first:
            await pause()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(second.acquire(), 0.1)
                second.release()

    await asyncio.gather(careful(a, b), careful(b, a))


@pair(wait_for_the_inner_lock, "one", "two")
async def by_hand_with_finally() -> None:
    a, b = asyncio.Lock(), asyncio.Lock()

    async def by_hand(first: asyncio.Lock, second: asyncio.Lock) -> None:
        await first.acquire()
        try:
            await pause()
            await second.acquire()
            try:
                await pause()
            finally:
                second.release()
        finally:
            first.release()

    await asyncio.gather(spawn("one", by_hand(a, b)), spawn("two", by_hand(b, a)))


async def outer_timeout() -> None:
    a, b = asyncio.Lock(), asyncio.Lock()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(asyncio.gather(both(a, b), both(b, a)), 0.1)


@pair(outer_timeout, "one", "two")
async def through_generators_and_stacks() -> None:
    a, b = asyncio.Lock(), asyncio.Lock()

    @contextlib.asynccontextmanager
    async def held(lock: asyncio.Lock) -> AsyncIterator[None]:
        async with lock:
            yield

    async def stacked(first: asyncio.Lock, second: asyncio.Lock) -> None:
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(first)
            await pause()
            await stack.enter_async_context(second)

    async def managed(first: asyncio.Lock, second: asyncio.Lock) -> None:
        async with held(first):
            await pause()
            async with held(second):
                pass

    await asyncio.gather(spawn("one", stacked(a, b)), spawn("two", managed(b, a)))


# -- one lock twice ----------------------------------------------------------------------------------


async def another_key() -> None:
    locks = {key: asyncio.Lock() for key in "ab"}

    async def update(key: str, deeper: str) -> None:
        async with locks[key]:
            await pause()
            if deeper:
                await update(deeper, "")

    await update("a", "b")


@pair(another_key, "again")
async def same_lock_again() -> None:
    locks = {key: asyncio.Lock() for key in "ab"}

    async def save(key: str) -> None:
        async with locks[key]:
            await pause()

    async def update(key: str) -> None:
        async with locks[key]:
            await pause()
            await asyncio.sleep(0)
            await save(key)

    await spawn("again", update("a"))


# -- joins -------------------------------------------------------------------------------------------


async def child_needs_another_lock() -> None:
    a, b = asyncio.Lock(), asyncio.Lock()

    async def parent() -> None:
        async with a:
            await spawn("child", both(b, asyncio.Lock()))

    await spawn("parent", parent())


@pair(child_needs_another_lock, "parent", "child")
async def child_needs_the_parents_lock() -> None:
    a = asyncio.Lock()

    async def parent() -> None:
        async with a:
            await spawn("child", both(a, asyncio.Lock()))

    await spawn("parent", parent())


def joined(join: Callable[[asyncio.Task[Any]], Coroutine[Any, Any, Any]], inside: bool) -> Program:
    async def program() -> None:
        lock = asyncio.Lock()

        async def parent() -> None:
            if inside:
                async with lock:
                    await join(spawn("child", both(lock, asyncio.Lock())))
            else:
                async with lock:
                    await pause()
                await join(spawn("child", both(lock, asyncio.Lock())))

        await spawn("parent", parent())

    program.__name__ = f"{join.__name__}_{'inside' if inside else 'outside'}"
    return program


async def by_gather(task: asyncio.Task[Any]) -> None:
    await asyncio.gather(task)


async def by_nested_gather(task: asyncio.Task[Any]) -> None:
    await asyncio.gather(asyncio.gather(task, return_exceptions=True))


async def by_wait(task: asyncio.Task[Any]) -> None:
    await asyncio.wait({task})


async def by_wait_first(task: asyncio.Task[Any]) -> None:
    await asyncio.wait({task}, return_when=asyncio.FIRST_COMPLETED)


async def by_wait_exception(task: asyncio.Task[Any]) -> None:
    await asyncio.wait({task}, return_when=asyncio.FIRST_EXCEPTION)


async def by_shield(task: asyncio.Task[Any]) -> None:
    await asyncio.shield(task)


async def by_as_completed(task: asyncio.Task[Any]) -> None:
    for each in asyncio.as_completed([task]):
        await each


async def by_task_group(task: asyncio.Task[Any]) -> None:
    async def wrapped() -> None:
        await task

    async with asyncio.TaskGroup() as group:
        group.create_task(wrapped(), name="wrapped")


for each in (by_gather, by_nested_gather, by_wait, by_wait_first, by_wait_exception, by_shield, by_as_completed):
    pair(joined(each, False), "parent", "child")(joined(each, True))
pair(joined(by_task_group, False), "parent", "wrapped", "child")(joined(by_task_group, True))


def enrichment(keys: dict[str, str]) -> Program:
    """Users whose audit asks for another user, through a memo of the calls in flight."""

    async def program() -> None:
        inflight: dict[str, asyncio.Task[Any]] = {}

        def process(user: str) -> asyncio.Task[Any]:
            if user not in inflight:
                inflight[user] = spawn(f"process-{user}", enrich_and_audit(user))
            return inflight[user]

        async def enrich_and_audit(user: str) -> None:
            await asyncio.gather(spawn(f"enrich-{user}", pause()), spawn(f"audit-{user}", audit(user)))

        async def audit(user: str) -> None:
            await pause()
            if user in keys:
                await process(keys[user])

        await process("ann")

    program.__name__ = f"enrichment_of_{len(keys)}"
    return program


pair(enrichment({"ann": "bob"}), "process-ann", "audit-ann")(enrichment({"ann": "ann"}))
pair(enrichment({"ann": "bob", "bob": "cid"}), "process-ann", "audit-ann", "process-bob", "audit-bob")(
    enrichment({"ann": "bob", "bob": "ann"})
)


# -- semaphores --------------------------------------------------------------------------------------


async def pool_with_one_to_spare() -> None:
    pool = asyncio.Semaphore(4)
    await asyncio.gather(*(spawn(f"worker-{i}", both(pool, pool)) for i in range(3)))


@pair(pool_with_one_to_spare, "worker-0", "worker-1", "worker-2")
async def pool_inside_pool() -> None:
    pool = asyncio.Semaphore(3)
    await asyncio.gather(*(spawn(f"worker-{i}", both(pool, pool)) for i in range(3)))


class Pool:
    """A connection pool of the program's own, over a semaphore."""

    def __init__(self, size: int) -> None:
        self.permits = asyncio.BoundedSemaphore(size)

    def connection(self) -> Connection:
        return Connection(self)


class Connection:
    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    async def __aenter__(self) -> Connection:
        await self.pool.permits.acquire()
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.pool.permits.release()


def pooled(size: int) -> Program:
    async def program() -> None:
        pool = Pool(size)

        async def work() -> None:
            async with pool.connection():
                await pause()
                async with pool.connection():
                    await pause()

        await asyncio.gather(spawn("worker-0", work()), spawn("worker-1", work()))

    program.__name__ = f"home_made_pool_of_{size}"
    return program


pair(pooled(3), "worker-0", "worker-1")(pooled(2))


async def lock_then_semaphore() -> None:
    lock, pool = asyncio.Lock(), asyncio.Semaphore(1)
    await asyncio.gather(spawn("one", both(lock, pool)), spawn("two", both(lock, pool)))


@pair(lock_then_semaphore, "one", "two")
async def lock_and_semaphore_crossed() -> None:
    lock, pool = asyncio.Lock(), asyncio.Semaphore(1)
    await asyncio.gather(spawn("one", both(lock, pool)), spawn("two", both(pool, lock)))


# -- conditions, generators, eager tasks -------------------------------------------------------------


async def notified_condition() -> None:
    condition, ready = asyncio.Condition(), False

    async def consumer() -> None:
        async with condition:
            await condition.wait_for(lambda: ready)

    async def producer() -> None:
        nonlocal ready
        await pause()
        async with condition:
            ready = True
            condition.notify_all()

    await asyncio.gather(consumer(), consumer(), producer())


@pair(notified_condition, "parent", "child")
async def condition_held_over_a_join() -> None:
    condition = asyncio.Condition()

    async def parent() -> None:
        async with condition:
            await spawn("child", child())

    async def child() -> None:
        async with condition:
            condition.notify_all()

    await spawn("parent", parent())


def generated(locked: bool) -> Program:
    async def program() -> None:
        a, b = asyncio.Lock(), asyncio.Lock()

        async def rows(lock: asyncio.Lock, other: asyncio.Lock) -> AsyncIterator[int]:
            async with lock:
                for row in range(2):
                    await pause()
                    async with other:
                        yield row

        async def read(lock: asyncio.Lock, other: asyncio.Lock) -> None:
            async with contextlib.aclosing(rows(lock, other)) as found:  # type: ignore[type-var]
                async for _row in found:
                    pass

        second = (b, a) if locked else (a, b)
        await asyncio.gather(spawn("one", read(a, b)), spawn("two", read(*second)))

    program.__name__ = f"async_generators_{'crossed' if locked else 'in_order'}"
    return program


pair(generated(False), "one", "two")(generated(True))


if sys.version_info >= (3, 12):

    async def eager_same_order() -> None:
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        await same_order()

    @pair(eager_same_order, "one", "two")
    async def eager_opposite_order() -> None:
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        await opposite_order()


# -- healthy, and easily mistaken --------------------------------------------------------------------


@healthy
async def handed_over_on_purpose() -> None:
    """One task takes the lock by hand, another one gives it back."""
    lock = asyncio.Lock()

    async def finish() -> None:
        await asyncio.sleep(0.05)
        lock.release()

    async def start() -> None:
        await lock.acquire()
        helper = spawn("helper", finish())
        await lock.acquire()
        lock.release()
        await helper

    await start()


@healthy
async def semaphore_as_signal() -> None:
    """A consumer takes permits that only the producer gives."""
    signal, items = asyncio.Semaphore(1), 3

    async def consumer() -> None:
        for _ in range(items + 1):
            await signal.acquire()

    async def producer() -> None:
        for _ in range(items):
            await asyncio.sleep(0.02)
            signal.release()

    await asyncio.gather(consumer(), producer())


@healthy
async def sibling_fails_and_frees_the_lock() -> None:
    """The join ends early because another child fails: not a deadlock, though it looked like one."""
    lock = asyncio.Lock()

    async def fails() -> None:
        await asyncio.sleep(0.06)
        raise OSError("gone")

    async def parent() -> None:
        async with lock:
            await asyncio.gather(spawn("child", both(lock, asyncio.Lock())), fails())

    with contextlib.suppress(OSError):
        await parent()
    await pause()


@healthy
async def group_aborts_and_frees_the_lock() -> None:
    lock = asyncio.Lock()

    async def fails() -> None:
        await asyncio.sleep(0.06)
        raise OSError("gone")

    with contextlib.suppress(ExceptionGroup):
        async with lock, asyncio.TaskGroup() as group:
            group.create_task(both(lock, asyncio.Lock()))
            group.create_task(fails())


@healthy
async def first_of_two_is_enough() -> None:
    lock = asyncio.Lock()

    async def parent() -> None:
        async with lock:
            stuck = spawn("stuck", both(lock, asyncio.Lock()))
            await asyncio.wait({stuck, spawn("timer", asyncio.sleep(0.06))}, return_when=asyncio.FIRST_COMPLETED)
        await stuck

    await parent()


@healthy
async def cancelled_by_a_timer() -> None:
    """A home-made timeout: a timer that calls the task's own cancel()."""
    a, b = asyncio.Lock(), asyncio.Lock()
    one, two = spawn("one", both(a, b)), spawn("two", both(b, a))
    asyncio.get_running_loop().call_later(0.08, one.cancel)
    await asyncio.gather(one, two, return_exceptions=True)


@healthy
async def convoy() -> None:
    """Many tasks through one lock, each for a moment."""
    lock = asyncio.Lock()
    await asyncio.gather(*(both(lock, asyncio.Lock()) for _ in range(12)))


@healthy
async def lock_released_early_inside_the_block() -> None:
    lock = asyncio.Lock()

    async def odd() -> None:
        async with lock:
            lock.release()
            await spawn("child", both(lock, asyncio.Lock()))
            await lock.acquire()

    await odd()
