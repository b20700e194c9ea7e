"""Tasks, callbacks and timers that pile up (patterns B2, B7), and what grows, or is many, and is healthy."""

from __future__ import annotations

import asyncio
import random
import time
from typing import Any

from . import Program

LONG = 60.0
BEAT = 0.004
"""Seconds between two requests."""
A_WHILE = 3.0
"""Seconds that healthy programs run for: longer than it takes to find a leak."""

LEAKS: list[tuple[Program, str]] = []
"""Programs, and how the title of the finding begins."""
HEALTHY: list[Program] = []


def leak(title: str) -> Any:
    """Enter a program that leaks for ever."""

    def enter(program: Program) -> Program:
        LEAKS.append((program, title))
        return program

    return enter


def healthy(program: Program) -> Program:
    """Enter a program that looks like one and does not."""
    HEALTHY.append(program)
    return program


async def linger(seconds: float = LONG) -> None:
    await asyncio.sleep(seconds)


async def until(end: float) -> None:
    await asyncio.sleep(max(0.0, end - time.monotonic()))


@leak("tasks pile up")
async def a_task_outlives_each_request() -> None:
    kept = set[Any]()

    async def handle() -> None:
        kept.add(asyncio.create_task(linger(), name="lingerer"))

    while True:
        await asyncio.create_task(handle())
        await asyncio.sleep(BEAT)


@leak("tasks pile up")
async def a_waiter_for_an_answer_that_never_comes() -> None:
    kept = set[Any]()

    async def answer() -> None:
        await asyncio.Event().wait()

    async def handle() -> None:
        kept.add(asyncio.create_task(answer(), name="lingerer"))

    while True:
        await asyncio.create_task(handle())
        await asyncio.sleep(BEAT)


@leak("tasks pile up")
async def a_heartbeat_with_each_reconnect() -> None:
    """Whoever makes them lives on: that takes longer to tell."""
    beats = list[Any]()

    async def beat() -> None:
        while True:
            await asyncio.sleep(0.5)

    while True:
        beats.append(asyncio.create_task(beat(), name="lingerer"))
        await asyncio.sleep(BEAT)


@leak("callbacks pile up")
async def a_callback_on_the_shutdown_task_with_each_request() -> None:
    shutdown = asyncio.create_task(linger())

    def on_shutdown(_task: object) -> None: ...

    while True:
        shutdown.add_done_callback(lambda task: on_shutdown(task))
        await asyncio.sleep(BEAT)


@leak("callbacks pile up")
async def a_callback_on_a_future_that_is_awaited() -> None:
    closed = asyncio.get_running_loop().create_future()

    async def wait_for_close() -> None:
        await closed

    class Session:
        def on_close(self, _future: object) -> None: ...

    waiter = asyncio.create_task(wait_for_close())
    while True:
        closed.add_done_callback(Session().on_close)
        await asyncio.sleep(BEAT)
        assert not waiter.done()


@leak("timers pile up")
async def a_timer_with_each_call() -> None:
    class Cache:
        def expire(self) -> None: ...

    loop, cache = asyncio.get_running_loop(), Cache()
    while True:
        loop.call_later(LONG, cache.expire)
        await asyncio.sleep(BEAT)


@leak("timers pile up")
async def a_repeating_timer_started_again_and_again() -> None:
    loop = asyncio.get_running_loop()

    def refresh() -> None:
        loop.call_later(0.05, refresh)

    while True:
        refresh()
        await asyncio.sleep(BEAT * 2)


# -- healthy ---------------------------------------------------------------------------------------------


