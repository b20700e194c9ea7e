"""Locks, semaphores and joins in a circle (patterns A1, A3, A4, A5)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from . import buggy, io, slow_io


class Account:
    def __init__(self, number: str) -> None:
        self.number, self.lock, self.balance = number, asyncio.Lock(), 100


async def transfer(source: Account, target: Account, amount: int, in_order: bool) -> None:
    first, second = sorted((source, target), key=lambda each: each.number) if in_order else (source, target)
    async with first.lock:  # <- transfer-1, transfer-2
        await slow_io()
        async with second.lock:  # <- transfer-1, transfer-2
            source.balance -= amount
            target.balance += amount


@buggy("deadlock", "transfer-1", "transfer-2")
async def transfers_in_opposite_directions(fixed: bool) -> None:
    savings, current = Account("S"), Account("C")
    async with asyncio.TaskGroup() as group:
        group.create_task(transfer(savings, current, 10, in_order=fixed), name="transfer-1")
        group.create_task(transfer(current, savings, 20, in_order=fixed), name="transfer-2")


@buggy("deadlock", "checkout")
async def helper_takes_the_lock_again(fixed: bool) -> None:
    """The lock is taken at the top, and once more three calls deeper."""
    lock, stock = asyncio.Lock(), {"apple": 3}

    async def reserve(item: str) -> None:
        if fixed:
            return await take(item)
        async with lock:  # <- checkout
            await take(item)

    async def take(item: str) -> None:
        await slow_io()
        stock[item] -= 1

    async def reserve_all(items: list[str]) -> None:
        for item in items:
            await reserve(item)

    async def checkout() -> None:
        async with lock:  # <- checkout
            await reserve_all(["apple", "apple"])

    await asyncio.create_task(checkout(), name="checkout")


@buggy("deadlock", "import-rows", "parse-rows")
async def join_of_a_child_that_needs_the_lock(fixed: bool) -> None:
    table = asyncio.Lock()

    async def parse() -> None:
        await slow_io()
        async with table:  # <- parse-rows
            await io()

    async def load() -> None:
        async with table:  # <- import-rows
            parser = asyncio.create_task(parse(), name="parse-rows")
            if not fixed:
                await parser  # <- import-rows
        await parser

    await asyncio.create_task(load(), name="import-rows")


@buggy("deadlock", "report-1", "report-2", "report-3")
async def every_worker_wants_a_second_connection(fixed: bool) -> None:
    pool = asyncio.Semaphore(4 if fixed else 3)

    async def report(number: int) -> None:
        async with pool:  # <- report-1, report-2, report-3
            await slow_io()
            async with pool:  # <- report-1, report-2, report-3
                await io()

    await asyncio.gather(*(asyncio.create_task(report(n), name=f"report-{n}") for n in (1, 2, 3)))


class Exporter:
    """Pages of rows, read under the lock that writing takes too."""

    def __init__(self) -> None:
        self.lock, self.rows = asyncio.Lock(), list(range(4))

    async def pages(self) -> AsyncIterator[list[int]]:
        async with self.lock:
            for start in range(0, len(self.rows), 2):
                await slow_io()
                yield self.rows[start : start + 2]

    async def mark(self, page: list[int]) -> None:
        async with self.lock:  # <- mark-exported
            await io()

    async def copy(self) -> AsyncIterator[list[int]]:
        async with self.lock:
            rows = list(self.rows)
        await slow_io()
        yield rows


@buggy("deadlock", "mark-exported", verdict="suspected|proven")
async def generator_holds_what_its_consumer_wants(fixed: bool) -> None:
    """An async generator is suspended at its yield inside the lock; the loop body asks for that lock."""
    exporter = Exporter()

    async def export() -> None:
        pages = exporter.copy() if fixed else exporter.pages()
        async with contextlib.aclosing(pages):  # type: ignore[type-var]
            async for page in pages:
                await exporter.mark(page)  # <- mark-exported

    await asyncio.create_task(export(), name="mark-exported")


@buggy("deadlock", "sync-users", "sync-groups")
async def circle_that_a_cancellation_left(fixed: bool) -> None:
    """Three tasks over two locks; the one with a timeout is cancelled half-way, the others close the circle."""
    users, groups = asyncio.Lock(), asyncio.Lock()

    async def sync(first: asyncio.Lock, second: asyncio.Lock) -> None:
        async with first:  # <- sync-users, sync-groups
            await slow_io()
            async with second:  # <- sync-users, sync-groups
                await io()

    async def audit() -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.004), users:
                await asyncio.sleep(1)

    audits = asyncio.create_task(audit(), name="audit")
    await asyncio.sleep(0)
    one = asyncio.create_task(sync(users, groups), name="sync-users")
    two = asyncio.create_task(sync(users, groups) if fixed else sync(groups, users), name="sync-groups")
    await asyncio.gather(audits, one, two)


@buggy("deadlock", "rebalance-1", "rebalance-2")
async def timeout_without_an_end(fixed: bool) -> None:
    """asyncio.timeout(None) looks like a way out and is none."""
    left, right = asyncio.Lock(), asyncio.Lock()
    limit = 0.03 if fixed else None

    async def rebalance(first: asyncio.Lock, second: asyncio.Lock) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit), first:  # <- rebalance-1, rebalance-2
                await io()
                async with second:  # <- rebalance-1, rebalance-2
                    await io()

    one = asyncio.create_task(rebalance(left, right), name="rebalance-1")
    two = asyncio.create_task(rebalance(right, left), name="rebalance-2")
    await asyncio.gather(one, two)


class Memo:
    """Profiles by user; a call in flight is shared by whoever asks for the same user."""

    def __init__(self, audits: dict[str, str]) -> None:
        self.audits, self.calls = audits, dict[str, asyncio.Task[str]]()

    async def profile(self, user: str) -> str:
        if user not in self.calls:
            self.calls[user] = asyncio.create_task(self.build(user), name=f"build-{user}")
        return await self.calls[user]  # <- audit-ann

    async def build(self, user: str) -> str:
        validate = asyncio.create_task(io(), name=f"validate-{user}")
        audit = asyncio.create_task(self.audit(user), name=f"audit-{user}")
        await asyncio.gather(validate, audit)  # <- build-ann
        return user.upper()

    async def audit(self, user: str) -> None:
        await slow_io()
        if user in self.audits:
            await self.profile(self.audits[user])  # <- audit-ann


@buggy("deadlock", "build-ann", "audit-ann")
async def audit_asks_for_the_profile_in_flight(fixed: bool) -> None:
    """gather over a memo of the calls in flight, one of which asks for the same user again."""
    memo = Memo({"ann": "bob" if fixed else "ann"})
    await memo.profile("ann")


@buggy("deadlock", "compact-0", "compact-1", "compact-2", "compact-3")
async def ring_of_shards(fixed: bool) -> None:
    """Each shard locks itself and then its neighbour, under a nested gather and an exit stack."""
    shards = [asyncio.Lock() for _ in range(4)]

    async def compact(number: int) -> None:
        pair = [number, (number + 1) % len(shards)]
        async with contextlib.AsyncExitStack() as stack:
            for each in sorted(pair) if fixed else pair:
                await stack.enter_async_context(shards[each])  # <- compact-0, compact-1, compact-2, compact-3
                await io()

    tasks = [asyncio.create_task(compact(n), name=f"compact-{n}") for n in range(4)]
    await asyncio.gather(asyncio.gather(*tasks[:2]), asyncio.gather(*tasks[2:]))


@buggy("deadlock", "close-session", "session-reader")
async def close_waits_for_a_reader_that_closes(fixed: bool) -> None:
    """close() joins the reader; the reader, at the end of the stream, calls close() as well."""
    lock = asyncio.Lock()

    async def read() -> None:
        await slow_io()
        await close()  # <- session-reader

    async def close() -> None:
        async with lock:  # <- session-reader, close-session
            if asyncio.current_task() is not reader and not fixed:
                await reader  # <- close-session
        if fixed and asyncio.current_task() is not reader:
            await reader

    reader = asyncio.create_task(read(), name="session-reader")
    await io()
    await asyncio.create_task(close(), name="close-session")


@buggy("deadlock", "parent-job", "child-job")
async def tasks_that_await_each_other(fixed: bool) -> None:
    jobs: dict[str, asyncio.Task[Any]] = {}

    async def child() -> None:
        await slow_io()
        if not fixed:
            await jobs["parent"]  # <- child-job

    async def parent() -> None:
        jobs["child"] = asyncio.create_task(child(), name="child-job")
        await jobs["child"]  # <- parent-job

    jobs["parent"] = asyncio.create_task(parent(), name="parent-job")
    await asyncio.wait([jobs["parent"]])


@buggy("deadlock", "drain", "requeue")
async def condition_held_over_a_join(fixed: bool) -> None:
    changed = asyncio.Condition()

    async def requeue() -> None:
        await slow_io()
        async with changed:  # <- requeue
            changed.notify_all()

    async def drain() -> None:
        helper = asyncio.create_task(requeue(), name="requeue")
        if fixed:
            return await helper
        async with changed:  # <- drain
            await helper  # <- drain

    await asyncio.create_task(drain(), name="drain")
