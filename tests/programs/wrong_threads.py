"""Completed from a foreign thread (pattern A12): the loop sleeps on, and only its own wake-up ends the program.

Each program is given ``later``, which makes a call in another thread after a moment, and a waker that wakes the
loop in the end. The healthy twin gets a ``later`` that goes through ``call_soon_threadsafe``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

Later = Callable[..., object]
BUGGY: list[Wrong] = []


@dataclass(frozen=True)
class Wrong:
    """A program, and what is to be said of it: the task, what it waits for, and a word of the help."""

    program: Callable[[Later], Awaitable[object]]
    task: str
    type: str | None
    help: str

    def __str__(self) -> str:
        return self.program.__name__


def wrong(task: str, type: str | None, help: str) -> Any:
    """Enter the decorated program."""

    def enter(program: Callable[[Later], Awaitable[object]]) -> Any:
        BUGGY.append(Wrong(program, task, type, help))
        return program

    return enter


def spawn(coro: Any) -> asyncio.Task[Any]:
    return asyncio.create_task(coro, name="waiter")


@wrong("waiter", "asyncio.Event", "event.set")
async def event_set(later: Later) -> None:
    event = asyncio.Event()
    later(event.set)
    await spawn(event.wait())


@wrong("waiter", "asyncio.Queue", "queue.put_nowait")
async def item_put(later: Later) -> None:
    queue: asyncio.Queue[int] = asyncio.Queue()
    later(queue.put_nowait, 1)
    await spawn(queue.get())


@wrong("waiter", "asyncio.Queue", "queue.get_nowait")
async def item_taken(later: Later) -> None:
    queue: asyncio.Queue[int] = asyncio.Queue(1)
    queue.put_nowait(1)
    later(queue.get_nowait)
    await spawn(queue.put(2))


@wrong("waiter", "Future", "future.set_result")
async def future_resolved(later: Later) -> None:
    future = asyncio.get_running_loop().create_future()

    async def wait() -> None:
        await future

    later(future.set_result, 1)
    await spawn(wait())


@wrong("waiter", "asyncio.Lock", "lock.release")
async def lock_released(later: Later) -> None:
    lock = asyncio.Lock()
    await lock.acquire()
    later(lock.release)
    await spawn(lock.acquire())


@wrong("begun", None, "run_coroutine_threadsafe")
async def task_created(later: Later) -> None:
    loop, done = asyncio.get_running_loop(), asyncio.Event()
    tasks = []

    async def begin() -> None:
        done.set()

    def create() -> None:
        tasks.append(loop.create_task(begin(), name="begun"))

    later(create)
    await done.wait()


@wrong("callback", None, "call_soon_threadsafe(callback)")
async def callback_scheduled(later: Later) -> None:
    loop, done = asyncio.get_running_loop(), asyncio.Event()
    later(loop.call_soon, done.set)
    await done.wait()


@wrong("callback", None, "loop.call_later")
async def timer_set(later: Later) -> None:
    loop, done = asyncio.get_running_loop(), asyncio.Event()
    later(loop.call_later, 0.01, done.set)
    await done.wait()
