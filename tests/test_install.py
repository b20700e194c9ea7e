"""Switching the agent on and off: the program notices nothing of it, before, meanwhile and after."""

from __future__ import annotations

import _thread
import asyncio
import copy
import functools
import gc
import inspect
import json
import linecache
import os
import pickle
import sys
import threading
import time
import types
from asyncio import base_events, create_task, events, locks, queues, taskgroups, tasks, timeouts
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import unstuck
from unstuck.agent import api
from unstuck.agent.stacks import line_of
from unstuck.agent.waits.joiners import parent_of

from . import harness
from .children import start
from .programs.deadlocks import opposite_order

SRC = str(Path(__file__).parents[1] / "src")
MODULES = (asyncio, base_events, events, locks, queues, taskgroups, tasks, timeouts)
PRIMITIVES: tuple[Callable[[], Any], ...] = (
    asyncio.Lock,
    asyncio.Event,
    asyncio.Condition,
    asyncio.Semaphore,
    asyncio.BoundedSemaphore,
    asyncio.Queue,
    asyncio.LifoQueue,
    asyncio.PriorityQueue,
    lambda: asyncio.Barrier(2),
)


@pytest.fixture(autouse=True)
def _off_afterwards() -> Iterator[None]:
    """No test leaves the agent on."""
    yield
    unstuck.uninstall()


def switch_on() -> None:
    unstuck.install(harness.settings())


def names_in(module: Any) -> dict[str, int]:
    # What asyncio itself changes while it runs is none of ours.
    return {name: id(value) for name, value in vars(module).items() if name not in ("_event_loop_policy",)}


def picture() -> dict[str, dict[str, int]]:
    """Which object stands at each attribute of asyncio's modules, their classes, and its set of tasks."""
    taken = {module.__name__: names_in(module) for module in MODULES}
    for module in MODULES:
        for cls in vars(module).values():
            if isinstance(cls, type) and cls.__module__.startswith("asyncio"):
                taken[f"{cls.__module__}.{cls.__qualname__}"] = names_in(cls)
    for name in ("_scheduled_tasks", "_all_tasks"):
        if hasattr(tasks, name):
            taken[name] = names_in(getattr(tasks, name))
    return taken


def threads() -> int:
    """How many threads Python has started, those without a Thread object included."""
    return _thread._count()


def notes_on(thing: Any) -> list[str]:
    inner = [getattr(thing, name, None) for name in ("_lock", "_cond", "_finished")]
    return [name for each in [thing, *inner] if hasattr(each, "__dict__") for name in vars(each) if "unstuck" in name]


# -- on and off --------------------------------------------------------------------------------------


def test_when_switched_off_every_attribute_is_what_it_was() -> None:
    """asyncio's modules, classes and set of tasks hold the very same objects as before."""
    before = picture()
    switch_on()
    assert picture() != before
    unstuck.uninstall()
    assert before == picture()


def test_when_switched_off_after_use_every_attribute_is_what_it_was() -> None:
    """Also after a program ran meanwhile."""
    asyncio.run(asyncio.sleep(0))
    before = picture()
    with harness.agent() as ear:
        harness.run_until_found(opposite_order, ear, "deadlock")
    assert before == picture()


def test_when_switched_on_twice() -> None:
    """Once is enough: one thread, and one switching off takes everything back."""
    before, started = picture(), threads()
    switch_on()
    switch_on()
    patience = 100
    while threads() == started and patience:  # counted once it runs
        time.sleep(0.01)
        patience -= 1
    assert started + 1 == threads()
    assert unstuck.installed()
    unstuck.uninstall()
    unstuck.uninstall()
    assert before == picture()
    assert not unstuck.installed()


def test_when_switched_off_no_thread_is_left() -> None:
    """The watcher has ended when uninstall() returns."""
    before = threads()
    switch_on()
    unstuck.uninstall()
    assert before == threads()


