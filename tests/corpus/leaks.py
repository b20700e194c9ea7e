"""Tasks, timers and callbacks that pile up from one place (B2, B7)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from . import buggy, healthy, io, slow_io

FEW, MANY = 6, 1_000
"""Rounds of a twin, and of a program with its bug: more than it takes to be found."""


async def rounds(fixed: bool) -> AsyncIterator[int]:
    """One after the other, some hundred a second."""
    for number in range(FEW if fixed else MANY):
        yield number
        await asyncio.sleep(0.001 if fixed else 0.006)


async def finish(tasks: Any) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)


@buggy("task-leak", verdict="suspected|proven")
async def stop_event_waited_for_anew_by_each_request(fixed: bool) -> None:
    """``asyncio.wait({work, stop.wait()})``: each request leaves a task behind that waits for the stop."""
    stop, tasks = asyncio.Event(), set[asyncio.Task[Any]]()

    async def handle() -> None:
        stopped = asyncio.create_task(stop.wait())  # <- stop_event_waited_for_anew_by_each_request
        tasks.add(stopped)
        await asyncio.wait({asyncio.create_task(io()), stopped}, return_when=asyncio.FIRST_COMPLETED)
        if fixed:
            tasks.discard(stopped)
            stopped.cancel()

    async for _ in rounds(fixed):
        await asyncio.create_task(handle())
    await finish(tasks)


@buggy("task-leak", verdict="suspected|proven")
async def session_outlives_its_connection(fixed: bool) -> None:
    """Each connection starts a keep-alive; closing the connection does not end it."""
    sessions: set[asyncio.Task[None]] = set()

    async def keep_alive() -> None:
        while True:
            await asyncio.sleep(0.5)

    async def connection() -> None:
        session = asyncio.create_task(keep_alive())  # <- session_outlives_its_connection
        sessions.add(session)
        session.add_done_callback(sessions.discard)
        await io()
        if fixed:
            session.cancel()

    async for _ in rounds(fixed):
        await asyncio.create_task(connection())
    await finish(sessions)


class Link:
    """A connection that looks after itself: each message puts off the next ping."""

    def ping(self) -> None: ...  # <- timers_that_nobody_cancels

    def received(self, put_off: bool) -> None:
        timer = asyncio.get_running_loop().call_later(3600, self.ping)
        if put_off:
            timer.cancel()


@buggy("task-leak", verdict="suspected|proven")
async def timers_that_nobody_cancels(fixed: bool) -> None:
    """Every message arms a timer for the next ping, and leaves the last one armed."""
    link = Link()
    async for _ in rounds(fixed):
        link.received(put_off=fixed)
        await io()


@buggy("task-leak", verdict="suspected|proven")
async def callbacks_on_one_future(fixed: bool) -> None:
    """Every request asks to be told of the shutdown, and never takes that back."""
    shutdown = asyncio.get_running_loop().create_future()

    async def serve() -> None:
        await shutdown

    async def handle() -> None:
        def abort(_future: object) -> None: ...  # <- callbacks_on_one_future

        shutdown.add_done_callback(abort)
        await io()
        if fixed:
            shutdown.remove_done_callback(abort)

    server = asyncio.create_task(serve())
    async for _ in rounds(fixed):
        await handle()
    shutdown.set_result(None)
    await server


@buggy("task-leak", verdict="suspected|proven", also=("stuck",))
async def consumers_started_on_each_reconnect(fixed: bool) -> None:
    """Each reconnect starts a consumer; those of before still wait on the queue."""
    messages: asyncio.Queue[str] = asyncio.Queue()
    consumers: list[asyncio.Task[None]] = []

    async def consume() -> None:
        while True:
            await messages.get()

    async def reconnect() -> None:
        if fixed and consumers:
            consumers.pop().cancel()
        consumers.append(asyncio.create_task(consume()))  # <- consumers_started_on_each_reconnect
        await io()

    async for _ in rounds(fixed):
        await asyncio.create_task(reconnect())
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