@healthy
async def rising_load_with_turnover() -> None:
    end, rate = time.monotonic() + A_WHILE, 1
    tasks = set[Any]()
    while time.monotonic() < end:
        for _ in range(rate // 20 + 1):
            task = asyncio.create_task(linger(0.05))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        rate += 1
        await asyncio.sleep(BEAT)
    await asyncio.gather(*tasks)


@healthy
async def sessions_that_last_and_end() -> None:
    end = time.monotonic() + A_WHILE
    async with asyncio.TaskGroup() as group:
        while time.monotonic() < end:
            group.create_task(linger(random.uniform(0.2, 0.6)))
            await asyncio.sleep(BEAT)


@healthy
async def start_up_that_levels_off() -> None:
    end = time.monotonic() + A_WHILE
    async with asyncio.TaskGroup() as group:
        for number in range(100):
            group.create_task(until(end))
            await asyncio.sleep(BEAT / 4 * (1 + number // 20))


@healthy
async def pool_of_workers() -> None:
    end = time.monotonic() + A_WHILE
    async with asyncio.TaskGroup() as group:
        for _ in range(200):
            group.create_task(until(end))


@healthy
async def few_more_now_and_then() -> None:
    end = time.monotonic() + A_WHILE
    async with asyncio.TaskGroup() as group:
        for _ in range(12):
            group.create_task(until(end))
            await asyncio.sleep(A_WHILE / 20)


@healthy
async def callbacks_taken_off_again() -> None:
    shutdown, loop = asyncio.create_task(linger()), asyncio.get_running_loop()
    end, pending = time.monotonic() + A_WHILE, list[Any]()
    rate = 0.05
    while time.monotonic() < end:
        callback = lambda task: None  # noqa: E731
        shutdown.add_done_callback(callback)
        pending.append(loop.call_later(rate, shutdown.remove_done_callback, callback))
        rate += 0.002
        await asyncio.sleep(BEAT)
    shutdown.cancel()
    for timer in pending:
        timer.cancel()


@healthy
async def many_wait_for_one_future() -> None:
    end, opened = time.monotonic() + A_WHILE, asyncio.get_running_loop().create_future()

    async def wait() -> None:
        await asyncio.shield(opened)

    async def direct() -> None:
        await opened

    async with asyncio.TaskGroup() as group:
        for _ in range(100):
            group.create_task(wait())
            group.create_task(direct())
        await until(end)
        opened.set_result(None)


@healthy
async def a_timer_for_each_key() -> None:
    loop, cache = asyncio.get_running_loop(), dict[int, Any]()
    end, key = time.monotonic() + A_WHILE, 1000
    while time.monotonic() < end:
        cache[key] = loop.call_later(0.7, cache.pop, key)
        key += 1
        await asyncio.sleep(BEAT)
    for timer in list(cache.values()):
        timer.cancel()


@healthy
async def timers_set_again_before_they_go_off() -> None:
    loop = asyncio.get_running_loop()
    end, timer = time.monotonic() + A_WHILE, loop.call_later(1, print)
    while time.monotonic() < end:
        timer.cancel()
        timer = loop.call_later(1, print)
        await asyncio.sleep(BEAT)
    timer.cancel()


@healthy
async def a_fixed_number_of_repeating_timers() -> None:
    loop, end = asyncio.get_running_loop(), time.monotonic() + A_WHILE
    timers = dict[int, Any]()

    def refresh(number: int) -> None:
        timers[number] = loop.call_later(0.05, refresh, number)

    for number in range(50):
        refresh(number)
    await until(end)
    for timer in timers.values():
        timer.cancel()


@healthy
async def users_who_come_and_stay() -> None:
    """A task of its own, and a callback on the shutdown task, for each connection."""
    shutdown = asyncio.create_task(linger())
    end = time.monotonic() + A_WHILE

    async def push(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(LONG)
        writer.write(b"news\n")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        callback = lambda task: writer.close()  # noqa: E731
        shutdown.add_done_callback(callback)
        pushing = asyncio.create_task(push(writer))
        await reader.read()
        shutdown.remove_done_callback(callback)
        pushing.cancel()
        writer.close()

    users = []
    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        while time.monotonic() < end:
            users.append(await asyncio.open_connection(*server.sockets[0].getsockname()))
            await asyncio.sleep(5 * BEAT)
        for _, writer in users:
            writer.close()
            await writer.wait_closed()
    shutdown.cancel()