@pytest.mark.parametrize("make", PRIMITIVES)
def test_when_switched_off_no_note_is_left(make: Callable[[], Any]) -> None:
    """Neither on the primitive nor on those inside it."""
    switch_on()
    primitive = make()
    assert notes_on(primitive)
    unstuck.uninstall()
    assert [] == notes_on(primitive)


def test_when_switched_off_locks_are_exactly_locked_or_not() -> None:
    """True where a lock is held, through a block or by hand, and False where it is free."""

    async def program() -> None:
        idle, free, entered, by_hand = (asyncio.Lock() for _ in range(4))
        async with free:
            pass
        await by_hand.acquire()
        async with entered:
            unstuck.uninstall()
            assert [False, False, True, True] == [each._locked for each in (idle, free, entered, by_hand)]
            assert all(type(each._locked) is bool for each in (idle, free, entered, by_hand))
        assert not entered.locked()
        by_hand.release()

    switch_on()
    asyncio.run(program())


def test_when_switched_off_while_a_task_is_in_line_for_a_lock() -> None:
    """The task gets its lock, and no note with it."""

    async def program() -> None:
        lock = asyncio.Lock()
        await lock.acquire()
        waiter = asyncio.create_task(lock.acquire())
        await asyncio.sleep(0)
        unstuck.uninstall()
        lock.release()
        assert await waiter
        assert lock._locked is True

    switch_on()
    asyncio.run(program())


def test_when_switched_off_while_a_task_is_in_line_for_a_semaphore() -> None:
    """The task gets its unit, and no note with it."""

    async def program() -> None:
        semaphore = asyncio.Semaphore(1)
        await semaphore.acquire()
        waiter = asyncio.create_task(semaphore.acquire())
        await asyncio.sleep(0)
        unstuck.uninstall()
        semaphore.release()
        assert await waiter
        assert [] == notes_on(semaphore)
        semaphore.release()
        assert 1 == semaphore._value

    switch_on()
    asyncio.run(program())


@pytest.mark.parametrize("make", [asyncio.Lock, asyncio.Semaphore, asyncio.BoundedSemaphore])
@pytest.mark.parametrize("how", ["acquire", "__aenter__"])
def test_when_switched_off_before_a_call_begins(make: Callable[[], Any], how: str) -> None:
    """A coroutine that was made with the agent on and runs without it works."""

    async def program() -> None:
        primitive = make()
        call = getattr(primitive, how)()
        unstuck.uninstall()
        await call
        assert primitive.locked()
        primitive.release()
        assert not primitive.locked()

    switch_on()
    asyncio.run(program())


def test_when_switched_on_and_off_in_a_busy_program() -> None:
    """A hundred times: results right, all tasks done, nothing left behind, not a word."""

    async def work(shop: dict[str, Any], number: int) -> int:
        async with shop["pool"], shop["lock"]:
            before = shop["sum"]
            await asyncio.sleep(0)
            shop["sum"] = before + number
        await shop["queue"].put(number)
        return number

    async def consume(shop: dict[str, Any]) -> None:
        while True:
            shop["seen"].append(await shop["queue"].get())
            shop["queue"].task_done()

    async def crowd(shop: dict[str, Any], rounds: Iterator[int]) -> None:
        while shop["on"]:
            start = next(rounds) * 10
            numbers = range(start, start + 10)
            assert list(numbers) == await asyncio.gather(*(work(shop, number) for number in numbers))
            shop["expected"] += sum(numbers)

    async def program(turns: int) -> None:
        shop = {"pool": asyncio.Semaphore(3), "lock": asyncio.Lock(), "queue": asyncio.Queue(5)}
        shop |= {"sum": 0, "seen": [], "on": True, "expected": 0}
        rounds = iter(range(10**9))
        consumer = asyncio.create_task(consume(shop))
        crowds = [asyncio.create_task(crowd(shop, rounds)) for _ in range(3)]
        for _ in range(turns):
            unstuck.install(harness.settings(slow_wait_after=5.0), sinks=[ear])
            await asyncio.sleep(0.002)
            unstuck.uninstall()
            await asyncio.sleep(0.001)
        shop["on"] = False
        await asyncio.gather(*crowds)
        await shop["queue"].join()
        consumer.cancel()
        assert shop["expected"] == shop["sum"] == sum(shop["seen"])
        assert 3 == shop["pool"]._value
        assert not shop["lock"].locked()
        assert [] == notes_on(shop["pool"]) + notes_on(shop["lock"]) + notes_on(shop["queue"])
        await asyncio.gather(consumer, return_exceptions=True)
        assert {asyncio.current_task()} == asyncio.all_tasks()

    ear = harness.Ear()
    asyncio.run(program(3))
    before, living, started = picture(), own_objects(), threads()
    asyncio.run(program(100))
    assert before == picture()
    assert living == own_objects()
    assert [] == ear.events
    assert started == threads()


