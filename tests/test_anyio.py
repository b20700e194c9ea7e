"""anyio on asyncio: its locks, limiters and groups are judged, its scopes are deadlines, and it is never imported."""

from __future__ import annotations

import asyncio
import gc
import linecache
import os
import threading
import time
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

import unstuck
from unstuck.agent.findings import Finding
from unstuck.agent.stacks import line_of
from unstuck.agent.state import SITES, site_of
from unstuck.agent.waits import wait_of

from . import harness
from .children import output
from .programs import Pair, Program
from .programs.anyio_programs import HEALTHY, PAIRS, made_outside, opposite_order, use
from .programs.deadlocks import both, pause, spawn

TWINS = [*dict.fromkeys(pair.healthy for pair in PAIRS), *HEALTHY]
TIMED = [each for each in HEALTHY if each.__name__.startswith(("under_", "deadline_", "timer_"))]
HERE = str(Path(unstuck.__file__).parents[1])
RUNS = int(os.environ.get("UNSTUCK_TEST_RUNS", "50"))


def find(name: str, **settings: Any) -> Finding:
    """The finding of the pair's buggy program of that name."""
    buggy = next(pair.buggy for pair in PAIRS if str(pair) == name)
    with harness.agent(**settings) as ear:
        return harness.run_until_found(buggy, ear, "deadlock")[0]


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_when_a_program_deadlocks(pair: Pair) -> None:
    """One finding with the right verdict, core and victims; it is closed when the tasks are cancelled."""
    with harness.agent(slow_wait_after=60.0) as ear:
        findings = harness.run_until_found(pair.buggy, ear, pair.kind, linger=0.05)
    assert [(f.verdict, {t.name for t in f.core}) for f in findings] == [(pair.verdict, set(pair.core))]
    assert {f.kind for f in ear.opened()} == {pair.kind}
    assert ear.named("retracted") == []
    assert [f.id for f in ear.named("closed")] == [f.id for f in findings]


@pytest.mark.parametrize("program", TWINS, ids=lambda each: each.__name__)
def test_when_the_healthy_twin_runs(program: Program) -> None:
    """Not a word, in many runs."""
    with harness.agent(slow_wait_after=1.0, stuck_after=1.0) as ear:
        for _ in range(RUNS):
            harness.run_to_end(program)
    assert ear.events == []


def test_when_it_is_told() -> None:
    """Names, types, places of creation and coroutines are the program's, not anyio's."""
    finding = find("opposite_order")
    names = {each.name for each in finding.resources}
    assert {"a in opposite_order()", "b in opposite_order()"} == names
    assert {"a, b = anyio.Lock(), anyio.Lock()"} == {
        each.created_at.code for each in finding.resources if each.created_at
    }
    assert {"anyio.Lock"} == {each.type for each in finding.resources}
    assert [1, 1] == [each.waiters for each in finding.resources]
    assert {"both"} == {task.coro for task in finding.core}
    assert ["group.start_soon(function, *args, name=name)"] * 2 == [
        task.created_at.code for task in finding.core if task.created_at is not None
    ]
    assert {"async with first:"} == {
        held.taken_at.code for task in finding.core for held in task.holds if held.taken_at is not None
    }


def test_when_a_limiter_is_told() -> None:
    """Its tokens are its units, and the help is about pools."""
    finding = find("limiter_and_lock")
    units = {each.type: (each.units, len(each.holders)) for each in finding.resources}
    assert {"anyio.CapacityLimiter": (2, 2), "anyio.Lock": (None, 1)} == units
    assert finding.help.startswith("do not ask a pool")


def test_when_the_child_has_not_started() -> None:
    """The note says what else could end it."""
    note = find("start_that_another_could_confirm").note
    assert "not proven: somebody else could say that the child has started" == note


def test_when_it_closes_between_two_ticks() -> None:
    """No hook tells of anyio's locks: the census finds the deadlock at the second tick that sees it."""
    with harness.agent(interval=0.2) as ear:
        harness.run_until_found(opposite_order, ear, "deadlock", patience=0.8)
    (finding,) = ear.opened("deadlock")
    assert finding.age_s < 0.4


def test_when_a_wait_is_long() -> None:
    """slow-wait says who holds it and what that one does."""

    async def program() -> None:
        lock = anyio.Lock()

        async def hold() -> None:
            async with lock:
                await anyio.to_thread.run_sync(time.sleep, 0.4)

        async with anyio.create_task_group() as group:
            group.start_soon(hold, name="holder")
            await pause()
            group.start_soon(use, lock, name="waiter")

    with harness.agent(slow_wait_after=0.1) as ear:
        harness.run_to_end(program)
    (finding,) = ear.opened("slow-wait")
    assert ["waiter"] == [task.name for task in finding.core]
    assert "the holder holder waits in anyio.to_thread" == finding.note
    assert [] == ear.named("retracted")


