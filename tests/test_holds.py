"""Who holds what: how sure that is after releases by hand, and where units were taken by hand."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from unstuck.agent import api, graph
from unstuck.agent.confirm import judge
from unstuck.agent.holds import finished_holders, lines_of, noted_place, places_of
from unstuck.agent.state import DEBTORS, HOLDS, PLACES, State

from . import harness
from .programs.deadlocks import both, pause, spawn

Use = Callable[[Any], Awaitable[None]]
LATER = asyncio.Event()
"""Within everybody's reach."""


async def by_hand(lock: Any) -> None:
    await lock.acquire()
    lock.release()


async def by_hand_with_finally(lock: Any) -> None:
    for _ in range(2):
        await lock.acquire()
        try:
            await pause()
        finally:
            lock.release()


async def by_hand_inside_another(lock: Any) -> None:
    outer = asyncio.Lock()
    await outer.acquire()
    try:
        await by_hand_with_finally(lock)
        await lock.acquire()
        lock.release()
    finally:
        outer.release()


async def fought_over(lock: Any) -> None:
    async def use() -> None:
        async with lock:
            await pause()

    await asyncio.gather(use(), use(), by_hand(lock), use())


async def under_a_condition(lock: Any) -> None:
    condition = asyncio.Condition(lock)

    async def wait() -> None:
        async with condition:
            await condition.wait()

    waiter = asyncio.create_task(wait())
    await pause()
    async with condition:
        condition.notify()
    await waiter


async def waited_within_the_locks_own_block(lock: Any) -> None:
    condition = asyncio.Condition(lock)
    async with lock:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(condition.wait(), 0.01)


async def left_by_a_done_task(lock: Any) -> None:
    """What was in debt is over."""

    async def hasty() -> None:
        with contextlib.suppress(RuntimeError, ValueError):
            async with lock:
                lock.release()

    await asyncio.create_task(hasty())


LOCKS = [
    (asyncio.Lock, use)
    for use in (
        by_hand,
        by_hand_with_finally,
        by_hand_inside_another,
        fought_over,
        under_a_condition,
        waited_within_the_locks_own_block,
        left_by_a_done_task,
    )
]
SEMAPHORES = [
    (make, use)
    for make in (asyncio.Semaphore, asyncio.BoundedSemaphore)
    for use in (by_hand, by_hand_with_finally, by_hand_inside_another, fought_over)
]


@pytest.mark.parametrize(("make", "use"), [*LOCKS, *SEMAPHORES], ids=lambda each: each.__name__)
def test_when_a_lock_was_used_properly_before(make: Callable[[], Any], use: Use) -> None:
    """Nothing is held against it: the deadlock is proven. The user itself lives on."""

    async def program() -> None:
        a, b = make(), asyncio.Lock()
        used = asyncio.Event()

        async def user() -> None:
            await use(a)
            used.set()
            await asyncio.sleep(10)

        users = spawn("user", user())
        await used.wait()
        await asyncio.gather(spawn("one", both(a, b)), spawn("two", both(b, a)), users)

    with harness.agent(stuck_after=30.0) as ear:
        findings = harness.run_until_found(program, ear, "deadlock")
    assert [("proven", {"one", "two"})] == [(f.verdict, {t.name for t in f.core}) for f in findings]
    assert [] == ear.named("retracted")


def test_when_a_lock_was_released_too_early_its_deadlock_is_suspected() -> None:
    """The task with the unpaid block may never leave it, so after a while something is said."""

    async def program() -> None:
        a, b = asyncio.Lock(), asyncio.Lock()
        begun = asyncio.Event()

        async def hasty() -> None:
            async with a:
                a.release()
                begun.set()
                await LATER.wait()

        hold = spawn("hasty", hasty())
        await begun.wait()
        await asyncio.wait([spawn("one", both(a, b)), spawn("two", both(b, a)), hold])

    with harness.agent(stuck_after=0.1) as ear:
        (finding,) = harness.run_until_found(program, ear, "deadlock")
    assert "suspected" == finding.verdict


# -- where units were taken by hand --------------------------------------------------------------------


async def take(resource: Any) -> None:
    await resource.acquire()  # here


@pytest.mark.parametrize("make", [asyncio.Lock, asyncio.Semaphore, asyncio.BoundedSemaphore])
def test_when_a_unit_is_taken_by_hand_its_place_is_known(make: Callable[[], Any]) -> None:
    """The line of the acquire(), until the unit is given back."""

    async def program() -> None:
        resource, key = make(), id(asyncio.current_task())
        assert noted_place(resource, key) is None
        await take(resource)
        place = noted_place(resource, key)
        assert place is not None
        assert (take.__code__.co_firstlineno + 1, take.__code__) == place
        assert noted_place(resource, 1) is None
        resource.release()
        assert noted_place(resource, key) is None

    with harness.agent():
        asyncio.run(program())


