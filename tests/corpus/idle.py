"""Idle is not stuck: what waits for ever, or for very long, in an application that is perfectly well."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import signal
import socket
import threading
from typing import Any

from . import io, parked


@parked
async def main_waits_on_a_future_of_its_own(fixed: bool) -> None:
    """``await asyncio.Future()``: run until somebody stops us."""
    beat = asyncio.create_task(heartbeat())
    await asyncio.Future()
    beat.cancel()


@parked
async def main_waits_on_an_event_of_its_own(fixed: bool) -> None:
    """``await asyncio.Event().wait()``, with nothing else in the loop but a server."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        await asyncio.Event().wait()


@parked
async def main_waits_with_nothing_else_at_all(fixed: bool) -> None:
    await asyncio.Event().wait()


@parked
async def main_waits_on_a_bare_future_with_nothing_else(fixed: bool) -> None:
    await asyncio.get_running_loop().create_future()


@parked
async def task_that_is_nothing_but_a_wait(fixed: bool) -> None:
    """``create_task(asyncio.Event().wait())``: something to put where a task is asked for; nobody awaits it."""
    idling = {asyncio.create_task(asyncio.Event().wait(), name="idle") for _ in range(2)}
    await heartbeat()
    assert idling


@parked
async def main_waits_in_a_group(fixed: bool) -> None:
    """A group with a background task; its body waits for ever."""
    async with asyncio.TaskGroup() as group:
        group.create_task(heartbeat())
        await asyncio.Event().wait()


@parked
async def main_waits_for_a_task_that_waits_for_ever(fixed: bool) -> None:
    """The service's own run_forever(), one task below main."""

    async def run_forever() -> None:
        await asyncio.Event().wait()

    await asyncio.gather(asyncio.create_task(run_forever(), name="run-forever"), heartbeat())


@parked
async def services_in_the_background_wait_for_ever(fixed: bool) -> None:
    """A service without work of its own yet: started, and cancelled at the end."""

    async def run() -> None:
        try:
            await asyncio.Future()
        finally:
            await asyncio.sleep(0)

    services = [asyncio.create_task(run()) for _ in range(2)]
    await heartbeat()
    for service in services:
        service.cancel()


@parked
async def server_serves_for_ever(fixed: bool) -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        await server.serve_forever()


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.closing(writer):
        while line := await reader.readline():
            writer.write(line)


async def heartbeat() -> None:
    while True:
        await io()


@parked
async def connection_idles(fixed: bool) -> None:
    """A client and its handler, connected, both waiting for the other's next line."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        try:
            await reader.readline()
        finally:
            writer.close()
            await writer.wait_closed()


@parked
async def worker_on_an_empty_queue_with_a_live_producer(fixed: bool) -> None:
    jobs: asyncio.Queue[int] = asyncio.Queue()

    async def produce() -> None:
        await asyncio.sleep(60)
        await jobs.put(1)

    async def work() -> None:
        while True:
            await jobs.get()

    await asyncio.gather(produce(), work(), work())


class Service:
    """A queue that requests fill; no request has come yet."""

    def __init__(self) -> None:
        self.jobs: asyncio.Queue[bytes] = asyncio.Queue()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer):
            self.jobs.put_nowait(await reader.readline())

    async def work(self) -> None:
        while True:
            await self.jobs.get()


@parked
async def worker_whose_producer_is_a_server(fixed: bool) -> None:
    """Only a future connection's handler could put; today it is but a bound method in the server."""
    service = Service()
    server = await asyncio.start_server(service.accept, "127.0.0.1", 0)
    async with server, asyncio.TaskGroup() as group:
        group.create_task(service.work())
        group.create_task(server.serve_forever())


@functools.partial(parked, alone=True)
async def wait_for_a_signal(fixed: bool) -> None:
    """A signal handler sets the event."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, stop.set)
    try:
        await stop.wait()
    finally:
        loop.remove_signal_handler(signal.SIGUSR1)


@parked
async def wait_for_a_socket_callback(fixed: bool) -> None:
    """add_reader() on a socket that nothing is written to."""
    loop = asyncio.get_running_loop()
    readable = loop.create_future()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        loop.add_reader(ours, readable.set_result, None)
        try:
            await readable
        finally:
            loop.remove_reader(ours)


@parked
async def wait_for_a_timer_far_away(fixed: bool) -> None:
    due = asyncio.get_running_loop().create_future()
    timer = asyncio.get_running_loop().call_later(3600, due.set_result, None)
    try:
        await due
    finally:
        timer.cancel()


@parked
async def wait_for_a_thread(fixed: bool) -> None:
    """A thread that waits for its own event will tell the loop; nothing but its locals knows the future."""
    loop, over = asyncio.get_running_loop(), threading.Event()

    def watch(done: asyncio.Future[None]) -> None:
        over.wait()
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(lambda: done.done() or done.set_result(None))

    done = loop.create_future()
    thread = threading.Thread(target=watch, args=(done,))
    thread.start()
    try:
        await done
    finally:
        over.set()
        await asyncio.to_thread(thread.join)


@parked
async def wait_for_an_executor_job(fixed: bool) -> None:
    over = threading.Event()
    try:
        await asyncio.to_thread(over.wait)
    finally:
        over.set()


@parked
async def wait_for_a_subprocess(fixed: bool) -> None:
    process = await asyncio.create_subprocess_exec("sleep", "60")
    try:
        await process.wait()
    finally:
        process.kill()
        await process.wait()


@parked
async def long_poll(fixed: bool) -> None:
    """Each request waits for the next change, however long that takes; a ticker makes the changes."""
    changed = asyncio.Condition()

    async def poll() -> None:
        async with changed:
            await changed.wait()

    async def change() -> None:
        await asyncio.sleep(60)
        async with changed:
            changed.notify_all()

    async with asyncio.TaskGroup() as group:
        for task in (change(), poll(), poll(), poll()):
            group.create_task(task)


LISTENERS: dict[object, asyncio.Event] = {}
"""Whoever likes may tell them."""


@parked
async def listener_in_a_global_registry(fixed: bool) -> None:
    """No task was ever seen to set it: a plug-in, a console, a request to come may do so."""
    key = object()
    listener = LISTENERS[key] = asyncio.Event()
    beat = asyncio.create_task(heartbeat())
    try:
        await listener.wait()
    finally:
        del LISTENERS[key]
        beat.cancel()


class Pool:
    """Idle workers that a dispatcher hands work to; the dispatcher is a method that requests will call."""

    def __init__(self, size: int) -> None:
        self.idle: list[asyncio.Future[Any]] = []
        self.workers = [asyncio.create_task(self.work(), name=f"idle-{n}") for n in range(size)]

    async def work(self) -> None:
        while True:
            job: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            self.idle.append(job)
            await job


@parked
async def idle_workers_of_a_pool(fixed: bool) -> None:
    pool = Pool(3)
    while True:
        await io()
        assert len(pool.idle) == len(pool.workers)