def test_when_the_scope_is_cancelled_from_outside() -> None:
    """Somebody cancels the scope: closed, not retracted, though anyio takes the task's cancellation back."""
    went_on = []

    async def program() -> None:
        a, b = anyio.Lock(), anyio.Lock()

        async def move(first: anyio.Lock, second: anyio.Lock) -> None:
            async with first:
                await pause()
                with scope:
                    await use(second)
            went_on.append(asyncio.current_task().cancelling())  # type: ignore[union-attr]
            await anyio.sleep(0.1)

        async def plain(first: anyio.Lock, second: anyio.Lock) -> None:
            await both(first, second)
            await anyio.sleep(0.1)

        async with anyio.create_task_group() as group:
            scope = anyio.CancelScope()
            group.start_soon(move, a, b, name="one")
            group.start_soon(plain, b, a, name="two")
            await anyio.sleep(0.2)
            scope.cancel()

    with harness.agent() as ear:
        harness.run_to_end(program)
    assert [0] == went_on
    assert ["opened", "closed"] == [event.event for event in ear.events]


@pytest.mark.parametrize("how", ["raise", "cancel"])
def test_when_it_is_ended(how: str) -> None:
    """One task is ended, and the other gets its lock: anyio does not hand a lock to a task that has gone."""
    ends: dict[str, str] = {}

    async def program() -> None:
        a, b = anyio.Lock(), anyio.Lock()

        async def move(name: str, first: anyio.Lock, second: anyio.Lock) -> None:
            try:
                await both(first, second)
                ends[name] = "done"
            except (unstuck.DeadlockError, asyncio.CancelledError) as error:
                ends[name] = type(error).__name__

        await asyncio.wait({spawn("one", move("one", a, b)), spawn("two", move("two", b, a))}, timeout=5)
        assert not a.locked() and not b.locked()

    with harness.agent(on_deadlock=how):
        asyncio.run(program())
    assert sorted(["done", {"raise": "DeadlockError", "cancel": "CancelledError"}[how]]) == sorted(ends.values())


def test_when_the_loop_is_uvloop() -> None:
    """The same on another loop."""
    uvloop = pytest.importorskip("uvloop")

    async def main() -> None:
        task = spawn("program", opposite_order())
        while not ear.opened("deadlock") and time.monotonic() < deadline:
            await anyio.sleep(0.01)
        task.cancel()
        await asyncio.wait([task])

    deadline = time.monotonic() + 5
    with harness.agent() as ear, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
    assert ["proven"] == [finding.verdict for finding in ear.opened("deadlock")]


@pytest.mark.parametrize(
    "program", [each for each in HEALTHY if each.__name__.startswith(("under_", "deadline_", "timer_"))]
)
def test_when_the_loop_is_uvloop_and_there_is_a_deadline(program: Program) -> None:
    """uvloop's timers look different; scopes are asked themselves."""
    uvloop = pytest.importorskip("uvloop")
    with harness.agent(stuck_after=1.0) as ear, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(program())  # type: ignore[arg-type]
    assert [] == ear.events


def test_when_waits_are_named() -> None:
    """Each of anyio's waits goes by anyio's name."""
    named, ended = dict[str, str](), threading.Event()

    async def program() -> None:
        lock, limiter, condition = anyio.Lock(), anyio.CapacityLimiter(1), anyio.Condition()
        send, receive = anyio.create_memory_object_stream[int]()

        async def hold() -> None:
            async with lock, limiter:
                await anyio.sleep_forever()

        async def wait_on_condition() -> None:
            async with condition:
                await condition.wait()

        waits = {
            "anyio.Event": (anyio.Event().wait,),
            "anyio.Condition": (wait_on_condition,),
            "anyio.Semaphore": (anyio.Semaphore(0).acquire,),
            "anyio.Lock": (lock.acquire,),
            "anyio.CapacityLimiter": (limiter.acquire,),
            "anyio memory stream receive": (receive.receive,),
            "anyio.to_thread": (anyio.to_thread.run_sync, ended.wait, 20),
            "asyncio.sleep": (anyio.sleep_forever,),
        }
        with send, receive:
            async with anyio.create_task_group() as group:
                group.start_soon(hold)
                await pause()
                for name, function in waits.items():
                    group.start_soon(*function, name=name)
                await pause()
                named.update({task.get_name(): wait_of(task).kind for task in asyncio.all_tasks()})
                ended.set()
                group.cancel_scope.cancel()
        assert {name: name for name in waits} == {name: named[name] for name in waits}

    with harness.agent():
        asyncio.run(program())


