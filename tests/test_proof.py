"""Nobody is proven stuck as long as anything whatsoever can still reach what it waits for."""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import contextlib
import contextvars
import ctypes
import functools
import gc
import queue
import signal
import socket
import sys
import threading
import types
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from unstuck.agent.proof import apart, prove, trusted
from unstuck.agent.proof.island import Island
from unstuck.agent.proof.reading import read

from . import harness

Holder = Callable[[asyncio.Event], Callable[[], None]]
"""Keeps an event somewhere, and nowhere else; what it returns lets go of it."""

HOLDERS: list[Holder] = []
kept: dict[str, Any] = {}
variable: contextvars.ContextVar[Any] = contextvars.ContextVar("variable")


def holder(function: Holder) -> Holder:
    HOLDERS.append(function)
    return function


def keep(thing: Any) -> Callable[[], None]:
    kept["thing"] = thing
    return kept.clear


@holder
def a_global(event: asyncio.Event) -> Callable[[], None]:
    return keep(event)


@holder
def a_thread(event: asyncio.Event) -> Callable[[], None]:
    go_on = threading.Event()

    def wait(event: asyncio.Event) -> None:
        go_on.wait()

    thread = threading.Thread(target=wait, args=(event,))
    thread.start()
    return lambda: (go_on.set(), thread.join())[0]


@holder
def a_thread_local(event: asyncio.Event) -> Callable[[], None]:
    local = threading.local()
    local.event = event
    return keep(local)


@holder
def ctypes_py_object(event: asyncio.Event) -> Callable[[], None]:
    return keep(ctypes.py_object(event))


@holder
def a_c_call_in_progress(event: asyncio.Event) -> Callable[[], None]:
    things: queue.SimpleQueue[Any] = queue.SimpleQueue()
    thread = threading.Thread(target=functools.partial(things.get), args=())
    thread.start()
    box = functools.partial(things.put, event)
    kept["box"] = box
    return lambda: (box(), thread.join(), kept.clear())[0]


@holder
def an_iterator_in_c(event: asyncio.Event) -> Callable[[], None]:
    return keep(map(len, [event]))  # type: ignore[list-item]


@holder
def a_bound_method(event: asyncio.Event) -> Callable[[], None]:
    return keep(event.set)


@holder
def its_dict(event: asyncio.Event) -> Callable[[], None]:
    return keep(vars(event))


@holder
def its_waiters(event: asyncio.Event) -> Callable[[], None]:
    return keep(event._waiters)  # type: ignore[attr-defined]


@holder
def a_weak_reference(event: asyncio.Event) -> Callable[[], None]:
    return keep(weakref.ref(event))


@holder
def a_weak_value(event: asyncio.Event) -> Callable[[], None]:
    return keep(weakref.WeakValueDictionary(event=event))


@holder
def a_weak_method(event: asyncio.Event) -> Callable[[], None]:
    return keep(weakref.WeakMethod(event.set))


@holder
def a_finalizer(event: asyncio.Event) -> Callable[[], None]:
    box = types.SimpleNamespace()

    class Box:
        pass

    box = Box()
    weakref.finalize(box, event.set).atexit = False
    return keep(box)


@holder
def a_del_method(event: asyncio.Event) -> Callable[[], None]:
    class Last:
        def __init__(self, event: asyncio.Event) -> None:
            self.event = event

        def __del__(self) -> None:
            self.event.set()

    return keep(Last(event))


@holder
def garbage_with_a_del_method(event: asyncio.Event) -> Callable[[], None]:
    class Last:
        def __init__(self, event: asyncio.Event) -> None:
            self.event, self.me = event, self

        def __del__(self) -> None:
            self.event.set()

    gc.disable()
    Last(event)
    return lambda: (gc.enable(), gc.collect())[0]


@holder
def a_generator(event: asyncio.Event) -> Callable[[], None]:
    def hold(event: asyncio.Event) -> Iterator[None]:
        yield
        event.set()

    generator = hold(event)
    next(generator)
    return keep(generator)


@holder
def a_generator_not_yet_begun(event: asyncio.Event) -> Callable[[], None]:
    return keep(iter([event]) if False else (each for each in (event,)))


@holder
def a_traceback(event: asyncio.Event) -> Callable[[], None]:
    def fail(event: asyncio.Event) -> None:
        raise ValueError

    try:
        fail(event)
    except ValueError as error:
        error.__traceback__ = error.__traceback__.tb_next  # type: ignore[union-attr]
        return keep(error)
    raise AssertionError


@holder
def a_closure(event: asyncio.Event) -> Callable[[], None]:
    return keep(lambda: event.set())


@holder
def a_default_argument(event: asyncio.Event) -> Callable[[], None]:
    def later(event: asyncio.Event = event) -> None:
        event.set()

    return keep(later)


