"""deadlock: every buggy program is found with its core, no healthy twin yields anything."""

from __future__ import annotations

import asyncio
import os
import sys
import threading

import pytest

import unstuck

from . import harness
from .programs import Pair, Program
from .programs.deadlocks import HEALTHY, PAIRS, opposite_order, same_order
from .programs.traps import TRAPS

RUNS = int(os.environ.get("UNSTUCK_TEST_RUNS", "50"))


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_when_a_program_deadlocks(pair: Pair) -> None:
    """One finding with the right verdict, core and victims; it is closed when the tasks are cancelled."""
    with harness.agent() as ear:
        findings = harness.run_until_found(pair.buggy, ear, "deadlock", linger=0.05)
    assert [(f.verdict, {t.name for t in f.core}) for f in findings] == [(pair.verdict, set(pair.core))]
    assert ear.named("retracted") == []
    assert [f.id for f in ear.named("closed")] == [f.id for f in findings]


@pytest.mark.parametrize("program", [*(pair.healthy for pair in PAIRS), *HEALTHY], ids=lambda each: each.__name__)
def test_when_the_healthy_twin_runs(program: Program) -> None:
    """Not a word, in many runs."""
    with harness.agent(slow_wait_after=1.0, stuck_after=1.0) as ear:
        for _ in range(RUNS):
            harness.run_to_end(program)
    assert ear.events == []


@pytest.mark.parametrize("program", TRAPS, ids=lambda each: each.__name__)
def test_when_a_program_only_looks_deadlocked(program: Program) -> None:
    """A way out that is hard to see is a way out: nothing is proven, nor suspected before its time."""
    with harness.agent(slow_wait_after=1.0, stuck_after=30.0) as ear:
        for _ in range(min(RUNS, 5)):
            harness.run_to_end(program)
    assert [] == [event for event in ear.events if event.finding.kind != "lost-error"]  # some do lose one


def test_when_tasks_queue_behind_a_deadlock() -> None:
    """Victims are counted and listed after the core."""
    crowd = next(pair for pair in PAIRS if pair.victims)
    with harness.agent() as ear:
        (finding,) = harness.run_until_found(crowd.buggy, ear, "deadlock")
    names = [task.name for task in finding.tasks]
    assert set(names[:2]) == {"one", "two"}
    assert [task.role for task in finding.tasks][:2] == ["core", "core"]


def test_when_two_locks_are_made_on_one_line() -> None:
    """They never print alike."""
    with harness.agent() as ear:
        (finding,) = harness.run_until_found(opposite_order, ear, "deadlock")
    assert sorted(each.name for each in finding.resources) == ["a in opposite_order()", "b in opposite_order()"]


def test_when_many_locks_come_from_one_line() -> None:
    """The way to each from the program's variables tells them apart; before 3.13 only arguments are read."""
    ring = next(pair.buggy for pair in PAIRS if str(pair) == "ring_of_five")
    with harness.agent() as ear:
        (finding,) = harness.run_until_found(ring, ear, "deadlock")
    names = sorted(each.name for each in finding.resources)
    if sys.version_info >= (3, 13):
        assert names == [f"locks[{i}]" for i in range(5)]
    assert len(set(names)) == 5


def test_when_each_of_two_loops_deadlocks() -> None:
    """One finding a loop."""
    with harness.agent() as ear:

        def other() -> None:
            harness.run_until_found(opposite_order, ear, "nothing", patience=0.3)

        thread = threading.Thread(target=other)
        thread.start()
        harness.run_until_found(opposite_order, ear, "nothing", patience=0.3)
        thread.join()
    assert len({finding.loop for finding in ear.opened("deadlock")}) == 2


def test_when_a_deadlock_is_raised() -> None:
    """The task whose wait closed the circle gets DeadlockError with the story; the program ends."""

    async def program() -> list[object]:
        a, b = asyncio.Lock(), asyncio.Lock()
        from .programs.deadlocks import both

        return await asyncio.gather(both(a, b), both(b, a), return_exceptions=True)

    with harness.agent(on_deadlock="raise") as ear:
        results = asyncio.run(program())
    errors = [each for each in results if isinstance(each, unstuck.DeadlockError)]
    assert len(errors) == 1 and results.count(None) == 1
    assert "waits" in str(errors[0])
    assert [finding.note for finding in ear.named("closed")] == ["ended by raise"]


@pytest.mark.parametrize("how", ["raise", "cancel"])
def test_when_a_circle_of_awaits_is_ended(how: str) -> None:
    """A join can be ended too, and nobody else who awaits the same task is disturbed."""

    async def program() -> list[object]:
        tasks: dict[str, asyncio.Task[object]] = {}

        async def follow(other: str) -> None:
            await asyncio.sleep(0.01)
            await tasks[other]

        tasks["a"] = asyncio.create_task(follow("b"))
        tasks["b"] = asyncio.create_task(follow("a"))
        await asyncio.wait(tasks.values(), timeout=5)
        return [task.cancelled() or task.exception() for task in tasks.values()]

    with harness.agent(on_deadlock=how):
        results = asyncio.run(program())
    if how == "raise":
        assert any(isinstance(each, unstuck.DeadlockError) for each in results)
    else:
        assert True in results


def test_when_the_lock_was_taken_by_hand_without_a_finally() -> None:
    """Somebody else who has it could release it: suspected, and only after stuck_after."""
    reachable: list[asyncio.Lock] = []

    async def program() -> None:
        a, b = asyncio.Lock(), asyncio.Lock()
        reachable[:] = [a, b]

        async def by_hand(first: asyncio.Lock, second: asyncio.Lock) -> None:
            await first.acquire()
            await asyncio.sleep(0.01)
            await second.acquire()

        await asyncio.gather(by_hand(a, b), by_hand(b, a))

    with harness.agent(stuck_after=0.1) as ear:
        (finding,) = harness.run_until_found(program, ear, "deadlock")
    assert finding.verdict == "suspected"
    assert finding.age_s >= 0.1


