"""Tasks that nobody keeps (pattern B1), and tasks that somebody does, in all the ways there are."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import gc
import threading
import time
import weakref
from collections.abc import AsyncIterator, Callable
from typing import Any

from . import Program

AWHILE = 0.08
"""Seconds: several ticks."""
LONG = 10.0
"""Seconds: until it is found."""

ORPHANS: list[Program] = []
"""Each makes a task called ``orphan`` that nobody keeps and that is still at work when the program is over."""
KEPT: list[Program] = []


def orphan(program: Program) -> Program:
    """Enter a program that keeps no hold on its task."""
    ORPHANS.append(program)
    return program


def kept(program: Program) -> Program:
    """Enter a program that does, however hard that is to see."""
    KEPT.append(program)
    return program


async def work(seconds: float = AWHILE) -> None:
    await asyncio.sleep(seconds)


async def run_alone(coroutine: Any) -> None:
    """Make a task of the coroutine, forget it, and be busy for a while."""
    asyncio.create_task(coroutine, name="orphan")  # noqa: RUF006
    del coroutine
    await asyncio.sleep(LONG)


# -- nobody keeps it -------------------------------------------------------------------------------------


@orphan
async def made_and_forgotten() -> None:
    asyncio.create_task(work(LONG), name="orphan")  # noqa: RUF006
    await work(LONG)


@orphan
async def made_by_the_loop_and_forgotten() -> None:
    asyncio.get_running_loop().create_task(work(LONG), name="orphan")
    await work(LONG)


@orphan
async def callback_in_a_for_each() -> None:
    for _ in range(3):
        task = asyncio.create_task(work(LONG), name="orphan")
    del task
    await work(LONG)


@orphan
async def the_handler_that_kept_it_is_over() -> None:
    async def handle() -> None:
        task = asyncio.create_task(work(LONG), name="orphan")  # noqa: F841, RUF006
        await asyncio.sleep(0)

    await handle()
    await work(LONG)


@orphan
async def no_longer_in_the_list() -> None:
    tasks = [asyncio.create_task(work(LONG), name="orphan")]
    await asyncio.sleep(0.01)
    tasks.clear()
    await work(LONG)


@orphan
async def orphan_that_moves() -> None:
    async def beat() -> None:
        while True:
            await asyncio.sleep(0.003)

    await run_alone(beat())


@orphan
async def orphan_that_knows_itself() -> None:
    async def know() -> None:
        me = asyncio.current_task()
        await work(LONG)
        assert me is not None

    await run_alone(know())


@orphan
async def orphan_under_a_timeout() -> None:
    async def patient() -> None:
        async with asyncio.timeout(2 * LONG):
            await work(LONG)

    await run_alone(patient())


@orphan
async def orphan_with_children_of_a_gather() -> None:
    async def family() -> None:
        await asyncio.gather(work(LONG), asyncio.gather(work(LONG), work(LONG)))

    await run_alone(family())


@orphan
async def orphan_with_children_of_a_group() -> None:
    async def family() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(work(LONG))
            group.create_task(work(LONG))

    await run_alone(family())


@orphan
async def orphan_that_waits_for_some() -> None:
    async def family() -> None:
        await asyncio.wait([asyncio.create_task(work(LONG)), asyncio.create_task(work(LONG))])

    await run_alone(family())


@orphan
async def orphan_behind_a_shield() -> None:
    async def shielded() -> None:
        await asyncio.shield(work(LONG))

    await run_alone(shielded())


@orphan
async def orphan_with_a_thread() -> None:
    async def threaded() -> None:
        await asyncio.to_thread(time.sleep, 0.5)

    await run_alone(threaded())


@orphan
async def orphan_behind_a_lock() -> None:
    lock = asyncio.Lock()

    async def locked() -> None:
        async with lock:
            await work(LONG)

    async with lock:
        await run_alone(locked())


@orphan
async def orphan_on_a_queue() -> None:
    queue = asyncio.Queue[int]()

    async def consume() -> None:
        await queue.get()

    await run_alone(consume())
    queue.put_nowait(1)


# -- somebody keeps it -----------------------------------------------------------------------------------


class Owner:
    """Somebody with an attribute."""

    task: asyncio.Task[Any]


_KEPT = set[Any]()
_BY_NAME = dict[str, Any]()
_VARIABLE = contextvars.ContextVar[Any]("kept")


@kept
async def in_a_set_until_done() -> None:
    for _ in range(3):
        task = asyncio.create_task(work(AWHILE / 2))
        _KEPT.add(task)
        task.add_done_callback(_KEPT.discard)
    del task
    await work()


@kept
async def in_a_task_group() -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(work(AWHILE / 2))
        group.create_task(work(AWHILE / 2))


@kept
async def awaited_later() -> None:
    task = asyncio.create_task(work(AWHILE / 2))
    await work(AWHILE / 2)
    await task


@kept
async def awaited_by_a_gather() -> None:
    await asyncio.gather(work(), asyncio.create_task(work(AWHILE / 2)))


@kept
async def awaited_by_wait() -> None:
    await asyncio.wait([asyncio.create_task(work(AWHILE / 2)), asyncio.create_task(work(AWHILE / 2))])


@kept
async def awaited_behind_a_shield() -> None:
    await asyncio.shield(work())


@kept
async def awaited_with_a_timeout() -> None:
    await asyncio.wait_for(work(), 1)


@kept
async def awaited_one_by_one() -> None:
    for each in asyncio.as_completed([work(), work()]):
        await each


@kept
async def in_an_attribute() -> None:
    owner = Owner()
    owner.task = asyncio.create_task(work(AWHILE / 2))
    await work()


@kept
async def in_an_attribute_set_by_itself() -> None:
    """Whoever has the owner has the task."""
    owner = Owner()

    async def serve() -> None:
        task = asyncio.current_task()
        assert task is not None
        owner.task = task
        del task
        await work(AWHILE / 2)

    asyncio.create_task(serve())  # noqa: RUF006
    await work()


@kept
async def in_a_dictionary() -> None:
    _BY_NAME["beat"] = asyncio.create_task(work(AWHILE / 2))
    await work()
    del _BY_NAME["beat"]


@kept
async def in_a_weak_set() -> None:
    """Its keeper can cancel it, and has chosen not to keep it alive."""
    tasks = weakref.WeakSet([asyncio.create_task(work(AWHILE / 2))])
    await work()
    assert len(tasks) < 2


@kept
async def in_a_closure() -> None:
    task = asyncio.create_task(work(AWHILE / 2))

    def stop() -> bool:
        return task.cancel()

    _KEPT.add(stop)
    await work()
    _KEPT.discard(stop)


@kept
async def in_a_callback_of_the_loop() -> None:
    loop = asyncio.get_running_loop()
    timer = loop.call_later(1, asyncio.create_task(work(AWHILE / 2)).cancel)
    await work()
    timer.cancel()


@kept
async def in_a_partial() -> None:
    stop = functools.partial(asyncio.Task.cancel, asyncio.create_task(work(AWHILE / 2)))
    await work()
    stop()


@kept
async def in_a_context_variable() -> None:
    _VARIABLE.set(asyncio.create_task(work(AWHILE / 2)))
    await work()
    _VARIABLE.set(None)


@kept
async def in_a_generator() -> None:
    async def steps() -> AsyncIterator[int]:
        task = asyncio.create_task(work(AWHILE / 2))
        yield 1
        await task

    async for _ in steps():
        await work(AWHILE / 2)


@kept
async def in_a_thread() -> None:
    over = threading.Event()

    def hold(task: Any) -> Callable[[], None]:
        def run() -> None:
            over.wait()
            assert task.get_name()

        return run

    thread = threading.Thread(target=hold(asyncio.create_task(work(AWHILE / 2))))
    thread.start()
    await work()
    over.set()
    thread.join()


@kept
async def told_of_its_end() -> None:
    """Nobody has it, but its end and its error will be seen."""
    asyncio.create_task(work(AWHILE / 2)).add_done_callback(asyncio.Task.result)
    await work(AWHILE + 0.02)


@kept
async def over_before_anybody_looks() -> None:
    for _ in range(10):
        asyncio.create_task(work(0))  # noqa: RUF006
        await asyncio.sleep(0.001)


@kept
async def from_another_thread() -> None:
    loop = asyncio.get_running_loop()
    await asyncio.to_thread(lambda: asyncio.run_coroutine_threadsafe(work(), loop).result())


@kept
async def server_with_connections() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
        await work()
        writer.close()
        await writer.wait_closed()
        await asyncio.sleep(0.005)


@kept
async def main_task_with_a_timeout() -> None:
    async with asyncio.timeout(1):
        await work()


# -- how it ends -----------------------------------------------------------------------------------------

CUT_OFF: list[Program] = []
"""Each leaves a task called ``left`` half-way that it had thrown away when it made it."""
LEFT_ON_PURPOSE: list[Program] = []


def cut_off(program: Program) -> Program:
    """Enter a program that returns too early."""
    CUT_OFF.append(program)
    return program


def left_on_purpose(program: Program) -> Program:
    """Enter a program that leaves it to ``asyncio.run`` to end what it had kept."""
    LEFT_ON_PURPOSE.append(program)
    return program


@cut_off
async def returned_before_it_began() -> None:
    asyncio.create_task(work(1), name="left")  # noqa: RUF006


@cut_off
async def returned_before_it_was_done() -> None:
    asyncio.create_task(work(1), name="left")  # noqa: RUF006
    await asyncio.sleep(0)


@cut_off
async def failed_before_it_was_done() -> None:
    asyncio.ensure_future(work(1)).set_name("left")
    asyncio.get_running_loop().create_task(work(1), name="left")
    await asyncio.sleep(0)


@left_on_purpose
async def kept_by_a_variable() -> None:
    beat = asyncio.create_task(work(1), name="left")
    await asyncio.sleep(0)
    assert not beat.done()


@left_on_purpose
async def kept_by_a_module() -> None:
    _KEPT.add(asyncio.create_task(work(1), name="left"))
    await asyncio.sleep(0)


@left_on_purpose
async def kept_by_a_group_in_another_task() -> None:
    async def family() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(work(1), name="left")

    parent = asyncio.create_task(family())
    await asyncio.sleep(0)
    assert not parent.done()


@left_on_purpose
async def about_to_end() -> None:
    asyncio.create_task(asyncio.sleep(0)).add_done_callback(asyncio.Task.result)
    await asyncio.sleep(0)


async def collected_half_way() -> None:
    """Nothing refers to the task, nor to what it waits for."""

    async def wait() -> None:
        await asyncio.get_running_loop().create_future()

    asyncio.create_task(wait(), name="collected")  # noqa: RUF006
    await work(AWHILE * 3)
    gc.collect()
    await asyncio.sleep(0)