def own_objects() -> Counter[str]:
    """How many objects of the agent's own classes live, by class, without what it knows of code: whose, is chance."""
    for name, module in list(sys.modules.items()):
        for value in list(vars(module).values()) if name.startswith("unstuck.") else ():
            if isinstance(value, types.FunctionType | functools._lru_cache_wrapper) and hasattr(value, "cache_clear"):
                value.cache_clear()
    gc.collect()
    classes = (type(each) for each in gc.get_objects())
    return Counter(cls.__qualname__ for cls in classes if str(cls.__module__).startswith("unstuck.agent"))


def test_when_switched_off_from_another_thread() -> None:
    """The loop goes on, whatever it was doing at that moment."""

    async def program() -> int:
        stop, rounds = threading.Event(), 0
        lock, pool = asyncio.Lock(), asyncio.Semaphore(2)

        def toggle() -> None:
            for _ in range(20):
                switch_on()
                time.sleep(0.005)
                unstuck.uninstall()
            stop.set()

        thread = threading.Thread(target=toggle)
        thread.start()
        while not stop.is_set():
            async with pool, lock:
                await asyncio.sleep(0)
            rounds += 1
        thread.join()
        assert not lock.locked()
        assert 2 == pool._value
        return rounds

    assert asyncio.run(program())


def test_when_switched_on_inside_a_running_loop() -> None:
    """That loop is watched: a circle of awaits in it is found, though no loop was made since."""

    async def program() -> None:
        with harness.agent() as ear:
            members: dict[str, asyncio.Task[Any]] = {}

            async def follow(other: str) -> None:
                await asyncio.sleep(0.01)
                await members[other]

            members |= {name: asyncio.create_task(follow(other)) for name, other in ("ab", "ba")}
            deadline = time.monotonic() + 2
            while not ear.opened("deadlock") and time.monotonic() < deadline:
                await asyncio.sleep(0.01)
            harness.throw(members["a"], None)
            await asyncio.wait(members.values())
            assert 1 == len(ear.opened("deadlock"))

    asyncio.run(program())


# -- fork --------------------------------------------------------------------------------------------