@holder
def a_cache(event: asyncio.Event) -> Callable[[], None]:
    @functools.cache
    def remember(key: Any) -> Any:
        return key

    remember(event)
    return keep(remember)


@holder
def a_class(event: asyncio.Event) -> Callable[[], None]:
    class Shared:
        ready = event

    kept["class"] = Shared
    return lambda: (delattr(Shared, "ready"), kept.clear())[0]


@holder
def a_context(event: asyncio.Event) -> Callable[[], None]:
    context = contextvars.copy_context()
    context.run(variable.set, event)
    return keep(context)


@holder
def an_exit_handler(event: asyncio.Event) -> Callable[[], None]:
    function = event.set
    atexit.register(function)
    return functools.partial(atexit.unregister, function)


@holder
def a_signal_handler(event: asyncio.Event) -> Callable[[], None]:
    before = signal.signal(signal.SIGUSR1, lambda *_: event.set())
    return lambda: signal.signal(signal.SIGUSR1, before) and None


@holder
def a_loops_signal_handler(event: asyncio.Event) -> Callable[[], None]:
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR2, event.set)
    return lambda: loop.remove_signal_handler(signal.SIGUSR2) and None


@holder
def a_reader(event: asyncio.Event) -> Callable[[], None]:
    ours, theirs = socket.socketpair()
    loop = asyncio.get_running_loop()
    loop.add_reader(ours, event.set)
    return lambda: (loop.remove_reader(ours), ours.close(), theirs.close())[1]


@holder
def a_timer(event: asyncio.Event) -> Callable[[], None]:
    return asyncio.get_running_loop().call_later(3600, event.set).cancel


@holder
def an_executor(event: asyncio.Event) -> Callable[[], None]:
    go_on, pool = threading.Event(), concurrent.futures.ThreadPoolExecutor(1)

    def job(event: asyncio.Event) -> None:
        go_on.wait()

    pool.submit(job, event)
    pool.submit(job, event)
    return lambda: (go_on.set(), pool.shutdown())[1]


@holder
def a_sleeping_task(event: asyncio.Event) -> Callable[[], None]:
    async def later(event: asyncio.Event) -> None:
        await asyncio.sleep(3600)
        event.set()

    task = asyncio.create_task(later(event))
    return lambda: task.cancel() and None


@holder
def a_coroutine_not_yet_begun(event: asyncio.Event) -> Callable[[], None]:
    async def later(event: asyncio.Event) -> None:
        event.set()

    coroutine = later(event)
    kept["coroutine"] = coroutine
    return lambda: (coroutine.close(), kept.clear())[0]


@holder
def an_async_generator(event: asyncio.Event) -> Callable[[], None]:
    async def hold(event: asyncio.Event) -> AsyncIterator[None]:
        yield
        event.set()

    generator = hold(event)
    step = generator.asend(None)
    with contextlib.suppress(StopIteration):
        step.send(None)
    return keep(generator)


@holder
def a_task_that_others_hold(event: asyncio.Event) -> Callable[[], None]:
    """What is attached to a task can be reached by whoever has the task."""
    task = asyncio.current_task()
    assert task is not None
    task.event = event  # type: ignore[attr-defined]
    return lambda: delattr(task, "event")


async def _wait(event: asyncio.Event) -> None:
    await event.wait()


async def _begin(hold: Holder) -> tuple[asyncio.Task[None], Callable[[], None]]:
    event = asyncio.Event()
    task = asyncio.create_task(_wait(event), name="waiter")
    await asyncio.sleep(0)
    return task, hold(event)


@pytest.mark.parametrize("hold", HOLDERS, ids=lambda each: each.__name__)
def test_when_something_still_holds_it(hold: Holder) -> None:
    """Silent as long as it is held; let go of without being set, it is proven; what is set is not mentioned."""

    async def program(ear: harness.Ear) -> tuple[bool, bool]:
        task, let_go = await _begin(hold)
        await asyncio.sleep(8 * harness.TICK)
        early = bool(ear.opened())
        let_go()
        del let_go
        for _ in range(200):
            await asyncio.sleep(harness.TICK)
            if task.done() or ear.opened("stuck"):
                break
        woken = task.done()
        task.cancel()
        return early, woken or bool(ear.opened("stuck"))

    with harness.agent(stuck_after=30.0, detect=frozenset({"stuck"})) as ear:
        early, late = asyncio.run(program(ear))
    assert not early
    assert late
    assert ear.named("retracted") == []


def test_when_a_task_moves_while_it_is_judged() -> None:
    """Then nothing is known at this instant; it is no failure."""

    async def program() -> None:
        event = asyncio.Event()
        task = asyncio.create_task(_wait(event))
        await asyncio.sleep(0)
        island = Island()
        island.add_tasks([task])
        assert read(island) is not None
        event.set()
        await task
        assert read(island) is None

    asyncio.run(program())