def test_when_the_program_has_no_anyio() -> None:
    """The agent never imports it, not even to judge a deadlock."""
    code = """
import asyncio, sys, time
import unstuck
from unstuck.agent.config import Settings

async def main():
    a, b = asyncio.Lock(), asyncio.Lock()
    async def both(x, y):
        async with x:
            await asyncio.sleep(0.01)
            async with y: pass
    async with asyncio.timeout(0.5):
        await asyncio.wait({asyncio.create_task(both(a, b)), asyncio.create_task(both(b, a))})

class Ear:
    name, found = "ear", 0
    def write(self, event): Ear.found += event.event == "opened"
    def close(self): pass

unstuck.install(Settings(interval=0.01, sinks=()), sinks=[Ear()])
try: asyncio.run(main())
except TimeoutError: pass
print(Ear.found, [name for name in sys.modules if name.partition(".")[0] == "anyio"])
"""
    assert "1 []\n" == output("-c", code, PYTHONPATH=HERE)


def test_when_anyio_is_imported_late() -> None:
    """Its rows are entered once it is there, and nobody watches imports any more."""
    code = """
import asyncio, sys
import unstuck
from unstuck.agent.config import Settings

class Ear:
    name, found = "ear", []
    def write(self, event): Ear.found.append((event.event, event.finding.verdict))
    def close(self): pass

async def main():
    await asyncio.sleep(0.05)
    import anyio
    a, b = anyio.Lock(), anyio.Lock()
    async def both(x, y):
        async with x:
            await anyio.sleep(0.01)
            async with y: pass
    async with anyio.create_task_group() as group:
        group.start_soon(both, a, b)
        group.start_soon(both, b, a)
        await anyio.sleep(0.5)
        group.cancel_scope.cancel()

unstuck.install(Settings(interval=0.01, sinks=()), sinks=[Ear()])
asyncio.run(main())
print(Ear.found[:1], [each.name for each in sys.meta_path if getattr(each, "name", "").startswith("anyio")])
"""
    assert "[('opened', 'proven')] []\n" == output("-c", code, PYTHONPATH=HERE)


def test_when_the_agent_is_switched_on_again() -> None:
    """What the first one noted in the tasks' records does not mislead the second."""

    async def program() -> None:
        task = spawn("program", opposite_order())
        for _ in range(2):
            with harness.agent() as ear:
                while not ear.opened("deadlock") and time.monotonic() < deadline:
                    await anyio.sleep(0.01)
                found.append(len(ear.opened("deadlock")))
        task.cancel()
        await asyncio.wait([task])

    found, deadline = list[int](), time.monotonic() + 5
    asyncio.run(program())
    assert [1, 1] == found


def test_when_a_task_waits_again_and_again() -> None:
    """Many short waits for one lock are not one long one, though futures come to lie at the same address."""

    async def program() -> None:
        lock = anyio.Lock()

        async def work(until: float) -> None:
            while time.monotonic() < until:
                async with lock:
                    await anyio.sleep(0.009)

        async with anyio.create_task_group() as group:
            for _ in range(2):
                group.start_soon(work, time.monotonic() + 0.5)

    with harness.agent(slow_wait_after=0.1) as ear:
        harness.run_to_end(program)
    assert [] == ear.events


def test_when_anyios_primitives_are_made() -> None:
    """Where each was made is known, also within a condition and for what an adapter makes later; then forgotten."""

    async def program() -> None:
        adapter = made_outside()[0]
        things = [anyio.Lock(), anyio.CapacityLimiter(1), anyio.Semaphore(1), anyio.Condition()._lock]
        async with adapter:
            inner = adapter._internal_lock
        lines = [linecache.getline(site[0].co_filename, line_of(*site[:2])) for site in map(site_of, things)]
        assert ["things = [" in line for line in lines] == [True] * 4
        assert "(anyio.Lock(), anyio.CapacityLimiter(1))" in linecache.getline(
            site_of(inner)[0].co_filename, line_of(*site_of(inner)[:2])
        )

    with harness.agent():
        asyncio.run(program())
        gc.collect()
        assert len(SITES) == 0
    assert vars(type(anyio.Lock())).get("__init__").__module__.startswith("anyio")


def test_when_a_primitive_outlives_the_agents_modules() -> None:
    """While the interpreter goes down, it empties modules that somebody keeps; what is collected then says nothing."""
    code = """
import socket, sys  # emptied late
import anyio, asyncio

async def main():
    await anyio.sleep(0)  # loads anyio's side for asyncio, and ours
    kept = [sys.modules["unstuck.agent.hooks.anyio_sites"], sys.modules["unstuck.agent.state"].SITES]
    socket.kept = *kept, anyio.Lock()

asyncio.run(main())
"""
    assert "" == output("-c", code, PYTHONPATH=HERE, UNSTUCK="1")