FORKING = """
import asyncio, os, sys
import unstuck
unstuck.install()

async def both(first, second):
    async with first:
        await asyncio.sleep(0.01)
        async with second:
            pass

async def deadlock():
    a, b = asyncio.Lock(), asyncio.Lock()
    tasks = [asyncio.create_task(both(a, b)), asyncio.create_task(both(b, a))]
    await asyncio.wait(tasks, timeout=0.5)
    for each in tasks:
        each.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

async def forks():
    await asyncio.sleep(0.05)
    return os.fork()
{body}
"""
BEFORE_ANY_LOOP = """
pid = os.fork()
asyncio.run(deadlock())
if pid:
    assert os.waitpid(pid, 0)[1] == 0
    print(pid)
"""
BETWEEN_LOOPS = """
asyncio.run(asyncio.sleep(0.05))
pid = os.fork()
asyncio.run(deadlock())
if pid:
    assert os.waitpid(pid, 0)[1] == 0
    print(pid)
"""
INSIDE_A_LOOP = """
async def main():
    pid = await forks()
    if not pid:
        asyncio.events._set_running_loop(None)
        asyncio.run(deadlock())
        sys.stdout.flush()
        unstuck.uninstall()
        os._exit(0)
    await deadlock()
    assert os.waitpid(pid, 0)[1] == 0
    print(pid)
asyncio.run(main())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("body", [BEFORE_ANY_LOOP, BETWEEN_LOOPS, INSIDE_A_LOOP], ids=["before", "between", "inside"])
def test_when_the_process_forks(body: str, tmp_path: Path) -> None:
    """Parent and child each find their own deadlock, once."""
    told = tmp_path / "findings.jsonl"
    code = FORKING.format(body=body)
    extra = {"UNSTUCK_SINKS": f"jsonl:{told}", "UNSTUCK_INTERVAL": "50ms"}
    done = start("-W", "ignore", "-c", code, PYTHONPATH=SRC, **extra)
    assert ("", 0) == (done.stderr, done.returncode)
    records = [json.loads(line) for line in told.read_text().splitlines()]
    opened = Counter(each["pid"] for each in records if each["event"] == "opened" and each["kind"] == "deadlock")
    assert [1, 1] == list(opened.values())
    assert int(done.stdout) in opened
    assert {"opened", "closed"} == {each["event"] for each in records}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("running", [False, True], ids=["between", "inside"])
def test_when_the_process_forks_nobody_is_warned_of_threads(running: bool) -> None:
    """Python 3.12+ warns when a process with threads forks; there is none of ours, before or after."""
    body = """
async def main():
    pid = await forks() if {running} else 0
    if {running} and not pid:
        os._exit(0)
    if pid:
        os.waitpid(pid, 0)
asyncio.run(main())
if not {running}:
    pid = os.fork()
    if not pid:
        os._exit(0)
    os.waitpid(pid, 0)
"""
    code = FORKING.format(body=body.format(running=running))
    done = start("-W", "always::DeprecationWarning", "-c", code, PYTHONPATH=SRC, UNSTUCK_SINKS="")
    assert ("", 0) == (done.stderr, done.returncode)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_when_a_loop_runs_in_a_child_forked_by_a_callback(tmp_path: Path) -> None:
    """The parent's callback, still on the child's stack, does not count as blocking the child's loop."""
    told = tmp_path / "findings.jsonl"
    body = """
async def main():
    pid = await forks()
    if not pid:
        asyncio.events._set_running_loop(None)
        asyncio.run(asyncio.sleep(0.6))
        unstuck.uninstall()
        os._exit(0)
    await asyncio.sleep(0.8)
    assert os.waitpid(pid, 0)[1] == 0
asyncio.run(main())
"""
    done = start("-c", FORKING.format(body=body), PYTHONPATH=SRC, UNSTUCK_SINKS=f"jsonl:{told}")
    assert 0 == done.returncode
    assert not told.exists()


# -- who created a task ------------------------------------------------------------------------------


async def nothing() -> None:
    await asyncio.sleep(0)


async def by_imported_function() -> asyncio.Task[None]:
    return create_task(nothing())  # here


async def by_module_function() -> asyncio.Task[None]:
    return asyncio.create_task(nothing())  # here


async def by_loop() -> asyncio.Task[None]:
    return asyncio.get_running_loop().create_task(nothing())  # here


async def by_ensure_future() -> asyncio.Task[None]:
    return asyncio.ensure_future(nothing())  # here


async def by_task_group() -> asyncio.Task[None]:
    async with asyncio.TaskGroup() as group:
        return group.create_task(nothing())  # here


async def by_gather() -> asyncio.Task[None]:
    before = asyncio.all_tasks()
    future = asyncio.gather(nothing())  # here
    (task,) = asyncio.all_tasks() - before
    await future
    return task


async def by_shield() -> asyncio.Task[None]:
    before = asyncio.all_tasks()
    outer = asyncio.shield(nothing())  # here
    (task,) = asyncio.all_tasks() - before
    await outer
    return task


async def by_as_completed() -> asyncio.Task[None]:
    before = asyncio.all_tasks()
    for each in asyncio.as_completed([nothing()]):  # here
        (task,) = asyncio.all_tasks() - before - {each}  # type: ignore[operator]
        await each
    return task


