"""Errors and calls that go nowhere: exceptions nobody asks for, coroutines nobody awaits (B3, B4, B5)."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from . import buggy, healthy, io, slow_io

# -- coroutines that are dropped ----------------------------------------------------------------------


async def save(order: str) -> None:
    await io()
    assert order


@buggy("never-awaited")
async def forgotten_await(fixed: bool) -> None:
    for order in ("a", "b"):
        await io()
        if fixed:
            await save(order)
        else:
            save(order)  # <- forgotten_await


@buggy("never-awaited", not_in=("debug",))
async def coroutine_function_as_a_timer(fixed: bool) -> None:
    """call_later() calls it, and drops the coroutine that it gives."""
    done = asyncio.Event()

    async def expire() -> None:
        done.set()

    def expire_soon() -> None:
        done.set()

    if fixed:
        asyncio.get_running_loop().call_later(0.002, expire_soon)
    else:
        asyncio.get_running_loop().call_later(0.002, expire)  # <- coroutine_function_as_a_timer
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(done.wait(), 0.05)


class Session:
    def __init__(self) -> None:
        self.open = True

    async def close(self) -> None:
        await io()
        self.open = False


@buggy("never-awaited")
async def close_without_await_in_a_finally(fixed: bool) -> None:
    session = Session()
    try:
        await slow_io()
    finally:
        if fixed:
            await session.close()
        else:
            session.close()  # <- close_without_await_in_a_finally


@buggy("never-awaited")
async def coroutines_collected_and_never_gathered(fixed: bool) -> None:
    """A list of calls, of which an error on the way gathers none."""
    calls = []
    try:
        for order in ("a", "b", "c", ""):
            calls.append(save(order))  # <- coroutines_collected_and_never_gathered
            if not order:
                raise ValueError("empty")
        await asyncio.gather(*calls)
    except ValueError:
        if fixed:
            for call in calls:
                call.close()
    calls.clear()


# -- errors that are dropped --------------------------------------------------------------------------


async def fetch(name: str, delay: float = 0.004) -> str:
    await asyncio.sleep(delay)
    if name == "stock":
        raise ConnectionError(name)
    if name == "price":
        raise ValueError(name)  # <- gather_drops_the_second_error
    return name


@buggy("lost-error")
async def gather_drops_the_second_error(fixed: bool) -> None:
    with contextlib.suppress(ConnectionError, ValueError):
        calls = fetch("stock"), fetch("price", 0.01)
        for result in await asyncio.gather(*calls, return_exceptions=fixed):
            assert isinstance(result, Exception)
    await slow_io()


@buggy("lost-error", also=("orphan-task",))
async def task_fails_and_is_forgotten(fixed: bool) -> None:
    async def index(document: str) -> None:
        await io()
        raise OSError(document)  # <- task_fails_and_is_forgotten

    task = asyncio.create_task(index("a"))
    await slow_io()
    if fixed:
        assert task.exception()
    del task


BACKGROUND: set[asyncio.Task[Any]] = set()


@buggy("lost-error")
async def discarded_from_the_background_set(fixed: bool) -> None:
    """The well-known set of background tasks: kept until done, and then dropped with their error."""

    async def notify() -> None:
        await io()
        raise ConnectionError("mail")  # <- discarded_from_the_background_set

    def done(task: asyncio.Task[Any]) -> None:
        BACKGROUND.discard(task)
        if fixed:
            assert task.exception()

    task = asyncio.create_task(notify())
    BACKGROUND.add(task)
    task.add_done_callback(done)
    del task
    await slow_io()


@buggy("lost-error", also=("orphan-task",))
async def loser_of_a_race_fails_later(fixed: bool) -> None:
    async def mirror(delay: float) -> str:
        await asyncio.sleep(delay)
        if delay > 0.005:
            raise ConnectionError("slow mirror")  # <- loser_of_a_race_fails_later
        return "data"

    async def download() -> str:
        tasks = [asyncio.create_task(mirror(delay)) for delay in (0.002, 1 if fixed else 0.02)]
        done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in pending if fixed else ():
            task.cancel()
        return done.pop().result()

    await download()
    await slow_io()
    await slow_io()


@buggy("lost-error", also=("orphan-task",))
async def first_of_as_completed_is_enough(fixed: bool) -> None:
    async def replica(number: int) -> int:
        await asyncio.sleep(0.003 * number)
        if number > 1:
            raise OSError(f"replica {number}")  # <- first_of_as_completed_is_enough
        return number

    async def ask() -> list[int]:
        tasks = [asyncio.create_task(replica(number)) for number in (1, 2)]
        answers = []
        for each in asyncio.as_completed(tasks):
            with contextlib.suppress(OSError):
                answers.append(await each)
            if not fixed:
                break
        return answers

    assert await ask() == [1]
    await slow_io()


@buggy("lost-error")
async def future_failed_after_its_waiter_left(fixed: bool) -> None:
    """The reply comes as an error, but whoever waited for it has timed out."""
    replies: dict[int, asyncio.Future[str]] = {}

    async def request(number: int) -> None:
        reply = replies[number] = asyncio.get_running_loop().create_future()
        _, pending = await asyncio.wait([reply], timeout=0.004)
        if fixed:
            for each in pending:
                each.cancel()

    await request(1)
    try:
        raise ConnectionResetError("late")  # <- future_failed_after_its_waiter_left
    except ConnectionResetError as error:
        if not replies[1].cancelled():
            replies[1].set_exception(error)
    replies.clear()
    await io()


@healthy
async def error_asked_for_much_later(fixed: bool) -> None:
    task = asyncio.create_task(fetch("stock", 0.001))
    await slow_io()
    with contextlib.suppress(ConnectionError):
        await task


@healthy
async def all_errors_in_one_group(fixed: bool) -> None:
    with contextlib.suppress(ExceptionGroup):
        async with asyncio.TaskGroup() as group:
            for name in ("stock", "price"):
                group.create_task(fetch(name))


@healthy
async def cancelled_gather_of_gathers(fixed: bool) -> None:
    """A shutdown: what was cancelled lost no error."""
    gathering = asyncio.gather(asyncio.gather(slow_io(), slow_io()), slow_io())
    await io()
    gathering.cancel()
    await asyncio.wait([gathering])
