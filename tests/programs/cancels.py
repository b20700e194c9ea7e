"""Tasks that were cancelled and are still there (pattern A10), and those that do what they should."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

from . import Pair, Program
from .deadlocks import spawn

PAIRS: list[Pair] = []
HEALTHY: list[Program] = []
LONG = 0.6
"""Long after the threshold of the tests."""
KEPT: list[Any] = []
"""Within everybody's reach, so nothing that waits for it is stuck for certain."""


def pair(healthy: Program, *tasks: str) -> Callable[[Program], Program]:
    """Enter the decorated program as the buggy one of a pair, with the names of the tasks to be told."""

    def enter(buggy: Program) -> Program:
        PAIRS.append(Pair(buggy, healthy, "ignored-cancel", "suspected", frozenset(tasks)))
        return buggy

    return enter


def healthy(program: Program) -> Program:
    """Enter a program without a buggy sibling that must stay silent."""
    HEALTHY.append(program)
    return program


async def cancelled(name: str, coro: Any) -> None:
    """Start a task, let it begin, cancel it, and wait for its end."""
    task = spawn(name, coro)
    await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.wait([task])


async def never() -> None:
    event = asyncio.Event()
    KEPT.append(event)
    del KEPT[:-20_000]
    await event.wait()


async def ticks(count: int = 30) -> None:
    """Waits that move, for LONG."""
    for _ in range(count):
        await asyncio.sleep(LONG / count)


# -- swallowed -----------------------------------------------------------------------------------------------


async def stops_on_cancellation() -> None:
    async def poll() -> None:
        while True:
            try:
                await asyncio.sleep(0.005)
                raise ConnectionError
            except Exception:  # noqa: BLE001
                continue

    await cancelled("poll", poll())


@pair(stops_on_cancellation, "poll")
async def retries_whatever_happens() -> None:
    async def poll() -> None:
        for _ in range(40):
            try:
                await asyncio.sleep(LONG / 40)
                raise ConnectionError
            except BaseException:  # noqa: BLE001
                continue

    await cancelled("poll", poll())


async def suppresses_and_ends() -> None:
    async def serve() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await never()

    await cancelled("serve", serve())


@pair(suppresses_and_ends, "serve")
async def suppresses_and_waits_again() -> None:
    async def serve() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await never()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LONG):
                await never()

    await cancelled("serve", serve())


async def waits_for_a_child_that_ends() -> None:
    async def parent() -> None:
        await asyncio.gather(spawn("one", asyncio.sleep(60)), spawn("two", asyncio.sleep(60)))

    await cancelled("parent", parent())


@pair(waits_for_a_child_that_ends, "child")
async def waits_for_a_child_that_does_not_end() -> None:
    """The parent does what it should: only the child is told."""

    async def child() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await never()
        await ticks()

    async def parent() -> None:
        await asyncio.gather(spawn("child", child()))

    await cancelled("parent", parent())


async def group_whose_children_end() -> None:
    async def parent() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(60))

    await cancelled("parent", parent())


@pair(group_whose_children_end, "child")
async def group_whose_child_does_not_end() -> None:
    async def child() -> None:
        for _ in range(2):
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(LONG)

    async def parent() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(child(), name="child")
            await asyncio.sleep(60)

    await cancelled("parent", parent())


async def generator_that_ends() -> None:
    async def numbers() -> AsyncIterator[int]:
        while True:
            await asyncio.sleep(0.005)
            yield 1

    async def read() -> None:
        async for _ in numbers():
            pass

    await cancelled("read", read())


@pair(generator_that_ends, "read")
async def generator_that_swallows() -> None:
    async def numbers() -> AsyncIterator[int]:
        for _ in range(40):
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(LONG / 40)
            yield 1

    async def read() -> None:
        async for _ in numbers():
            pass

    await cancelled("read", read())


# -- clean-up --------------------------------------------------------------------------------------------------


async def cleanup_that_moves() -> None:
    async def work() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await ticks()

    await cancelled("work", work())


@pair(cleanup_that_moves, "work")
async def cleanup_that_stands_still() -> None:
    async def work() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            loop = asyncio.get_running_loop()
            answer = loop.create_future()
            KEPT.append(answer)
            loop.call_later(LONG, answer.set_result, None)
            await answer

    await cancelled("work", work())


@healthy
async def cleanup_under_a_timeout() -> None:
    async def work() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LONG):
                    await never()

    await cancelled("work", work())


@healthy
async def cleanup_that_sleeps() -> None:
    async def work() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(LONG)
            raise

    await cancelled("work", work())


@healthy
async def cleanup_that_waits_for_a_task_that_sleeps() -> None:
    async def flush() -> None:
        await asyncio.sleep(LONG)

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.shield(flush())

    await cancelled("work", work())


@healthy
async def cleanup_that_waits_for_tasks_that_move() -> None:
    async def work() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.gather(spawn("flush", ticks()), spawn("log", ticks()))

    await cancelled("work", work())


@pair(cleanup_that_waits_for_a_task_that_sleeps, "work")
async def cleanup_that_waits_for_a_task_that_stands_still() -> None:
    async def flush() -> None:
        loop = asyncio.get_running_loop()
        answer = loop.create_future()
        KEPT.append(answer)
        loop.call_later(LONG, answer.set_result, None)
        await answer

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.shield(flush())

    await cancelled("work", work())


@healthy
async def cleanup_in_a_manager() -> None:
    class Connection:
        async def __aenter__(self) -> None:
            pass

        async def __aexit__(self, *exc: object) -> None:
            await self.flush()

        async def flush(self) -> None:
            try:
                await asyncio.sleep(0.01)
                raise ConnectionError
            except ConnectionError:
                await ticks()

    async def work() -> None:
        async with Connection():
            await asyncio.sleep(60)

    await cancelled("work", work())


@healthy
async def cleanup_that_fails_and_goes_on() -> None:
    """An error during the clean-up is handled in its turn."""

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            try:
                raise OSError("gone")
            except OSError:
                await ticks()

    await cancelled("work", work())


@healthy
async def cleanup_in_a_stack() -> None:
    async def work() -> None:
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(ticks)
            await asyncio.sleep(60)

    await cancelled("work", work())


# -- taken back --------------------------------------------------------------------------------------------------


@healthy
async def timeouts_and_groups() -> None:
    """They cancel, and take it back."""

    async def work() -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.01):
                await asyncio.sleep(60)
        with contextlib.suppress(ExceptionGroup):
            async with asyncio.TaskGroup() as group:
                group.create_task(fails())
                await asyncio.sleep(60)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.sleep(60), 0.01)
        await ticks()

    await spawn("work", work())


@healthy
async def supervisor_whose_children_fail() -> None:
    """A group whose child fails while the task waits in the group's exit leaves a cancellation behind, up to 3.12."""

    async def supervise() -> None:
        for _ in range(3):
            with contextlib.suppress(ExceptionGroup):
                async with asyncio.TaskGroup() as group:
                    group.create_task(fails())
                    group.create_task(asyncio.sleep(60))
        await ticks()

    await spawn("supervise", supervise())


async def fails() -> None:
    raise OSError("gone")


@healthy
async def uncancelled() -> None:
    async def work() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            me = asyncio.current_task()
            assert me is not None
            me.uncancel()
        await ticks()

    await cancelled("work", work())


@healthy
async def shielded_work_goes_on() -> None:
    """The one who waits is cancelled; what is shielded was not."""
    work = spawn("work", ticks())

    async def wait() -> None:
        await asyncio.shield(work)

    await cancelled("wait", wait())
    await work
