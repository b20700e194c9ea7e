"""Tasks, timers and callbacks that pile up from one place (B2, B7)."""

from __future__ import annotations

import asyncio
from typing import Any

from . import buggy, healthy, io, slow_io

FEW, MANY = 6, 3_000
"""Rounds of a twin, and of a program with its bug: more than it takes to be found."""


def rounds(fixed: bool) -> range:
    return range(FEW if fixed else MANY)


async def finish(tasks: Any) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)


@buggy("task-leak", verdict="suspected|proven", also=("stuck",))
async def stop_event_waited_for_anew_each_time(fixed: bool) -> None:
    """``asyncio.wait({work, stop.wait()})`` in a loop: each turn leaves a task behind that waits for the stop."""
    stop, tasks = asyncio.Event(), set[asyncio.Task[Any]]()
    waiting = asyncio.create_task(stop.wait())
    tasks.add(waiting)
    for _ in rounds(fixed):
        if not fixed:
            waiting = asyncio.create_task(stop.wait())  # <- stop_event_waited_for_anew_each_time
            tasks.add(waiting)
        await asyncio.wait({asyncio.create_task(io()), waiting}, return_when=asyncio.FIRST_COMPLETED)
    await finish(tasks)


@buggy("task-leak", verdict="suspected|proven")
async def session_outlives_its_connection(fixed: bool) -> None:
    """Each connection starts a keep-alive; closing the connection does not end it."""
    sessions: set[asyncio.Task[None]] = set()

    async def keep_alive() -> None:
        while True:
            await asyncio.sleep(0.5)

    for _ in rounds(fixed):
        session = asyncio.create_task(keep_alive())  # <- session_outlives_its_connection
        sessions.add(session)
        session.add_done_callback(sessions.discard)
        await io()
        if fixed:
            session.cancel()
    await finish(sessions)


@buggy("task-leak", verdict="suspected|proven")
async def timers_that_nobody_cancels(fixed: bool) -> None:
    """Every request arms a timer for an hour and forgets it."""
    loop = asyncio.get_running_loop()
    for number in rounds(fixed):
        timer = loop.call_later(3600, print, f"request {number} timed out")  # <- timers_that_nobody_cancels
        await io()
        if fixed:
            timer.cancel()


@buggy("task-leak", verdict="suspected|proven")
async def callbacks_on_one_future(fixed: bool) -> None:
    """Every request asks to be told of the shutdown, and never takes that back."""
    shutdown = asyncio.get_running_loop().create_future()

    def told(_future: object) -> None: ...

    for number in rounds(fixed):

        def told_of(future: object, number: int = number) -> None:
            assert number >= 0

        shutdown.add_done_callback(told_of)  # <- callbacks_on_one_future
        await io()
        if fixed:
            shutdown.remove_done_callback(told_of)
    shutdown.cancel()


@buggy("task-leak", verdict="suspected|proven", also=("stuck",))
async def consumers_started_on_each_reconnect(fixed: bool) -> None:
    """Each reconnect starts a consumer; those of before still wait on the queue."""
    messages: asyncio.Queue[str] = asyncio.Queue()
    consumers: list[asyncio.Task[None]] = []

    async def consume() -> None:
        while True:
            await messages.get()

    for _ in rounds(fixed):
        if fixed and consumers:
            consumers.pop().cancel()
        consumers.append(asyncio.create_task(consume()))  # <- consumers_started_on_each_reconnect
        await io()
    await finish(consumers)


@healthy
async def fixed_number_of_workers(fixed: bool) -> None:
    jobs: asyncio.Queue[int] = asyncio.Queue()

    async def work() -> None:
        while True:
            await jobs.get()
            await io()

    workers = [asyncio.create_task(work()) for _ in range(8)]
    for number in range(8):
        jobs.put_nowait(number)
        await io()
    await finish(workers)


@healthy
async def burst_that_ends(fixed: bool) -> None:
    """A hundred at once, and then none."""
    await asyncio.gather(*(asyncio.create_task(slow_io()) for _ in range(100)))