def test_when_this_interpreter_is_tested() -> None:
    """The self-test holds wherever the suite runs."""
    assert trusted()


async def _hold_and_wait(thing: object) -> None:
    await asyncio.get_running_loop().create_future()


async def _hold_and_wait_carefully(event: asyncio.Event) -> None:
    try:
        await asyncio.get_running_loop().create_future()
    finally:
        event.set()


def _owner_with_a_finally(event: asyncio.Event) -> None:
    asyncio.create_task(_hold_and_wait_carefully(event))  # noqa: RUF006 - that is the point


def _owner_of_something_with_a_del_method(event: asyncio.Event) -> None:
    class Last:
        def __init__(self, event: asyncio.Event) -> None:
            self.event = event

        def __del__(self) -> None:
            self.event.set()

    asyncio.create_task(_hold_and_wait(Last(event)))  # noqa: RUF006 - that is the point


SELF: contextvars.ContextVar[object] = contextvars.ContextVar("SELF")


async def _note_itself_and_wait(event: asyncio.Event, box: Callable[[object], object]) -> None:
    SELF.set(box(asyncio.current_task()))
    await _hold_and_wait_carefully(event)


def _owner_in_its_own_context(event: asyncio.Event) -> None:
    asyncio.create_task(_note_itself_and_wait(event, lambda task: task))  # noqa: RUF006 - that is the point


def _owner_in_a_list_in_its_own_context(event: asyncio.Event) -> None:
    asyncio.create_task(_note_itself_and_wait(event, lambda task: {"running": [task]}))  # noqa: RUF006


OWNERS = (
    _owner_with_a_finally,
    _owner_of_something_with_a_del_method,
    _owner_in_its_own_context,
    _owner_in_a_list_in_its_own_context,
)


@pytest.mark.parametrize("own", OWNERS)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_when_a_task_that_nobody_holds_will_set_it_on_its_way_out(own: Callable[[asyncio.Event], None]) -> None:
    """A stuck task that will be collected is no end of the matter: what it then does may wake others."""

    async def begin() -> asyncio.Task[None]:
        event = asyncio.Event()
        task = asyncio.create_task(_wait(event), name="waiter")
        await asyncio.sleep(0)
        own(event)
        return task

    async def program(ear: harness.Ear) -> list[str]:
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        gc.disable()
        task = await begin()
        await asyncio.sleep(8 * harness.TICK)
        told = [each.name for finding in ear.opened() for each in finding.core]
        gc.enable()
        for _ in range(200):
            gc.collect()  # a proof that is being made keeps its objects
            await asyncio.sleep(harness.TICK)
            if task.done():
                break
        assert task.done()
        return told

    with harness.agent(stuck_after=30.0, detect=frozenset({"stuck"})) as ear:
        assert "waiter" not in asyncio.run(program(ear))
    assert ear.named("retracted") == []


def test_when_an_island_is_large_and_falls_into_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each part is judged for itself, with the same verdict; one that somebody outside holds spoils no other."""
    monkeypatch.setattr(apart, "ENOUGH", 20)

    async def other_waits(mine: asyncio.Event, its: asyncio.Event) -> None:
        await mine.wait()
        its.set()

    def pair() -> list[asyncio.Task[None]]:
        first, second = asyncio.Event(), asyncio.Event()
        kept.setdefault("first", first)
        return [asyncio.create_task(other_waits(first, second)), asyncio.create_task(other_waits(second, first))]

    async def main() -> None:
        tasks = [task for _ in range(10) for task in pair()]
        await asyncio.sleep(0.01)
        proof = await asyncio.to_thread(prove, tasks, lambda *_: (), lambda: [tasks])
        islands, closed = proof.parts, set(map(id, proof.tasks))
        del proof
        for task in tasks:
            task.cancel()
        assert islands > 2
        assert {id(task) for task in tasks[2:]} == closed

    asyncio.run(main())
    kept.clear()


class _Box:
    def __init__(self, content: object) -> None:
        self.content = content


def test_when_a_stuck_task_and_somebody_else_have_the_dict_of_an_object() -> None:
    """What the task knows of the dict is no reason to overlook who else has it."""

    async def wait(box: _Box) -> None:
        attributes = vars(box)
        await attributes["content"].wait()

    async def main() -> None:
        boxes = [_Box(asyncio.Event()) for _ in range(2)]
        tasks = [asyncio.create_task(wait(box)) for box in boxes]
        held = vars(boxes[0])
        boxes.clear()
        await asyncio.sleep(0)
        judge = functools.partial(asyncio.to_thread, prove, tasks, lambda *_: (), lambda: [tasks])
        assert id(tasks[0]) not in map(id, (await judge()).tasks)
        del held
        if sys.version_info[:2] != (3, 13):  # which does not say that an instance refers to its dict
            assert len((await judge()).tasks) == 2
        for task in tasks:
            task.cancel()

    asyncio.run(main())
