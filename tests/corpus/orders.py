"""Orders of locks that went well this time (A2): what could close a circle, and did not."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from typing import Any

from . import buggy, healthy, io, slow_io


@buggy("lock-order", verdict="potential")
async def inventory_and_orders_one_after_the_other(fixed: bool) -> None:
    """Two code paths, run one after the other in every test, at the same time under load."""
    orders, inventory = asyncio.Lock(), asyncio.Lock()

    async def place() -> None:
        async with orders:
            await io()
            async with inventory:  # <- inventory_and_orders_one_after_the_other
                await io()

    async def restock() -> None:
        first, second = (orders, inventory) if fixed else (inventory, orders)
        async with first:
            await io()
            async with second:  # <- inventory_and_orders_one_after_the_other
                await io()

    await asyncio.create_task(place())
    await asyncio.create_task(restock())


class Account:
    def __init__(self) -> None:
        self.lock, self.balance = asyncio.Lock(), 100


async def transfer(source: Account, target: Account, in_order: bool) -> None:
    first, second = sorted((source, target), key=id) if in_order else (source, target)
    async with first.lock:
        await io()
        async with second.lock:  # <- accounts_made_at_one_line
            source.balance, target.balance = source.balance - 1, target.balance + 1


@buggy("lock-order", verdict="potential")
async def accounts_made_at_one_line(fixed: bool) -> None:
    """All these locks come from one line of code: it is the instances that are taken in both orders."""
    ann, bob = Account(), Account()
    await asyncio.create_task(transfer(ann, bob, in_order=fixed))
    await asyncio.create_task(transfer(bob, ann, in_order=fixed))


@buggy("lock-order", verdict="potential")
async def three_locks_in_a_ring(fixed: bool) -> None:
    """No two of these tasks contradict each other; the three together do."""
    cache, index, log = asyncio.Lock(), asyncio.Lock(), asyncio.Lock()

    async def both(first: asyncio.Lock, second: asyncio.Lock) -> None:
        async with first:
            await io()
            async with second:  # <- three_locks_in_a_ring
                await io()

    for pair in ((cache, index), (index, log), (cache, log) if fixed else (log, cache)):
        await asyncio.create_task(both(*pair))


@buggy("lock-order", verdict="potential")
async def lock_taken_in_a_helper_far_below(fixed: bool) -> None:
    """The second lock is taken three calls deeper, through an exit stack."""
    users, audit = asyncio.Lock(), asyncio.Lock()

    async def note(text: str) -> None:
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(audit)  # <- lock_taken_in_a_helper_far_below
            assert text

    async def rename() -> None:
        async with users:
            await io()
            await note("renamed")  # <- lock_taken_in_a_helper_far_below

    async def report() -> None:
        async with audit:
            await io()
            if not fixed:
                await count()  # <- lock_taken_in_a_helper_far_below
        if fixed:
            await count()

    async def count() -> None:
        async with users:  # <- lock_taken_in_a_helper_far_below
            await io()

    await asyncio.create_task(rename())
    await asyncio.create_task(report())


async def both(first: Any, second: Any) -> None:
    async with first:
        await io()
        async with second:
            await slow_io()


@healthy
async def orders_under_a_common_lock(fixed: bool) -> None:
    """Both orders, but never without the outer lock: they cannot meet."""
    outer, left, right = asyncio.Lock(), asyncio.Lock(), asyncio.Lock()

    async def guarded(first: asyncio.Lock, second: asyncio.Lock) -> None:
        async with outer:
            await both(first, second)

    await asyncio.gather(guarded(left, right), guarded(right, left))


@healthy
async def ladder_of_locks(fixed: bool) -> None:
    """Hand over hand along a list: each lock before its right neighbour."""
    rungs = [asyncio.Lock() for _ in range(5)]

    async def climb() -> None:
        await rungs[0].acquire()
        for below, above in itertools.pairwise(rungs):
            await above.acquire()
            below.release()
        await io()
        rungs[-1].release()

    await asyncio.gather(*(climb() for _ in range(3)))


@healthy
async def many_instances_always_parent_first(fixed: bool) -> None:
    """One line makes all the locks of a tree; parents come before children everywhere."""
    tree = {parent: [asyncio.Lock() for _ in range(3)] for parent in (asyncio.Lock(), asyncio.Lock())}
    for parent, children in tree.items():
        await asyncio.gather(*(asyncio.create_task(both(parent, child)) for child in children[:1]))


@healthy
async def locks_one_after_the_other(fixed: bool) -> None:
    """Both orders in time, but never one inside the other."""
    left, right = asyncio.Lock(), asyncio.Lock()

    async def use(*locks: asyncio.Lock) -> None:
        for lock in locks:
            async with lock:
                await io()

    await asyncio.gather(use(left, right), use(right, left))