def test_when_a_timeout_has_fired_in_vain() -> None:
    """A timeout that could not cancel its task (a circle of awaits ends in a RecursionError) is no way out."""

    async def program() -> None:
        async def awaits_itself() -> None:
            async with asyncio.timeout(0.05):
                await asyncio.gather(tasks[0])

        asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
        tasks = [asyncio.create_task(awaits_itself(), name="itself")]
        await asyncio.wait(tasks)

    with harness.agent() as ear:
        (finding,) = harness.run_until_found(program, ear, "deadlock", patience=2.0)
    assert (finding.verdict, {task.name for task in finding.core}) == ("proven", {"itself"})


def test_when_a_join_becomes_certain_before_it_is_suspicious() -> None:
    """A child that could fail ends well; the other needs the lock held over the gather. Proven at the next ticks."""

    async def program() -> None:
        lock = asyncio.Lock()

        async def child() -> None:
            async with lock:
                pass

        async with lock:
            await asyncio.gather(child(), asyncio.sleep(0.06))

    with harness.agent(stuck_after=30.0) as ear:
        (finding,) = harness.run_until_found(program, ear, "deadlock", patience=2.0)
    assert finding.verdict == "proven"


def test_when_a_first_exception_wait_has_a_cancelled_member() -> None:
    """asyncio.wait does not count a cancellation as an exception: the wait goes on, for ever."""

    async def program() -> None:
        lock = asyncio.Lock()

        async def child() -> None:
            async with lock:
                pass

        async with lock:
            stuck, gone = asyncio.create_task(child()), asyncio.create_task(asyncio.sleep(10))
            asyncio.get_running_loop().call_later(0.02, gone.cancel)
            await asyncio.wait({stuck, gone}, return_when=asyncio.FIRST_EXCEPTION)

    with harness.agent(stuck_after=30.0) as ear:
        (finding,) = harness.run_until_found(program, ear, "deadlock", patience=2.0)
    assert finding.verdict == "proven"


def test_when_a_suspicion_becomes_certain() -> None:
    """A sibling that could still fail ends: the same finding is updated to proven."""

    async def program() -> None:
        lock = asyncio.Lock()

        async def child() -> None:
            async with lock:
                pass

        async def sibling() -> None:
            while not ear.opened("deadlock"):
                await asyncio.sleep(0.01)

        async with lock:
            await asyncio.gather(child(), sibling())

    with harness.agent(stuck_after=0.05) as ear:
        harness.run_until_found(program, ear, "deadlock", patience=20.0, event="updated")
    told = [(event.event, event.finding.verdict) for event in ear.events]
    assert told == [("opened", "suspected"), ("updated", "proven"), ("closed", "proven")]
    assert len({event.finding.id for event in ear.events}) == 1


def test_when_a_knot_is_not_confirmed_its_loop_is_left_alone() -> None:
    """A suspicion below stuck_after does not wake an idle loop tick after tick."""
    wakes = []

    async def program() -> None:
        lock = asyncio.Lock()

        async def by_hand() -> None:
            await lock.acquire()
            await asyncio.create_task(child())

        async def child() -> None:
            async with lock:
                pass

        loop = asyncio.get_running_loop()
        original = loop.call_soon_threadsafe
        loop.call_soon_threadsafe = lambda *args, **more: wakes.append(args) or original(*args, **more)  # type: ignore
        task = asyncio.create_task(by_hand())
        await asyncio.sleep(0.3)
        lock.release()
        await task

    with harness.agent(stuck_after=30.0) as ear:
        harness.run_to_end(program)
    assert ear.events == []
    assert wakes == []


def test_when_a_suspected_deadlock_moves_after_all() -> None:
    """It is retracted."""

    async def program() -> None:
        lock = asyncio.Lock()

        async def parent() -> None:
            await lock.acquire()
            await asyncio.create_task(child())

        async def child() -> None:
            async with lock:
                pass

        task = asyncio.create_task(parent())
        await asyncio.sleep(0.3)
        lock.release()
        await task

    with harness.agent(stuck_after=0.05) as ear:
        asyncio.run(program())
        import time

        time.sleep(0.1)
    assert [finding.verdict for finding in ear.opened("deadlock")] == ["suspected"]
    assert len(ear.named("retracted")) == 1


def test_when_a_program_is_healthy_networkx_is_not_loaded() -> None:
    """Nor is anything else that is heavy; see test_autostart for a fresh process."""
    with harness.agent() as ear:
        harness.run_to_end(same_order)
    assert ear.events == []


def test_when_only_the_proof_finds_it_it_is_ended_too() -> None:
    """Locks that were taken by hand: that nobody else could release them is for the proof to find."""
    ended = []

    async def program() -> None:
        a, b = asyncio.Lock(), asyncio.Lock()

        async def by_hand(first: asyncio.Lock, second: asyncio.Lock) -> None:
            await first.acquire()
            await asyncio.sleep(0.01)
            try:
                await second.acquire()
            except unstuck.DeadlockError:
                ended.append(first)
                first.release()

        await asyncio.gather(by_hand(a, b), by_hand(b, a))

    with harness.agent(on_deadlock="raise", stuck_after=30.0) as ear:
        asyncio.run(program())
    assert len(ended) == 1
    assert [finding.note for finding in ear.named("closed")] == ["ended by raise"]