@pytest.mark.parametrize("make", [asyncio.Lock, asyncio.Semaphore, asyncio.BoundedSemaphore])
def test_when_a_unit_is_taken_by_a_block_nothing_is_noted(make: Callable[[], Any]) -> None:
    """Neither at once nor after a wait."""

    async def program() -> None:
        resource = make()

        async def enter() -> None:
            async with resource:
                assert noted_place(resource, id(asyncio.current_task())) is None
                await pause()

        await asyncio.gather(enter(), enter(), enter())
        assert not getattr(resource, PLACES, None)
        assert not getattr(resource, DEBTORS, None)

    with harness.agent():
        asyncio.run(program())


def test_when_a_task_takes_several_units_by_hand() -> None:
    """The last place is told; all are dropped one by one."""

    async def program() -> None:
        pool, key = asyncio.Semaphore(3), id(asyncio.current_task())
        await pool.acquire()
        await take(pool)
        place = noted_place(pool, key)
        assert place is not None
        assert place[1] is take.__code__
        pool.release()
        place = noted_place(pool, key)
        assert place is not None
        assert "program" == place[1].co_name
        pool.release()
        assert not getattr(pool, PLACES)

    with harness.agent():
        asyncio.run(program())


@pytest.mark.parametrize("make", [asyncio.Lock, asyncio.Semaphore, asyncio.BoundedSemaphore])
def test_when_a_holder_ends(make: Callable[[], Any]) -> None:
    """It is told with its place, also when the task itself is gone; a living holder is not."""

    async def program() -> None:
        resource = make()
        state = api.current().state
        holder = asyncio.create_task(take(resource))
        await holder
        ((reference, place),) = finished_holders(resource, state)
        alive = reference is not None and reference() is holder
        assert alive
        assert place is not None
        assert place[1] is take.__code__
        del holder
        await asyncio.sleep(0)  # the handle that woke us up refers to it
        gc.collect()
        assert [(None, place)] == finished_holders(resource, state)
        resource.release()
        assert [] == finished_holders(resource, state)
        await take(resource)
        assert [] == finished_holders(resource, state)

    with harness.agent():
        asyncio.run(program())


def test_when_units_are_given_back_by_others() -> None:
    """Handed over from one task to another, thousands of times: the account stays small, and is right at the end."""

    async def program() -> None:
        pool = asyncio.Semaphore(2)
        for _ in range(500):
            await asyncio.create_task(take(pool))
            pool.release()
        assert [] == getattr(pool, HOLDS)
        assert not getattr(pool, PLACES)
        assert [] == finished_holders(pool, api.current().state)

    with harness.agent():
        asyncio.run(program())


def test_when_a_semaphore_carries_signals() -> None:
    """Its account does not grow with their number."""

    async def program() -> None:
        signal = asyncio.Semaphore(0)

        async def give() -> None:
            for _ in range(1000):
                signal.release()
                await asyncio.sleep(0)

        async def take_all() -> None:
            for _ in range(1000):
                await signal.acquire()

        await asyncio.gather(give(), take_all())
        assert 100 > len(getattr(signal, HOLDS) or ())
        assert 100 > sum(map(len, places_of(signal).values()))

    with harness.agent():
        asyncio.run(program())


def test_when_units_are_taken_by_hand_and_left_by_a_block() -> None:
    """Places do not pile up."""

    async def program() -> None:
        pool = asyncio.Semaphore(2)

        async def work() -> None:
            async with contextlib.AsyncExitStack() as stack:
                await pool.acquire()
                stack.push_async_exit(pool)

        for _ in range(100):
            await asyncio.create_task(work())
        assert 4 > sum(map(len, places_of(pool).values()))

    with harness.agent():
        asyncio.run(program())


def test_when_the_agent_is_off_no_note_is_made() -> None:
    """Also not by methods that the program had taken hold of before."""

    async def program() -> None:
        with harness.agent():
            condition, pool = asyncio.Condition(), asyncio.Semaphore(2)
            acquire, release = pool.acquire, pool.release
            await acquire()
        await acquire()
        release()
        async with condition:
            assert condition._lock._locked is True  # type: ignore[attr-defined]
        assert not [name for each in (condition._lock, pool) for name in vars(each) if "unstuck" in name]  # type: ignore[attr-defined]

    asyncio.run(program())


def test_when_many_locks_are_judged_who_waits_is_gone_through_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not once for each lock: with a few hundred crowded pools the watcher had time for nothing else."""
    passes: list[int] = []

    def counting(state: State) -> dict[int, list[int]]:
        passes.append(threading.get_ident())
        return lines_of(state)

    async def hold(lock: asyncio.Lock) -> None:
        async with lock:
            await asyncio.sleep(60)

    async def stand_in_line(lock: asyncio.Lock) -> None:
        async with lock:
            pass

    async def program() -> None:
        locks = [asyncio.Lock() for _ in range(30)]
        tasks = [asyncio.create_task(each(lock)) for each in (hold, stand_in_line, stand_in_line) for lock in locks]
        await pause()
        state = api.current().state
        passes.clear()
        found = judge(locks, state)
        assert 30 == sum(bool(node.holds) for node in found.graph.nodes.values())
        assert 1 == passes.count(threading.get_ident())
        assert {2} == set(map(len, lines_of(state).values()))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    monkeypatch.setattr(graph, "lines_of", counting)
    with harness.agent():
        asyncio.run(program())