async def by_the_class() -> asyncio.Task[None]:
    return asyncio.Task(nothing())  # here


async def by_eager_factory() -> asyncio.Task[None]:
    asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
    return asyncio.create_task(nothing())  # here


async def by_own_factory() -> asyncio.Task[None]:
    asyncio.get_running_loop().set_task_factory(lambda loop, coro, **more: asyncio.Task(coro, loop=loop, **more))
    return asyncio.create_task(nothing())  # here


ROUTES = [
    by_imported_function,
    by_module_function,
    by_loop,
    by_ensure_future,
    by_task_group,
    by_gather,
    by_shield,
    by_as_completed,
]
if sys.version_info < (3, 14):  # later ones are found by the census, creator unknown
    ROUTES.append(by_the_class)
if sys.version_info >= (3, 12):
    ROUTES.append(by_eager_factory)


def creator_of(task: Any) -> tuple[str, int, Any]:
    state = api.current().state
    record = state.record_of(task)
    assert record is not None
    return record.code.co_qualname, line_of(record.code, record.lasti), parent_of(task, state)


@pytest.mark.parametrize("route", ROUTES, ids=lambda each: each.__name__)
def test_when_a_task_is_created(route: Callable[[], Any]) -> None:
    """Function, line and task of its creator are noted, whatever the route."""

    async def program() -> None:
        task = await route()
        function, line, parent = creator_of(task)
        assert route.__name__ == function
        assert linecache.getline(__file__, line).rstrip().endswith("# here")
        if route not in (by_gather, by_shield, by_as_completed):  # whoever awaits it, and read from there: see below
            assert parent is asyncio.current_task()
        await task

    switch_on()
    asyncio.run(program())


def test_when_a_gathers_child_is_asked_for_its_parent() -> None:
    """It is the task that awaits the gather."""

    async def child() -> None:
        await asyncio.sleep(0)
        parents.append(parent_of(asyncio.current_task(), api.current().state))

    async def program() -> None:
        await asyncio.gather(child(), child())
        assert [asyncio.current_task()] * 2 == parents

    parents: list[Any] = []
    switch_on()
    asyncio.run(program())


def test_when_a_task_is_created_by_the_applications_factory() -> None:
    """The factory makes the task; its creator is noted, be it only as the factory itself."""

    async def program() -> None:
        task = await by_own_factory()
        function, _line, parent = creator_of(task)
        assert function.startswith("by_own_factory")
        assert parent is asyncio.current_task()
        await task

    switch_on()
    asyncio.run(program())


@pytest.mark.skipif(sys.version_info < (3, 14), reason="noted at once before 3.14")
def test_when_a_task_is_created_by_the_class() -> None:
    """The census finds it."""

    async def program() -> None:
        task = asyncio.Task(asyncio.sleep(0.2))
        await asyncio.sleep(0.1)
        assert task in set(api.current().state.tasks())
        await task

    switch_on()
    asyncio.run(program())


@pytest.mark.parametrize("early", [True, False], ids=["before", "after"])
def test_when_the_application_has_a_task_factory(early: bool) -> None:
    """Set before or after the agent came, it makes every task, with the arguments it always got."""
    made: list[tuple[str, ...]] = []

    class Own(asyncio.Task):  # type: ignore[type-arg]
        pass

    def factory(loop: Any, coro: Any, **more: Any) -> Any:
        made.append(tuple(sorted(more)))
        return Own(coro, loop=loop, **more)

    async def create() -> list[Any]:
        found = [asyncio.create_task(nothing(), name="named"), asyncio.ensure_future(nothing())]
        async with asyncio.TaskGroup() as group:
            found.append(group.create_task(nothing()))
        await asyncio.gather(*found)
        return [(type(each) is Own, each.get_name() == "named") for each in found]

    async def program() -> list[Any]:
        loop = asyncio.get_running_loop()
        if early:
            loop.set_task_factory(factory)
            switch_on()
        else:
            switch_on()
            loop.set_task_factory(factory)
        found = await create()
        assert loop.get_task_factory() is factory
        return found

    async def without() -> list[Any]:
        asyncio.get_running_loop().set_task_factory(factory)
        return await create()

    stock, calls = asyncio.run(without()), made.copy()
    made.clear()
    assert stock == asyncio.run(program())
    assert calls == made


