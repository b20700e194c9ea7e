"""Threads beside a loop: results that cannot come, locks across both, wake-ups from afar (A8, A9, A12)."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from typing import Any

from . import Pace, buggy, healthy, io, slow_io

# -- who waits blocks the loop ------------------------------------------------------------------------


async def answer() -> str:
    await io()
    return "answer"


@buggy("deadlock", "sync-api", apart=True)
async def result_awaited_in_the_loops_own_thread(fixed: bool) -> None:
    """A synchronous façade over the async client, called from async code after all."""
    loop = asyncio.get_running_loop()

    def facade() -> str:
        return asyncio.run_coroutine_threadsafe(answer(), loop).result()  # <- sync-api

    async def handle() -> str:
        return await asyncio.to_thread(facade) if fixed else facade()  # <- sync-api

    await asyncio.create_task(handle(), name="sync-api")


@buggy("deadlock", "flush-cache", "writer", apart=True)
async def thread_lock_on_both_sides(fixed: bool) -> None:
    """A thread holds a lock and asks the loop; the loop's thread waits for that lock."""
    loop, guard = asyncio.get_running_loop(), threading.Lock()

    def write() -> None:
        with guard:  # <- writer
            time.sleep(Pace.slow)
            if not fixed:
                asyncio.run_coroutine_threadsafe(answer(), loop).result()  # <- writer
        if fixed:
            asyncio.run_coroutine_threadsafe(answer(), loop).result()

    async def flush() -> None:
        await io()
        with guard:  # <- flush-cache
            pass

    writer = threading.Thread(target=write, name="writer", daemon=True)
    writer.start()
    await asyncio.create_task(flush(), name="flush-cache")
    await asyncio.to_thread(writer.join)


@buggy("deadlock", "stats-1", "stats-2", apart=True)
async def thread_lock_held_across_an_await(fixed: bool) -> None:
    """``with threading.Lock()`` around an await: the second task blocks the loop, and so the first."""
    guard: Any = asyncio.Lock() if fixed else threading.Lock()

    async def count() -> None:
        if fixed:
            async with guard:
                return await io()
        with guard:  # <- stats-1, stats-2
            await io()

    await asyncio.gather(*(asyncio.create_task(count(), name=f"stats-{n}") for n in (1, 2)))


@buggy("deadlock", "stop-worker", "poller", apart=True)
async def join_of_a_thread_that_needs_the_loop(fixed: bool) -> None:
    loop = asyncio.get_running_loop()

    def poll() -> None:
        time.sleep(Pace.slow)
        asyncio.run_coroutine_threadsafe(answer(), loop).result()  # <- poller

    poller = threading.Thread(target=poll, name="poller", daemon=True)
    poller.start()

    async def stop() -> None:
        if fixed:
            await asyncio.to_thread(poller.join)
        poller.join()  # <- stop-worker

    await asyncio.create_task(stop(), name="stop-worker")


@buggy("blocked-loop", "resize-image", verdict="suspected", settings={"blocked_loop_after": 0.1})
async def long_computation_in_a_handler(fixed: bool) -> None:
    """Finite, and yet nobody else gets a turn meanwhile."""

    def resize() -> None:
        time.sleep(0.02 if fixed else 0.6)  # <- resize-image

    async def handle() -> None:
        await asyncio.to_thread(resize) if fixed else resize()

    await asyncio.create_task(handle(), name="resize-image")


# -- completed from another thread --------------------------------------------------------------------


async def await_thread(name: str, awaited: Any, set_it: Callable[[], None]) -> None:
    """A task awaits what a thread completes some time later; nothing else happens in this loop."""

    def later() -> None:
        time.sleep(0.012)
        set_it()

    async def wait() -> None:
        await awaited  # <- on-message, on-reply, on-item

    thread = threading.Thread(target=later, name="sensor", daemon=True)
    thread.start()
    await asyncio.create_task(wait(), name=name)
    thread.join()


@buggy("wrong-thread", "on-message", verdict="proven|suspected", not_in=("debug",))
async def event_set_from_a_thread(fixed: bool) -> None:
    arrived, loop = asyncio.Event(), asyncio.get_running_loop()
    await await_thread(
        "on-message", arrived.wait(), (lambda: loop.call_soon_threadsafe(arrived.set)) if fixed else arrived.set
    )


@buggy("wrong-thread", "on-reply", verdict="proven|suspected", not_in=("debug",))
async def future_completed_from_a_thread(fixed: bool) -> None:
    loop = asyncio.get_running_loop()
    reply = loop.create_future()
    plain, safe = (lambda: reply.set_result(1)), (lambda: loop.call_soon_threadsafe(reply.set_result, 1))
    await await_thread("on-reply", reply, safe if fixed else plain)  # type: ignore[arg-type]


@buggy("wrong-thread", "on-item", verdict="proven|suspected", not_in=("debug",))
async def item_put_from_a_thread(fixed: bool) -> None:
    items, loop = asyncio.Queue[int](), asyncio.get_running_loop()
    plain, safe = (lambda: items.put_nowait(1)), (lambda: loop.call_soon_threadsafe(items.put_nowait, 1))
    await await_thread("on-item", items.get(), safe if fixed else plain)  # type: ignore[arg-type]


@buggy("stuck", "await-sensor")
async def thread_ends_without_a_word(fixed: bool) -> None:
    """The thread fails before it hands its result to the loop."""
    loop = asyncio.get_running_loop()

    async def measure() -> float:
        reading = loop.create_future()

        def read() -> None:
            with contextlib.suppress(OSError):
                time.sleep(0.012)
                if not fixed:
                    raise OSError("sensor")
                loop.call_soon_threadsafe(reading.set_result, 1.0)

        threading.Thread(target=read, name="sensor", daemon=True).start()
        return float(await reading)  # <- await-sensor

    await asyncio.create_task(measure(), name="await-sensor")


# -- and all is well ----------------------------------------------------------------------------------


@healthy
async def jobs_in_the_default_executor(fixed: bool) -> None:
    await asyncio.gather(*(asyncio.to_thread(time.sleep, 0.004) for _ in range(4)))


@healthy
async def thread_lock_held_for_a_moment(fixed: bool) -> None:
    guard, counts = threading.Lock(), [0]

    def count() -> None:
        for _ in range(20):
            with guard:
                counts[0] += 1

    async def report() -> None:
        for _ in range(5):
            with guard:
                counts[0] += 1
            await io()

    await asyncio.gather(asyncio.to_thread(count), asyncio.to_thread(count), report())


@healthy
async def future_known_to_a_thread_alone(fixed: bool) -> None:
    """Nothing but a local variable of a thread's frame leads to what the task waits for."""
    loop = asyncio.get_running_loop()
    done = loop.create_future()

    def work(done: Any) -> None:
        time.sleep(0.015)
        loop.call_soon_threadsafe(done.set_result, None)

    threading.Thread(target=work, args=(done,)).start()
    await done


@healthy
async def finalizer_that_sets(fixed: bool) -> None:
    """What sets the event is the ``__del__`` of an object that a timer lets go."""
    closed = asyncio.Event()

    class Handle:
        def __del__(self) -> None:
            closed.set()

    asyncio.get_running_loop().call_later(0.012, lambda handle: None, Handle())
    await closed.wait()


@healthy
async def resolved_by_a_blocking_thread_pool_job(fixed: bool) -> None:
    ready, told = threading.Event(), asyncio.create_task(asyncio.to_thread(time.sleep, 0.001))

    async def tell() -> None:
        await slow_io()
        ready.set()

    await asyncio.gather(asyncio.to_thread(ready.wait), tell(), told)
