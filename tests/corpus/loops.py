"""Several loops in one process: what is handed from one to the other, and lost between them (A6, A8)."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
import time
from collections.abc import Iterator
from typing import Any

from . import buggy, healthy, io, slow_io


@contextlib.contextmanager
def other_loop(name: str, close: bool = True) -> Iterator[asyncio.AbstractEventLoop]:
    """A loop that runs in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name=name, daemon=True)
    thread.start()
    try:
        yield loop
    finally:
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(loop.stop)
        while thread.is_alive():
            time.sleep(0.001)
        if close:
            loop.close()


@buggy("deadlock", "ask-there", "ask-here", apart=True)
async def two_loops_wait_for_each_other(fixed: bool) -> None:
    """Each loop blocks on a result of the other one."""
    here = asyncio.get_running_loop()

    async def ask_here() -> None:
        me = asyncio.current_task()
        assert me is not None
        me.set_name("ask-here")
        time.sleep(0.01)
        future = asyncio.run_coroutine_threadsafe(io(), here)
        if fixed:
            return await asyncio.wrap_future(future)
        future.result()  # <- ask-here
        return None

    async def ask_there(there: asyncio.AbstractEventLoop) -> None:
        future = asyncio.run_coroutine_threadsafe(ask_here(), there)
        if fixed:
            return await asyncio.wrap_future(future)
        future.result()  # <- ask-there
        return None

    with other_loop("there") as there:
        await asyncio.create_task(ask_there(there), name="ask-there")


@buggy("stuck", "await-other-loop", verdict="proven|suspected")
async def answer_of_a_loop_that_was_stopped(fixed: bool) -> None:
    """The other loop stops and is closed before it has answered."""

    async def answer() -> str:
        await asyncio.sleep(0.01 if fixed else 1)
        return "answer"

    async def ask() -> str:
        with other_loop("stopped-loop") as there:
            asked = asyncio.wrap_future(asyncio.run_coroutine_threadsafe(answer(), there))
            await slow_io()
            if fixed:
                return await asked
        gc.collect()  # what the closed loop has let go is garbage, and some day goes
        return await asked  # <- await-other-loop

    await asyncio.create_task(ask(), name="await-other-loop")


@buggy("stuck", "inbox-here")
async def queue_of_a_loop_that_is_gone(fixed: bool) -> None:
    """A producer in another loop; that loop is closed, and nobody puts any more."""
    inbox, here = asyncio.Queue[int](), asyncio.get_running_loop()

    async def read() -> None:
        while await inbox.get() < 2:  # <- inbox-here
            pass

    async def produce() -> None:
        for number in range(3 if fixed else 2):
            here.call_soon_threadsafe(inbox.put_nowait, number)
            await io()

    reading = asyncio.create_task(read(), name="inbox-here")
    with other_loop("producer-loop") as there:
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(produce(), there))
    await reading


@buggy("deadlock", "left-a", "left-b", "right-a", "right-b", alone=True)
def each_of_two_loops_has_a_deadlock(fixed: bool) -> None:
    """Two services in one process, in two threads, with the same bug each."""

    async def serve(name: str) -> None:
        first, second = asyncio.Lock(), asyncio.Lock()

        async def both(one: asyncio.Lock, two: asyncio.Lock) -> None:
            async with one:  # <- left-a, left-b, right-a, right-b
                await slow_io()
                async with two:  # <- left-a, left-b, right-a, right-b
                    await io()

        tasks = [
            asyncio.create_task(both(first, second), name=f"{name}-a"),
            asyncio.create_task(both(first, second) if fixed else both(second, first), name=f"{name}-b"),
        ]
        await asyncio.wait(tasks, timeout=0.6)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    threads = [threading.Thread(target=asyncio.run, args=(serve(name),)) for name in ("left", "right")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@healthy
async def loops_that_serve_each_other(fixed: bool) -> None:
    """Asked and answered in both directions, and nobody blocks."""
    here = asyncio.get_running_loop()

    async def there_and_back() -> None:
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(slow_io(), here))

    with other_loop("other") as there:
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(there_and_back(), there))


@healthy
def loops_one_after_the_other(fixed: bool) -> None:
    """asyncio.run() several times over, with an object that survives."""
    kept: list[Any] = []

    async def serve() -> None:
        kept.append(asyncio.Event())
        asyncio.get_running_loop().call_later(0.006, kept[-1].set)
        await kept[-1].wait()

    for _ in range(2):
        asyncio.run(serve())