@pytest.mark.parametrize("early", [True, False], ids=["before", "after"])
def test_when_a_factory_makes_the_tasks_their_maker_is_who_asked(early: bool) -> None:
    """Functions, methods and objects that are called: none of them is taken for the maker."""

    class Tracer:
        def trace(self, loop: Any, coro: Any, **more: Any) -> Any:
            return asyncio.Task(coro, loop=loop, **more)

        def __call__(self, loop: Any, coro: Any, **more: Any) -> Any:
            return asyncio.Task(coro, loop=loop, **more)

    async def program(factory: Any) -> str:
        loop = asyncio.get_running_loop()
        if early:
            loop.set_task_factory(factory)
        switch_on()
        if not early:
            loop.set_task_factory(factory)
        task = asyncio.create_task(nothing())
        code = api.current().state.record_of(task).code
        await task
        unstuck.uninstall()
        return str(code.co_name)

    def plain(loop: Any, coro: Any, **more: Any) -> Any:
        return asyncio.Task(coro, loop=loop, **more)

    for factory in (plain, functools.partial(plain), Tracer().trace, Tracer()):
        assert "program" == asyncio.run(program(factory))


def test_when_a_factory_returns_something_else() -> None:
    """The program gets what its factory made, and the agent looks elsewhere but goes on."""

    class Deferred(asyncio.Future):  # type: ignore[type-arg]
        def set_name(self, name: str) -> None:
            pass

    def factory(loop: Any, coro: Any, **_more: Any) -> Any:
        coro.close()
        deferred = Deferred(loop=loop)
        loop.call_later(0.1, deferred.set_result, 17)
        return deferred

    async def program() -> Any:
        loop = asyncio.get_running_loop()
        loop.set_task_factory(factory)
        deferred = asyncio.create_task(nothing())
        loop.set_task_factory(None)
        assert isinstance(deferred, Deferred)
        return await deferred

    switch_on()
    assert 17 == asyncio.run(program())
    assert {} == api.current().pipeline.failed


@pytest.mark.parametrize("attribute", ["_fut_waiter", ""], ids=["like_asyncios", "with_nothing"])
def test_when_somebody_registers_tasks_of_his_own(attribute: str) -> None:
    """asyncio invites third parties to; the agent takes them as they come."""

    class Foreign:
        def get_loop(self) -> Any:
            return loop

        def done(self) -> bool:
            return False

    async def program() -> None:
        foreign: Any = Foreign()
        if attribute:
            setattr(foreign, attribute, None)
        asyncio._register_task(foreign)
        await asyncio.sleep(0.1)
        asyncio._unregister_task(foreign)

    switch_on()
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        runner.run(program())
    assert {} == api.current().pipeline.failed


# -- the primitives are as before --------------------------------------------------------------------


def outcome(call: Callable[[], Any]) -> tuple[str, str]:
    """The type of what a call gives, or its error's type and words."""
    try:
        return type(call()).__name__, ""
    except Exception as failed:  # noqa: BLE001 (whatever it is, it is compared)
        return type(failed).__name__, str(failed)


