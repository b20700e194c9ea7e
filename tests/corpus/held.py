"""Locks and permits that nobody gives back: their holder has ended, or was cancelled (A7)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from . import buggy, healthy, io, slow_io


async def use(lock: Any) -> None:
    async with lock:  # <- save-2, hold-2, charge-2, charge-3, write-2, restart-2, commit-2, render-2
        await io()


async def fails() -> None:
    await slow_io()
    raise OSError("disk full")


@buggy("held-by-finished", "save-2")
async def error_between_acquire_and_release(fixed: bool) -> None:
    """A bare acquire(), an exception, no finally."""
    lock = asyncio.Lock()

    async def save() -> None:
        await lock.acquire()  # <- error_between_acquire_and_release
        try:
            await fails()
        except OSError:
            if fixed:
                lock.release()
            raise
        lock.release()

    first = asyncio.create_task(save(), name="save-1")
    await asyncio.sleep(0)
    second = asyncio.create_task(use(lock), name="save-2")
    await asyncio.gather(first, second, return_exceptions=True)


@buggy("held-by-finished", "hold-2")
async def early_return_with_the_lock(fixed: bool) -> None:
    lock, cache = asyncio.Lock(), {"key": 1}

    async def lookup(key: str) -> int:
        await lock.acquire()  # <- early_return_with_the_lock
        await slow_io()
        if key in cache:
            if fixed:
                lock.release()
            return cache[key]
        cache[key] = 0
        lock.release()
        return 0

    first = asyncio.create_task(lookup("key"), name="hold-1")
    await asyncio.sleep(0)
    await asyncio.gather(first, asyncio.create_task(use(lock), name="hold-2"))


@buggy("held-by-finished", "charge-2", "charge-3")
async def permit_lost_to_a_cancellation(fixed: bool) -> None:
    """``except Exception`` gives the permit back after an error, and not after a cancellation."""
    permits = asyncio.Semaphore(1)
    caught: type[BaseException] = BaseException if fixed else Exception

    async def charge() -> None:
        await permits.acquire()  # <- permit_lost_to_a_cancellation
        try:
            await asyncio.sleep(1)
        except caught:
            permits.release()
            raise
        permits.release()

    first = asyncio.create_task(charge(), name="charge-1")
    await asyncio.sleep(0)
    others = [asyncio.create_task(use(permits), name=f"charge-{n}") for n in (2, 3)]
    await slow_io()
    first.cancel()
    await asyncio.gather(first, *others, return_exceptions=True)


@buggy("held-by-finished", "write-2")
async def timeout_between_acquire_and_try(fixed: bool) -> None:
    """The timeout strikes after acquire() and before the try that would release."""
    lock = asyncio.Lock()

    async def write() -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.012):
                await lock.acquire()  # <- timeout_between_acquire_and_try
                try:
                    await asyncio.sleep(0.05)
                except asyncio.CancelledError:
                    if fixed:
                        lock.release()
                    raise
                lock.release()

    first = asyncio.create_task(write(), name="write-1")
    await asyncio.sleep(0)
    await asyncio.gather(first, asyncio.create_task(use(lock), name="write-2"))


class Connection:
    """Entering locks it and says hello; when that fails, there is no __aexit__ to unlock it."""

    def __init__(self, careful: bool) -> None:
        self.lock, self.careful = asyncio.Lock(), careful

    async def __aenter__(self) -> Connection:
        await self.lock.acquire()  # <- enter-2, entering_fails_after_the_lock_was_taken
        try:
            await fails()
        except OSError:
            if self.careful:
                self.lock.release()
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.lock.release()


@buggy("held-by-finished", "enter-2")
async def entering_fails_after_the_lock_was_taken(fixed: bool) -> None:
    connection = Connection(careful=fixed)

    async def enter() -> None:
        async with connection:  # <- enter-2
            await io()

    tasks = [asyncio.create_task(enter(), name=f"enter-{n}") for n in (1, 2)]
    await asyncio.gather(*tasks, return_exceptions=True)


@buggy("held-by-finished", "restart-2")
async def hand_over_to_a_callback_that_never_comes(fixed: bool) -> None:
    """The release was left to a done-callback; on the error path none is added."""
    lock = asyncio.Lock()

    async def restart(mode: str) -> None:
        await lock.acquire()  # <- hand_over_to_a_callback_that_never_comes
        await slow_io()
        if mode == "dry" and not fixed:
            return
        asyncio.get_running_loop().call_later(0.002, lock.release)

    first = asyncio.create_task(restart("dry"), name="restart-1")
    await asyncio.sleep(0)
    await asyncio.gather(first, asyncio.create_task(use(lock), name="restart-2"))


@buggy("held-by-finished", "commit-2")
async def every_failure_costs_a_connection(fixed: bool) -> None:
    """Three connections, three failures: then the pool is empty, and nobody has one."""
    pool = asyncio.BoundedSemaphore(3)

    async def commit() -> None:
        await pool.acquire()  # <- every_failure_costs_a_connection
        try:
            await fails()
            pool.release()
        finally:
            if fixed:
                pool.release()

    failing = [asyncio.create_task(commit(), name="commit-1") for _ in range(3)]
    await asyncio.sleep(0)
    last = asyncio.create_task(use(pool), name="commit-2")
    await asyncio.gather(*failing, last, return_exceptions=True)


@buggy("held-by-finished", "render-2")
async def condition_taken_by_hand(fixed: bool) -> None:
    """Condition.acquire() without release() when there is nothing to wait for."""
    changed = asyncio.Condition()

    async def render(frames: list[int]) -> None:
        await changed.acquire()  # <- condition_taken_by_hand
        await slow_io()
        if frames or fixed:
            changed.notify_all()
            changed.release()

    first = asyncio.create_task(render([]), name="render-1")
    await asyncio.sleep(0)
    await asyncio.gather(first, asyncio.create_task(use(changed), name="render-2"))


class Table:
    def __init__(self) -> None:
        self.lock, self.rows, self.cursor = asyncio.Lock(), [1, 2, 3], None

    async def scan(self) -> AsyncIterator[int]:
        async with self.lock:
            for row in self.rows:
                await io()
                yield row


@buggy("held-by-finished|stuck", "vacuum")
async def abandoned_generator_keeps_the_lock(fixed: bool) -> None:
    """The first row was enough; the generator, kept on an attribute, stands inside the lock for ever."""
    table = Table()

    async def first_row() -> int:
        table.cursor = table.scan()  # type: ignore[assignment]
        async for row in table.cursor:  # type: ignore[attr-defined]
            if fixed:
                await table.cursor.aclose()  # type: ignore[attr-defined]
            return row
        return 0

    async def vacuum() -> None:
        async with table.lock:  # <- vacuum
            table.rows.clear()

    reader = asyncio.create_task(first_row(), name="first-row")
    await io()
    await asyncio.gather(reader, asyncio.create_task(vacuum(), name="vacuum"))


@healthy
async def handed_over_to_a_task_that_releases(fixed: bool) -> None:
    """The one who took the lock ends; another task, told so, gives it back."""
    lock, connected = asyncio.Lock(), asyncio.Event()

    async def connect() -> None:
        await lock.acquire()
        connected.set()

    async def finish() -> None:
        await connected.wait()
        await slow_io()
        lock.release()

    first, helper = asyncio.create_task(connect()), asyncio.create_task(finish())
    await asyncio.sleep(0)
    await asyncio.gather(first, helper, use(lock))


@healthy
async def permits_given_by_whoever_has_work(fixed: bool) -> None:
    """A semaphore as a counter of items: taken by a consumer, given by a producer, the first taker long gone."""
    items = asyncio.Semaphore(1)

    async def consume() -> None:
        await items.acquire()

    async def produce() -> None:
        for _ in range(2):
            await slow_io()
            items.release()

    await asyncio.gather(consume(), consume(), consume(), produce())
