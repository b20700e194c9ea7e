"""Deadlocks through threads (patterns A8, A9), each beside a healthy twin, and what only looks like one.

The buggy ones never end: they are run as ``python -m tests.programs.threads NAME``, which prints the records of
what the agent says until it has said something, and leaves without asking anybody.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import json
import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from . import Pair, Program

PAIRS: list[Pair] = []
TRAPS: list[Program] = []
NAP = 0.03


def pair(healthy: Program, *core: str, verdict: str = "proven", victims: int = 0) -> Callable[[Program], Program]:
    """Enter the decorated program as the buggy one of a pair."""

    def enter(buggy: Program) -> Program:
        PAIRS.append(Pair(buggy, healthy, "deadlock", verdict, frozenset(core), victims))
        return buggy

    return enter


def trap(program: Program) -> Program:
    """Enter a program that only looks deadlocked."""
    TRAPS.append(program)
    return program


def spawn(name: str, coro: Any) -> asyncio.Task[Any]:
    return asyncio.create_task(coro, name=name)


def start(name: str, target: Callable[..., Any], *args: Any) -> threading.Thread:
    thread = threading.Thread(target=target, args=args, name=name, daemon=True)
    thread.start()
    return thread


async def touch() -> None:
    await asyncio.sleep(0)


def ask(coro: Any, loop: asyncio.AbstractEventLoop) -> Any:
    return asyncio.run_coroutine_threadsafe(coro, loop)


async def until_ended(*threads: threading.Thread) -> None:
    while any(thread.is_alive() for thread in threads):
        await asyncio.sleep(0.005)


def rename_current(name: str) -> None:
    task = asyncio.current_task()
    assert task is not None
    task.set_name(name)


# -- the loop's own thread ---------------------------------------------------------------------------------


async def result_in_another_thread() -> None:
    loop = asyncio.get_running_loop()
    await asyncio.to_thread(lambda: ask(touch(), loop).result())


@pair(result_in_another_thread, "handler")
async def result_in_the_loops_own_thread() -> None:
    rename_current("handler")
    ask(touch(), asyncio.get_running_loop()).result()


@pair(result_in_another_thread, "handler", victims=3)
async def wait_in_the_loops_own_thread() -> None:
    rename_current("handler")
    crowd = [spawn("victim", asyncio.sleep(0)) for _ in range(3)]
    loop = asyncio.get_running_loop()
    concurrent.futures.wait([ask(touch(), loop), ask(touch(), loop)])
    await asyncio.gather(*crowd)


async def lock_released_before_the_await() -> None:
    lock = threading.Lock()

    async def visit() -> None:
        with lock:
            pass
        await asyncio.sleep(0.005)

    await asyncio.gather(spawn("first", visit()), spawn("second", visit()))


@pair(lock_released_before_the_await, "first", "second", victims=1)
async def lock_held_across_an_await() -> None:
    lock = threading.Lock()

    async def visit() -> None:
        with lock:
            await asyncio.sleep(0.005)

    await asyncio.gather(spawn("first", visit()), spawn("second", visit()))


@pair(lock_released_before_the_await, "holder", "handler", victims=1)
async def lock_held_by_hand_across_an_await() -> None:
    lock = threading.Lock()

    async def hold() -> None:
        lock.acquire()
        try:
            await asyncio.sleep(0.005)
        finally:
            lock.release()

    async def take() -> None:
        with lock:
            pass

    await asyncio.gather(spawn("holder", hold()), spawn("handler", take()))


# -- a loop and a thread -----------------------------------------------------------------------------------


async def worker_releases_before_it_asks() -> None:
    loop, lock = asyncio.get_running_loop(), threading.Lock()

    def work() -> None:
        with lock:
            time.sleep(NAP / 2)
        ask(touch(), loop).result()

    thread = start("worker", work)
    await asyncio.sleep(NAP / 4)
    with lock:
        pass
    await until_ended(thread)


async def beside(work: Callable[[], None], wanted: Any) -> None:
    """A thread begins its work, and half-way a task of the loop takes what the thread holds."""

    async def handle() -> None:
        with wanted:
            pass

    thread = start("worker", work)
    await asyncio.sleep(NAP / 2)
    await spawn("handler", handle())
    await until_ended(thread)


@pair(worker_releases_before_it_asks, "handler", "worker", victims=1)
async def worker_asks_while_it_holds() -> None:
    loop, lock = asyncio.get_running_loop(), threading.Lock()

    def work() -> None:
        with lock:
            time.sleep(NAP)
            ask(touch(), loop).result()

    await beside(work, lock)


@pair(worker_releases_before_it_asks, "handler", "worker", victims=1)
async def worker_asks_while_it_owns_an_rlock() -> None:
    loop, lock = asyncio.get_running_loop(), threading.RLock()

    def work() -> None:
        lock.acquire()
        time.sleep(NAP)
        ask(touch(), loop).result()
        lock.release()

    await beside(work, lock)


@pair(worker_releases_before_it_asks, "handler", "worker", victims=1)
async def worker_asks_inside_try_finally() -> None:
    loop, lock = asyncio.get_running_loop(), threading.Lock()

    def work() -> None:
        lock.acquire()
        try:
            time.sleep(NAP)
            ask(touch(), loop).result()
        finally:
            lock.release()

    await beside(work, lock)


@pair(worker_releases_before_it_asks, "handler", "worker", victims=1)
async def worker_asks_while_it_holds_a_condition() -> None:
    loop, condition = asyncio.get_running_loop(), threading.Condition(threading.Lock())

    def work() -> None:
        with condition:
            time.sleep(NAP)
            ask(touch(), loop).result()

    await beside(work, condition)


GUARD = threading.Lock()


@pair(worker_releases_before_it_asks, "handler", "worker")
async def worker_asks_while_it_holds_a_global_lock() -> None:
    rename_current("handler")
    loop = asyncio.get_running_loop()

    def work() -> None:
        with GUARD:
            time.sleep(NAP)
            ask(touch(), loop).result()

    start("worker", work)
    await asyncio.sleep(NAP / 2)
    GUARD.acquire()


async def join_a_thread_that_needs_nothing() -> None:
    start("worker", time.sleep, NAP).join()


@pair(join_a_thread_that_needs_nothing, "handler", "worker")
async def join_a_thread_that_needs_the_loop() -> None:
    rename_current("handler")
    loop = asyncio.get_running_loop()
    start("worker", lambda: ask(touch(), loop).result()).join()


@pair(join_a_thread_that_needs_nothing, "handler", "pool_0")
async def shut_down_a_pool_that_needs_the_loop() -> None:
    rename_current("handler")
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(1, thread_name_prefix="pool") as pool:
        pool.submit(lambda: ask(touch(), loop).result())


async def job_without_the_lock() -> None:
    lock = threading.Lock()
    with lock:
        await asyncio.to_thread(time.sleep, NAP)


@pair(job_without_the_lock, "handler", "asyncio_0")
async def job_needs_the_lock_held_while_awaiting_it() -> None:
    rename_current("handler")
    lock = threading.Lock()

    def job() -> None:
        with lock:
            pass

    with lock:
        await asyncio.to_thread(job)


async def loops_in_turn() -> None:
    other = asyncio.new_event_loop()
    thread = start("other", other.run_forever)
    await asyncio.wrap_future(ask(touch(), other))
    other.call_soon_threadsafe(other.stop)
    await until_ended(thread)
    other.close()


@pair(loops_in_turn, "here", "there")
async def two_loops_ask_each_other() -> None:
    rename_current("here")
    mine, other = asyncio.get_running_loop(), asyncio.new_event_loop()
    start("other", other.run_forever)

    async def there() -> None:
        rename_current("there")
        time.sleep(NAP)
        ask(touch(), mine).result()

    ask(there(), other)
    time.sleep(NAP / 2)
    ask(touch(), other).result()


# -- threads among themselves ------------------------------------------------------------------------------


def both(first: threading.Lock, second: threading.Lock) -> None:
    with first:
        time.sleep(NAP / 4)
        with second:
            pass


async def two_threads_in_one_order() -> None:
    a, b = threading.Lock(), threading.Lock()
    await until_ended(start("one", both, a, b), start("two", both, a, b))


@pair(two_threads_in_one_order, "one", "two")
async def two_threads_in_opposite_order() -> None:
    a, b = threading.Lock(), threading.Lock()
    await until_ended(start("one", both, a, b), start("two", both, b, a))


class Ledger:
    guard = threading.Lock()

    def book(self) -> None:
        with Ledger.guard:
            self.write()

    def write(self) -> None:
        with Ledger.guard:
            pass


async def reentrant() -> None:
    lock = threading.RLock()

    def work() -> None:
        with lock, lock:
            time.sleep(NAP)

    await until_ended(start("worker", work))


@pair(reentrant, "worker")
async def one_thread_takes_a_lock_twice() -> None:
    await until_ended(start("worker", Ledger().book))


# -- executors ---------------------------------------------------------------------------------------------


async def pool_with_room() -> None:
    with ThreadPoolExecutor(4, thread_name_prefix="pool") as pool:

        def outer() -> None:
            time.sleep(NAP / 2)
            pool.submit(time.sleep, NAP / 2).result()

        await asyncio.gather(*(asyncio.wrap_future(pool.submit(outer)) for _ in range(2)))


@pair(pool_with_room, "pool_0", "pool_1")
async def jobs_wait_for_jobs_of_their_pool() -> None:
    pool = ThreadPoolExecutor(2, thread_name_prefix="pool")

    def outer() -> None:
        time.sleep(NAP)
        pool.submit(int).result()

    await asyncio.gather(*(asyncio.wrap_future(pool.submit(outer)) for _ in range(2)))


@pair(pool_with_room, "pool_0", "pool_1")
async def jobs_map_over_their_own_pool() -> None:
    pool = ThreadPoolExecutor(2, thread_name_prefix="pool")

    def outer() -> list[int]:
        time.sleep(NAP)
        return [job.result() for job in concurrent.futures.as_completed([pool.submit(int), pool.submit(int)])]

    await asyncio.gather(*(asyncio.wrap_future(pool.submit(outer)) for _ in range(2)))


@pair(pool_with_room, "asyncio_0", "asyncio_1", "deeper")
async def jobs_wait_for_coroutines_that_need_the_pool() -> None:
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(2, thread_name_prefix="asyncio"))

    async def deeper() -> None:
        rename_current("deeper")
        await asyncio.to_thread(int)

    def outer() -> None:
        time.sleep(NAP)
        ask(deeper(), loop).result()

    await asyncio.gather(asyncio.to_thread(outer), asyncio.to_thread(outer))


# -- anyio -------------------------------------------------------------------------------------------------


async def anyio_threads() -> None:
    import anyio.from_thread
    import anyio.to_thread

    await anyio.to_thread.run_sync(lambda: anyio.from_thread.run(anyio.sleep, 0.001))


@pair(anyio_threads, "handler", "AnyIO worker thread")
async def anyio_job_needs_the_lock_held_while_awaiting_it() -> None:
    import anyio.to_thread

    rename_current("handler")
    lock = threading.Lock()

    def job() -> None:
        with lock:
            pass

    with lock:
        await anyio.to_thread.run_sync(job)


@pair(anyio_threads, "handler", "AnyIO worker thread", "deeper")
async def anyio_limiter_full_of_its_own_waiters() -> None:
    import anyio.from_thread
    import anyio.to_thread

    rename_current("handler")
    limiter = anyio.CapacityLimiter(1)

    async def deeper() -> None:
        rename_current("deeper")
        await anyio.to_thread.run_sync(int, limiter=limiter)

    await anyio.to_thread.run_sync(lambda: anyio.from_thread.run(deeper), limiter=limiter)


# -- not certain -------------------------------------------------------------------------------------------


@pair(worker_releases_before_it_asks, "handler", "worker", verdict="suspected", victims=1)
async def worker_asks_while_it_may_have_released() -> None:
    loop, lock = asyncio.get_running_loop(), threading.Lock()

    def work(early: bool = False) -> None:
        with lock:
            time.sleep(NAP)
            if early:
                lock.release()
            ask(touch(), loop).result()

    await beside(work, lock)


# -- traps -------------------------------------------------------------------------------------------------


@trap
async def lock_released_by_a_third_thread() -> None:
    loop, lock = asyncio.get_running_loop(), threading.Lock()

    def work() -> None:
        lock.acquire()
        ask(touch(), loop).result()

    threads = [start("worker", work)]
    time.sleep(NAP / 2)
    threads.append(start("third", lambda: (time.sleep(2 * NAP), lock.release())))
    with lock:
        pass
    await until_ended(*threads)


@trap
async def lock_given_away_inside_its_block() -> None:
    loop, lock = asyncio.get_running_loop(), threading.Lock()

    def work() -> None:
        with lock:
            lock.release()
            ask(touch(), loop).result()
            lock.acquire()

    threads = [start("thief", lambda: (time.sleep(NAP), lock.acquire(), time.sleep(NAP), lock.release()))]
    threads.append(start("worker", work))
    await asyncio.sleep(0)
    time.sleep(NAP + NAP / 2)
    with lock:
        pass
    await until_ended(*threads)


@trap
async def result_with_a_timeout() -> None:
    with contextlib.suppress(concurrent.futures.TimeoutError):
        ask(touch(), asyncio.get_running_loop()).result(timeout=2 * NAP)
    await asyncio.sleep(0)


@trap
async def lock_with_a_timeout() -> None:
    loop, lock = asyncio.get_running_loop(), threading.Lock()

    def work() -> None:
        with lock:
            time.sleep(NAP / 2)
            ask(touch(), loop).result()

    thread = start("worker", work)
    await asyncio.sleep(NAP / 4)
    assert not lock.acquire(timeout=2 * NAP)
    await until_ended(thread)


@trap
async def worker_with_a_timeout() -> None:
    loop, lock = asyncio.get_running_loop(), threading.Lock()

    def work() -> None:
        with lock, contextlib.suppress(concurrent.futures.TimeoutError):
            time.sleep(NAP / 2)
            ask(touch(), loop).result(2 * NAP)

    thread = start("worker", work)
    await asyncio.sleep(NAP / 4)
    with lock:
        pass
    await until_ended(thread)


@trap
async def join_with_a_timeout() -> None:
    loop = asyncio.get_running_loop()
    thread = start("worker", lambda: ask(touch(), loop).result())
    thread.join(2 * NAP)
    await until_ended(thread)


@trap
async def task_with_a_timeout() -> None:
    lock = threading.Lock()

    def job() -> None:
        with lock:
            pass

    with contextlib.suppress(TimeoutError), lock:
        async with asyncio.timeout(2 * NAP):
            await asyncio.to_thread(job)


@trap
async def worker_that_is_fed_by_another_thread() -> None:
    jobs, done = queue.Queue[int](), concurrent.futures.Future[int]()
    threads = [start("worker", lambda: done.set_result(jobs.get()))]
    threads.append(start("feeder", lambda: (time.sleep(2 * NAP), jobs.put(1))))
    done.result()
    await until_ended(*threads)


@trap
async def future_that_another_thread_completes() -> None:
    lock, done = threading.Lock(), concurrent.futures.Future[int]()

    def work() -> None:
        with lock:
            done.result()

    threads = [start("worker", work), start("other", lambda: (time.sleep(2 * NAP), done.set_result(1)))]
    time.sleep(NAP / 4)
    with lock:
        pass
    await until_ended(*threads)


@trap
async def event_that_another_thread_sets() -> None:
    lock, event = threading.Lock(), threading.Event()

    def work() -> None:
        with lock:
            event.wait()

    threads = [start("worker", work), start("other", lambda: (time.sleep(2 * NAP), event.set()))]
    time.sleep(NAP / 4)
    with lock:
        pass
    await until_ended(*threads)


@trap
async def condition_waited_for_inside_its_block() -> None:
    condition = threading.Condition(threading.Lock())

    def work() -> None:
        with condition:
            condition.wait()

    threads = [start("worker", work)]
    time.sleep(NAP / 4)
    threads.append(start("other", lambda: (time.sleep(2 * NAP), _notify(condition))))
    with condition:
        time.sleep(NAP / 4)
    await until_ended(*threads)


@trap
async def notified_while_another_has_the_lock_by_hand() -> None:
    lock = threading.Lock()
    condition = threading.Condition(lock)

    def work() -> None:
        with condition:
            condition.wait()

    thread = start("worker", work)
    await asyncio.sleep(NAP / 4)
    lock.acquire()
    condition.notify_all()
    await asyncio.sleep(2 * NAP)
    lock.release()
    await until_ended(thread)


@trap
async def pool_that_can_still_start_a_worker() -> None:
    with ThreadPoolExecutor(2, thread_name_prefix="pool") as pool:

        def outer() -> None:
            pool._idle_semaphore.release()  # type: ignore[attr-defined]  # it believes that a worker is idle
            pool.submit(int).result()

        job = pool.submit(outer)
        threads = [start("other", lambda: (time.sleep(2 * NAP), pool.submit(int)))]
        await asyncio.wrap_future(job)
        await until_ended(*threads)


def _notify(condition: threading.Condition) -> None:
    with condition:
        condition.notify_all()


@trap
async def pool_with_one_worker_that_finishes() -> None:
    with ThreadPoolExecutor(2, thread_name_prefix="pool") as pool:

        def outer() -> None:
            pool.submit(int).result()

        jobs = [pool.submit(time.sleep, 2 * NAP), pool.submit(outer)]
        await asyncio.gather(*map(asyncio.wrap_future, jobs))


@trap
async def threads_that_contend_for_two_locks() -> None:
    a, b = threading.Lock(), threading.Lock()
    until = time.monotonic() + 2 * NAP

    def work() -> None:
        while time.monotonic() < until:
            with a:
                time.sleep(0.0001)
                with b:
                    time.sleep(0.0001)

    await until_ended(*(start(f"worker-{n}", work) for n in range(4)))


@trap
async def threads_that_keep_asking_the_loop() -> None:
    loop, lock = asyncio.get_running_loop(), threading.Lock()
    until = time.monotonic() + 2 * NAP

    def work() -> None:
        while time.monotonic() < until:
            with lock:
                ask(touch(), loop).result()

    await until_ended(*(start(f"worker-{n}", work) for n in range(3)))


# -- run by name -------------------------------------------------------------------------------------------


class _Printer:
    """A sink that prints records and ends the process when a deadlock was told, after a moment for more."""

    name = "printer"

    def write(self, event: Any) -> None:
        print(json.dumps(event.as_record()), flush=True)
        if event.finding.kind == "deadlock":
            start("end", lambda: (time.sleep(0.1), os._exit(0)))

    def close(self) -> None:
        pass


def main(name: str) -> None:
    import unstuck

    from ..harness import settings

    unstuck.install(settings(interval=0.02, stuck_after=0.1), sinks=[_Printer()])
    start("patience", lambda: (time.sleep(20), os._exit(1)))
    program = next(each.buggy for each in PAIRS if str(each) == name)

    async def run() -> None:
        await program()

    asyncio.run(run())


if __name__ == "__main__":
    main(sys.argv[1])
