"""Conditions, barriers and latches: notified too early, too few, or by nobody (A6)."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque

from . import buggy, io, slow_io


@buggy("stuck", "await-config")
async def wait_after_the_notify(fixed: bool) -> None:
    """wait() without a look at the state: the notification came before."""
    changed, config = asyncio.Condition(), dict[str, int]()

    async def load() -> None:
        async with changed:
            config["port"] = 80
            changed.notify_all()

    async def wait() -> None:
        async with changed:
            await slow_io()
            if not (fixed and config):
                await changed.wait()  # <- await-config

    await load()
    await asyncio.create_task(wait(), name="await-config")


@buggy("stuck", "await-one", "await-two")
async def notify_wakes_the_wrong_one(fixed: bool) -> None:
    """Two predicates over one condition; notify() wakes one, which finds its own still false."""
    changed, stock = asyncio.Condition(), {"one": 0, "two": 0}

    async def wait(item: str) -> None:
        async with changed:
            while not stock[item]:
                await changed.wait()  # <- await-one, await-two

    async def deliver(item: str) -> None:
        await slow_io()
        async with changed:
            stock[item] += 1
            changed.notify_all() if fixed else changed.notify()

    waiting = [asyncio.create_task(wait(item), name=f"await-{item}") for item in ("one", "two")]
    await deliver("two")
    waiting[0].cancel() if fixed else None
    await asyncio.gather(*waiting, return_exceptions=True)


@buggy("stuck", "reserve")
async def notifier_is_cancelled(fixed: bool) -> None:
    seats, returned = asyncio.Condition(), list[int]()

    async def reserve() -> None:
        async with seats:
            await seats.wait_for(lambda: returned)  # <- reserve

    async def give_back() -> None:
        try:
            await slow_io()
        finally:
            async with seats:
                returned.append(1)
                if fixed:
                    seats.notify()

    reserving = asyncio.create_task(reserve(), name="reserve")
    giving = asyncio.create_task(give_back(), name="give-back")
    await io()
    giving.cancel()
    await asyncio.gather(reserving, giving, return_exceptions=True)


@buggy("stuck", "phase-1", "phase-2")
async def barrier_with_a_missing_party(fixed: bool) -> None:
    """One of three parties returns early."""
    barrier = asyncio.Barrier(3)

    async def phase(number: int) -> None:
        await asyncio.sleep(0.004 * number)
        if number == 3 and not fixed:
            return
        await barrier.wait()  # <- phase-1, phase-2

    async with asyncio.TaskGroup() as group:
        for number in (1, 2, 3):
            group.create_task(phase(number), name=f"phase-{number}")


@buggy("stuck|deadlock", "wait-upload", maybe=("confirm-upload",))
async def event_awaited_with_the_condition_held(fixed: bool) -> None:
    """Who holds the condition waits for an event that only the next holder sets."""
    state, confirmed = asyncio.Condition(), asyncio.Event()

    async def wait() -> None:
        async with state:
            if not fixed:
                await confirmed.wait()  # <- wait-upload
        await confirmed.wait()

    async def confirm() -> None:
        await slow_io()
        async with state:  # <- confirm-upload
            confirmed.set()

    parts = (("wait-upload", wait()), ("confirm-upload", confirm()))
    await asyncio.gather(*(asyncio.create_task(part, name=name) for name, part in parts))


class CountDown:
    """Opens when it has been counted down to zero."""

    def __init__(self, count: int) -> None:
        self.count, self.opened = count, asyncio.get_running_loop().create_future()

    def done(self) -> None:
        self.count -= 1
        if not self.count:
            self.opened.set_result(None)

    async def wait(self) -> None:
        await self.opened  # <- merge


@buggy("stuck", "merge")
async def latch_counted_down_too_little(fixed: bool) -> None:
    """A part that fails does not count down."""
    latch = CountDown(3)

    async def part(number: int) -> None:
        with contextlib.suppress(OSError):
            try:
                await slow_io()
                if number == 2:
                    raise OSError("disk")
            except OSError:
                if fixed:
                    latch.done()
                raise
            latch.done()

    async def merge() -> None:
        await latch.wait()  # <- merge

    merging = asyncio.create_task(merge(), name="merge")
    await asyncio.gather(merging, *(part(number) for number in range(3)))


class Signal:
    """A condition of the program's own, without a lock."""

    def __init__(self) -> None:
        self.waiters: deque[asyncio.Future[None]] = deque()

    async def wait(self) -> None:
        waiter = asyncio.get_running_loop().create_future()
        self.waiters.append(waiter)
        await waiter  # <- take-second

    def notify(self, skip_the_dead: bool) -> None:
        while self.waiters:
            waiter = self.waiters.popleft()
            if not waiter.done():
                return waiter.set_result(None)
            if not skip_the_dead:
                return None
        return None


@buggy("stuck", "take-second")
async def notification_goes_to_a_cancelled_waiter(fixed: bool) -> None:
    """The first in the queue was cancelled; its notification is lost instead of going to the next."""
    signal = Signal()

    async def take() -> None:
        await signal.wait()  # <- take-second

    first = asyncio.create_task(take(), name="take-first")
    second = asyncio.create_task(take(), name="take-second")
    await io()
    first.cancel()
    await slow_io()
    signal.notify(skip_the_dead=fixed)
    await asyncio.gather(first, second, return_exceptions=True)


@buggy("stuck", "await-epoch")
async def condition_made_anew(fixed: bool) -> None:
    """Each epoch has a condition of its own; who still waits for the last one is not told."""

    class Ledger:
        def __init__(self) -> None:
            self.closed, self.epoch = asyncio.Condition(), 0

        async def next_epoch(self) -> None:
            if not fixed:
                self.closed = asyncio.Condition()
            async with self.closed:
                self.epoch += 1
                self.closed.notify_all()

    ledger = Ledger()

    async def wait() -> None:
        async with ledger.closed as _, contextlib.AsyncExitStack():
            await ledger.closed.wait_for(lambda: ledger.epoch > 0)  # <- await-epoch

    waiting = asyncio.create_task(wait(), name="await-epoch")
    await slow_io()
    await ledger.next_epoch()
    await waiting