CALLS: dict[str, Callable[[], Any]] = {
    "Lock(1)": lambda: asyncio.Lock(1),  # type: ignore[call-arg]
    "Lock(loop=1)": lambda: asyncio.Lock(loop=1),  # type: ignore[call-arg]
    "Event(1)": lambda: asyncio.Event(1),  # type: ignore[call-arg]
    "Event(loop=1)": lambda: asyncio.Event(loop=1),  # type: ignore[call-arg]
    "Condition(1)": lambda: asyncio.Condition(1),  # type: ignore[arg-type]
    "Condition(1, 2)": lambda: asyncio.Condition(1, 2),  # type: ignore[call-arg, arg-type]
    "Condition(loop=1)": lambda: asyncio.Condition(loop=1),  # type: ignore[call-arg]
    "Condition(lock=Lock())": lambda: asyncio.Condition(lock=asyncio.Lock()),
    "Condition(None)": lambda: asyncio.Condition(None),
    "Semaphore(-1)": lambda: asyncio.Semaphore(-1),
    "Semaphore('a')": lambda: asyncio.Semaphore("a"),  # type: ignore[arg-type]
    "Semaphore(1, 2)": lambda: asyncio.Semaphore(1, 2),  # type: ignore[call-arg]
    "Semaphore(value=2)": lambda: asyncio.Semaphore(value=2),
    "BoundedSemaphore(-1)": lambda: asyncio.BoundedSemaphore(-1),
    "BoundedSemaphore(value=2)": lambda: asyncio.BoundedSemaphore(value=2),
    "BoundedSemaphore(loop=1)": lambda: asyncio.BoundedSemaphore(loop=1),  # type: ignore[call-arg]
    "Queue(1, 2)": lambda: asyncio.Queue(1, 2),  # type: ignore[call-arg]
    "Queue(loop=1)": lambda: asyncio.Queue(loop=1),  # type: ignore[call-arg]
    "PriorityQueue(maxsize=1)": lambda: asyncio.PriorityQueue(maxsize=1),
    "LifoQueue('a', 'b')": lambda: asyncio.LifoQueue("a", "b"),  # type: ignore[arg-type, call-arg]
    "Barrier()": lambda: asyncio.Barrier(),  # type: ignore[call-arg]
    "Barrier(0)": lambda: asyncio.Barrier(0),
    "Lock().acquire(1)": lambda: asyncio.Lock().acquire(1),  # type: ignore[call-arg]
    "Lock().release()": lambda: asyncio.Lock().release(),
    "Lock().locked(1)": lambda: asyncio.Lock().locked(1),  # type: ignore[call-arg]
    "Semaphore().acquire(1)": lambda: asyncio.Semaphore().acquire(1),  # type: ignore[call-arg]
    "Semaphore().release(1)": lambda: asyncio.Semaphore().release(1),  # type: ignore[call-arg]
    "BoundedSemaphore().release()": lambda: asyncio.BoundedSemaphore().release(),
}


@pytest.mark.parametrize("call", CALLS)
def test_when_a_primitive_is_called_wrongly_or_unusually(call: str) -> None:
    """It answers with the same type, or the same error in the same words."""
    stock = outcome(CALLS[call])
    switch_on()
    assert stock == outcome(CALLS[call])


@pytest.mark.parametrize("cls", [asyncio.Lock, asyncio.Semaphore, asyncio.Condition, asyncio.Queue, asyncio.Barrier])
def test_when_somebody_inspects_a_primitive(cls: type) -> None:
    """Signatures, names and what is a coroutine function are as before."""

    def facts() -> list[Any]:
        found: list[Any] = [inspect.signature(cls)]
        for name, member in inspect.getmembers(cls, inspect.isfunction):
            if name == "__getstate__":  # keeps our notes out of copies and pickles
                continue
            found.append((name, str(inspect.signature(member)), member.__qualname__, member.__module__))
            found.append((member.__doc__, inspect.iscoroutinefunction(member)))
        return found

    stock = facts()
    switch_on()
    assert stock == facts()


@pytest.mark.parametrize("make", PRIMITIVES)
def test_when_an_idle_primitive_is_copied(make: Callable[[], Any]) -> None:
    """copy, deepcopy and pickle do what they did."""

    def again(primitive: Any) -> Any:
        return pickle.loads(pickle.dumps(primitive))

    for copied in (copy.copy, copy.deepcopy, again):
        unstuck.uninstall()
        stock = outcome(lambda copied=copied: copied(make()))  # type: ignore[misc]
        switch_on()
        assert stock == outcome(lambda copied=copied: copied(make()))  # type: ignore[misc]


