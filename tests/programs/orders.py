"""Orders of locks that could deadlock (pattern A2), and orders that look alike and cannot. None of them does."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from . import Pair, Program
from .deadlocks import pause, spawn

PAIRS: list[Pair] = []
HEALTHY: list[Program] = []


def pair(healthy: Program, *tasks: str) -> Callable[[Program], Program]:
    """Enter the decorated program as the buggy one of a pair, with the names of the tasks to be told."""

    def enter(buggy: Program) -> Program:
        PAIRS.append(Pair(buggy, healthy, "lock-order", "potential", frozenset(tasks)))
        return buggy

    return enter


def healthy(program: Program) -> Program:
    """Enter a program without a buggy sibling that must stay silent."""
    HEALTHY.append(program)
    return program


async def one_by_one(*uses: tuple[str, Any]) -> None:
    """Named tasks, one after the other: nobody ever waits."""
    for name, use in uses:
        await spawn(name, use)


async def both(first: Any, second: Any) -> None:
    async with first, second:
        pass


async def slowly(first: Any, second: Any) -> None:
    async with first:
        await pause()
        async with second:
            await pause()


# -- two locks -------------------------------------------------------------------------------------------


async def same_order() -> None:
    a, b = asyncio.Lock(), asyncio.Lock()
    await one_by_one(("one", both(a, b)), ("two", both(a, b)), ("three", both(a, b)))


@pair(same_order, "one", "two")
async def opposite_orders() -> None:
    a, b = asyncio.Lock(), asyncio.Lock()
    await one_by_one(("one", both(a, b)), ("two", both(b, a)))


async def same_order_slowly() -> None:
    a, b = asyncio.Lock(), asyncio.Lock()
    await asyncio.gather(*(spawn(name, slowly(a, b)) for name in ("one", "two", "three")))


@pair(same_order_slowly, "one", "two")
async def opposite_orders_among_others() -> None:
    """Others take and leave their locks in between, all the time."""
    a, b, busy = asyncio.Lock(), asyncio.Lock(), [asyncio.Lock() for _ in range(5)]
    done = asyncio.Event()

    async def work(lock: asyncio.Lock) -> None:
        while not done.is_set():
            async with lock:
                await asyncio.sleep(0)

    workers = [spawn(f"worker-{number}", work(lock)) for number, lock in enumerate(busy)]
    await one_by_one(("one", slowly(a, b)), ("two", slowly(b, a)))
    done.set()
    await asyncio.gather(*workers)


async def same_order_by_hand() -> None:
    a, b = asyncio.Lock(), asyncio.Lock()
    await one_by_one(("one", by_hand(a, b)), ("two", by_hand(a, b)))


async def by_hand(first: asyncio.Lock, second: asyncio.Lock) -> None:
    await first.acquire()
    await second.acquire()
    first.release()
    second.release()


@pair(same_order_by_hand, "one", "two")
async def opposite_orders_by_hand() -> None:
    a, b = asyncio.Lock(), asyncio.Lock()
    await one_by_one(("one", by_hand(a, b)), ("two", by_hand(b, a)))


async def same_order_down_the_calls() -> None:
    shop = Shop()
    await one_by_one(("sell", shop.sell()), ("refund", shop.sell()))


class Shop:
    def __init__(self) -> None:
        self.stock, self.till = asyncio.Lock(), asyncio.Lock()
        self.permits = asyncio.Semaphore(1)

    async def sell(self) -> None:
        async with self.stock:
            await self.pay()

    async def pay(self) -> None:
        async with self.till:
            await asyncio.sleep(0)

    async def refund(self) -> None:
        async with self.till:
            await asyncio.gather(self.nothing())
            await self.put_back()

    async def put_back(self) -> None:
        async with self.stock:
            pass

    async def nothing(self) -> None:
        await asyncio.sleep(0)

    async def guarded(self, action: Callable[[], Awaitable[None]]) -> None:
        async with self.permits:
            await action()


@pair(same_order_down_the_calls, "sell", "refund")
async def opposite_orders_down_the_calls() -> None:
    shop = Shop()
    await one_by_one(("sell", shop.sell()), ("refund", shop.refund()))


@healthy
async def guarded_by_a_semaphore() -> None:
    """A mutex as well."""
    shop = Shop()
    await one_by_one(("sell", shop.guarded(shop.sell)), ("refund", shop.guarded(shop.refund)))


async def same_order_contended() -> None:
    a, b = asyncio.Lock(), asyncio.Lock()
    await asyncio.gather(spawn("one", slowly(a, b)), spawn("two", slowly(a, b)))


@pair(same_order_contended, "one", "two")
async def opposite_orders_with_a_wait() -> None:
    """The second order begins with a wait for its first lock."""
    a, b = asyncio.Lock(), asyncio.Lock()

    async def late() -> None:
        await pause()
        async with b, a:
            pass

    await asyncio.gather(spawn("one", slowly(a, b)), spawn("hold", slowly(b, asyncio.Lock())))
    await asyncio.gather(spawn("hold", slowly(b, asyncio.Lock())), spawn("two", late()))


async def same_order_with_a_condition() -> None:
    condition, log = asyncio.Condition(), asyncio.Lock()
    await one_by_one(("one", both(condition, log)), ("two", both(condition, log)))


@pair(same_order_with_a_condition, "one", "two")
async def opposite_orders_with_a_condition() -> None:
    condition, log = asyncio.Condition(), asyncio.Lock()
    await one_by_one(("one", both(condition, log)), ("two", both(log, condition)))


async def same_order_through_managers() -> None:
    a, b = asyncio.Lock(), asyncio.Lock()
    await one_by_one(("stacked", stacked(a, b)), ("managed", managed(a, b)))


@contextlib.asynccontextmanager
async def held(lock: asyncio.Lock) -> AsyncIterator[None]:
    async with lock:
        yield


async def stacked(first: asyncio.Lock, second: asyncio.Lock) -> None:
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(first)
        await stack.enter_async_context(second)


async def managed(first: asyncio.Lock, second: asyncio.Lock) -> None:
    async with held(first), held(second):
        pass


@pair(same_order_through_managers, "stacked", "managed")
async def opposite_orders_through_managers() -> None:
    a, b = asyncio.Lock(), asyncio.Lock()
    await one_by_one(("stacked", stacked(a, b)), ("managed", managed(b, a)))


async def one_task_only() -> None:
    """The same task, at different times."""
    a, b = asyncio.Lock(), asyncio.Lock()

    async def work() -> None:
        for _ in range(3):
            await both(a, b)
            await both(b, a)

    await spawn("one", work())


@pair(one_task_only, "one", "two")
async def two_tasks_in_both_orders() -> None:
    a, b = asyncio.Lock(), asyncio.Lock()

    async def work() -> None:
        await both(a, b)
        await both(b, a)

    await one_by_one(("one", work()), ("two", work()))


# -- guards ------------------------------------------------------------------------------------------------


async def guarded_by_a_common_lock() -> None:
    guard, a, b = asyncio.Lock(), asyncio.Lock(), asyncio.Lock()

    async def work(first: asyncio.Lock, second: asyncio.Lock) -> None:
        async with guard:
            await slowly(first, second)

    await one_by_one(("one", work(a, b)), ("two", work(b, a)))


@pair(guarded_by_a_common_lock, "one", "two")
async def guarded_by_different_locks() -> None:
    guards, a, b = [asyncio.Lock(), asyncio.Lock()], asyncio.Lock(), asyncio.Lock()

    async def work(guard: asyncio.Lock, first: asyncio.Lock, second: asyncio.Lock) -> None:
        async with guard:
            await slowly(first, second)

    await one_by_one(("one", work(guards[0], a, b)), ("two", work(guards[1], b, a)))


async def guarded_in_between() -> None:
    """The common lock is taken between the two."""
    guard, a, b = asyncio.Lock(), asyncio.Lock(), asyncio.Lock()

    async def work(first: asyncio.Lock, second: asyncio.Lock) -> None:
        async with first, guard, second:
            pass

    await one_by_one(("one", both(a, b)), ("two", both(a, b)))
    await one_by_one(("three", both(guard, asyncio.Lock())))


@pair(guarded_in_between, "guarded-0", "two")
async def guarded_sometimes() -> None:
    """Most tasks hold the common lock; one does not, and that is enough."""
    guard, a, b = asyncio.Lock(), asyncio.Lock(), asyncio.Lock()

    async def work(first: asyncio.Lock, second: asyncio.Lock) -> None:
        async with guard:
            await both(first, second)

    await one_by_one(*((f"guarded-{number}", work(a, b)) for number in range(5)))
    await one_by_one(("two", slowly(b, a)))


# -- many locks --------------------------------------------------------------------------------------------


class Account:
    def __init__(self, number: int) -> None:
        self.number, self.balance = number, 100
        self.lock = asyncio.Lock()


async def transfer_sorted(source: Account, target: Account) -> None:
    first, second = sorted((source, target), key=lambda account: account.number)
    async with first.lock, second.lock:
        source.balance -= 1
        target.balance += 1


async def transfer(source: Account, target: Account) -> None:
    async with source.lock:  # noqa: SIM117
        async with target.lock:
            source.balance -= 1
            target.balance += 1


async def sorted_by_number() -> None:
    accounts = [Account(number) for number in range(4)]
    pairs = [(a, b) for a in accounts for b in accounts if a is not b]
    await one_by_one(*((f"{a.number}-{b.number}", transfer_sorted(a, b)) for a, b in pairs))


@pair(sorted_by_number, "there", "back")
async def there_and_back() -> None:
    a, b, c = (Account(number) for number in range(3))
    await one_by_one(("away", transfer(a, c)), ("there", transfer(a, b)), ("back", transfer(b, a)))


@healthy
async def one_line_many_locks_without_a_circle() -> None:
    """From each to the next: the same two lines, never the same two locks."""
    accounts = [Account(number) for number in range(6)]
    await one_by_one(*((str(a.number), transfer(a, b)) for a, b in itertools.pairwise(accounts)))


@healthy
async def sorted_among_two_kinds() -> None:
    """Locks made at two places, taken in the order of their numbers by the same lines."""
    savings = [Account(number) for number in (1, 4, 5)]
    loans = [Account(number) for number in (2, 3, 6)]
    pairs = [(a, b) for a in savings for b in loans]
    await one_by_one(*((f"{a.number}-{b.number}", transfer_sorted(a, b)) for a, b in pairs))


@healthy
async def locks_of_a_factory() -> None:
    """One line makes locks for many purposes."""

    def make() -> asyncio.Lock:
        return asyncio.Lock()

    a, b, c = make(), asyncio.Lock(), make()
    await one_by_one(("one", slowly(a, b)), ("two", both(b, c)))


@healthy
async def hand_over_hand() -> None:
    """Down a list: the next is taken before the last is given back."""
    nodes = [asyncio.Lock() for _ in range(5)]

    async def walk() -> None:
        await nodes[0].acquire()
        for here, following in itertools.pairwise(nodes):
            await following.acquire()
            here.release()
        nodes[-1].release()

    await asyncio.gather(*(spawn(f"walker-{number}", walk()) for number in range(3)))


class Connection:
    def __init__(self) -> None:
        self.lock = asyncio.Lock()


class Registry:
    def __init__(self) -> None:
        self.lock = asyncio.Lock()

    async def drop(self, connection: Connection) -> None:
        async with self.lock, connection.lock:
            pass

    async def renew(self, connection: Connection) -> None:
        async with connection.lock, self.lock:
            pass


async def registry_first() -> None:
    registry = Registry()
    await one_by_one(("one", registry.drop(Connection())), ("two", registry.drop(Connection())))


@pair(registry_first, "drop", "renew")
async def kinds_in_opposite_orders() -> None:
    """Not the same connection, but each of them may be."""
    registry = Registry()
    await one_by_one(("drop", registry.drop(Connection())), ("renew", registry.renew(Connection())))


@healthy
async def kinds_guarded_by_one_of_each() -> None:
    """A lock of the same object is held in both orders, though not of the same object here."""

    class Session:
        def __init__(self) -> None:
            self.guard, self.read, self.write = asyncio.Lock(), asyncio.Lock(), asyncio.Lock()

        async def forth(self) -> None:
            async with self.guard, self.read, self.write:
                pass

        async def back(self) -> None:
            async with self.guard, self.write, self.read:
                pass

    await one_by_one(("forth", Session().forth()), ("back", Session().back()))


async def circle_with_a_gap() -> None:
    a, b, c = (asyncio.Lock() for _ in range(3))
    await one_by_one(("ab", both(a, b)), ("bc", both(b, c)), ("ac", both(a, c)))


@pair(circle_with_a_gap, "ab", "bc", "ca")
async def circle_of_three() -> None:
    a, b, c = asyncio.Lock(), asyncio.Lock(), asyncio.Lock()
    await one_by_one(("ab", both(a, b)), ("bc", both(b, c)), ("ca", both(c, a)))


@healthy
async def circle_of_two_tasks() -> None:
    """Three orders, but it takes three tasks."""
    a, b, c = asyncio.Lock(), asyncio.Lock(), asyncio.Lock()

    async def two() -> None:
        await both(a, b)
        await both(b, c)

    await one_by_one(("two", two()), ("ca", both(c, a)))


# -- no order at all -----------------------------------------------------------------------------------------


@healthy
async def inner_lock_under_a_timeout() -> None:
    a, b = asyncio.Lock(), asyncio.Lock()

    async def patient(first: asyncio.Lock, second: asyncio.Lock) -> None:
        async with first:
            async with asyncio.timeout(1):
                async with second:
                    pass

    async def hasty(first: asyncio.Lock, second: asyncio.Lock) -> None:
        async with first:
            await asyncio.wait_for(second.acquire(), 1)
            second.release()

    await one_by_one(("one", patient(a, b)), ("two", patient(b, a)), ("three", hasty(a, b)), ("four", hasty(b, a)))


@healthy
async def taken_only_if_free() -> None:
    a, b = asyncio.Lock(), asyncio.Lock()

    async def polite(first: asyncio.Lock, second: asyncio.Lock) -> None:
        async with first:
            if not second.locked():
                await second.acquire()
                second.release()

    await one_by_one(("one", polite(a, b)), ("two", polite(b, a)))


@healthy
async def first_given_back_before_the_second() -> None:
    a, b = asyncio.Lock(), asyncio.Lock()

    async def work(first: asyncio.Lock, second: asyncio.Lock) -> None:
        async with first:
            await pause()
        await second.acquire()
        second.release()
        async with first:
            pass

    await asyncio.gather(*(spawn(name, work(*two)) for name, two in (("one", (a, b)), ("two", (b, a)))))


@healthy
async def released_early_inside_the_block() -> None:
    a, b = asyncio.Lock(), asyncio.Lock()

    async def work(first: asyncio.Lock, second: asyncio.Lock) -> None:
        async with first:
            first.release()
            async with second:
                pass
            await first.acquire()

    await one_by_one(("one", work(a, b)), ("two", work(b, a)))


@healthy
async def children_take_the_second() -> None:
    """Held by the parent, taken by children one after the other; nobody holds both."""
    a, b = asyncio.Lock(), asyncio.Lock()

    async def use(lock: asyncio.Lock) -> None:
        async with lock:
            pass

    async def parent(first: asyncio.Lock, second: asyncio.Lock) -> None:
        async with first:
            task = spawn("child", use(second))
        await task

    await one_by_one(("one", parent(a, b)), ("two", parent(b, a)))