def test_when_a_copied_lock_is_used() -> None:
    """The copy of a lock is a lock of its own."""

    async def program() -> None:
        lock = asyncio.Lock()
        other = copy.deepcopy(lock)
        async with lock, other:
            assert lock.locked()
            assert other.locked()
        assert not lock.locked()

    with harness.agent() as ear:
        asyncio.run(program())
    assert [] == ear.events


class Counting(asyncio.Lock):
    """A lock of the program's own, with its own way to take and to give back."""

    def __init__(self) -> None:
        super().__init__()
        self.taken = self.given = 0

    async def acquire(self) -> Any:
        self.taken += 1
        return await super().acquire()

    def release(self) -> None:
        self.given += 1
        super().release()


def test_when_a_subclass_has_its_own_acquire() -> None:
    """It is called each time, through ``async with`` too."""

    async def program() -> tuple[int, int]:
        lock = Counting()
        for _ in range(3):
            async with lock:
                assert lock.locked()
        assert await lock.acquire()
        lock.release()
        return lock.taken, lock.given

    switch_on()
    assert (4, 4) == asyncio.run(program())


def test_when_subclasses_deadlock() -> None:
    """They are found, but not proven as long as somebody has them: what their own acquire and release do is theirs."""
    reachable: list[Any] = []

    async def program() -> None:
        from .programs.deadlocks import both

        a, b = reachable[:] = Counting(), Counting()
        await asyncio.gather(both(a, b), both(b, a))

    with harness.agent() as ear:
        (finding,) = harness.run_until_found(program, ear, "deadlock")
    assert "suspected" == finding.verdict


@pytest.mark.parametrize("make", [asyncio.Lock, asyncio.Semaphore])
def test_when_driven_by_hand_without_a_loop(make: Callable[[], Any]) -> None:
    """A coroutine that is sent through ``async with`` by hand takes and gives back as ever."""
    seen = []

    async def program(primitive: Any) -> None:
        async with primitive:
            seen.append(primitive.locked())
        await primitive.acquire()
        seen.append(primitive.locked())
        primitive.release()
        seen.append(primitive.locked())

    switch_on()
    with pytest.raises(StopIteration):
        program(make()).send(None)
    assert [True, True, False] == seen


@pytest.mark.parametrize("make", ["Lock", "Event", "Condition", "Semaphore", "Queue"])
def test_when_made_by_code_without_a_file_name(make: str) -> None:
    """Code compiled with an empty file name makes primitives as any other."""
    switch_on()
    namespace: dict[str, Any] = {}
    exec(compile(f"import asyncio; made = asyncio.{make}()", "", "exec"), namespace)
    assert type(namespace["made"]) is getattr(asyncio, make)


@pytest.mark.parametrize("call", ["asyncio.Lock", "asyncio.Queue", "asyncio.Semaphore", "asyncio.run, nothing()"])
def test_when_the_interpreter_itself_makes_the_call(call: str) -> None:
    """Without any Python function below, as from atexit: nothing raises."""
    code = f"""
import asyncio, atexit, unstuck
nothing = lambda: asyncio.sleep(0)
unstuck.install()
atexit.register({call})
"""
    done = start("-c", code, PYTHONPATH=SRC, UNSTUCK_SINKS="")
    assert ("", 0) == (done.stderr, done.returncode)


def test_when_asyncio_is_in_debug_mode() -> None:
    """A task says where it was created as it does without the agent."""

    async def program() -> list[str]:
        tasks = [
            asyncio.get_running_loop().create_task(asyncio.sleep(0)),
            asyncio.get_running_loop().create_task(asyncio.sleep(0), name="named"),
            asyncio.create_task(asyncio.sleep(0)),
            asyncio.ensure_future(asyncio.sleep(0)),
        ]
        await asyncio.wait(tasks)
        return [repr(each).rpartition("created at ")[2] for each in tasks]

    without = asyncio.run(program(), debug=True)
    assert [True, True, False, False] == [__file__ in place for place in without]
    with harness.agent():
        assert without == asyncio.run(program(), debug=True)
