"""slow-wait: a long wait is told with who holds and what that one does; brief ones and idle ones are not."""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any
from unittest import mock

import pytest

from unstuck.agent import api
from unstuck.agent.detectors import slow_wait
from unstuck.agent.findings import Finding

from . import harness
from .programs import Pair, Program
from .programs.deadlocks import both, spawn
from .programs.slow_waits import HEALTHY, PAIRS, queue_for, use

RUNS = int(os.environ.get("UNSTUCK_TEST_RUNS", "50"))
AFTER = 0.05
_describe = slow_wait._describe


def find(name: str) -> Finding:
    """The finding of the pair's slow program of that name."""
    slow = next(pair.buggy for pair in PAIRS if str(pair) == name)
    with harness.agent(slow_wait_after=AFTER) as ear:
        return harness.run_until_found(slow, ear, "slow-wait")[0]


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_when_a_wait_is_long(pair: Pair) -> None:
    """One finding a resource, suspected; closed, not retracted, when the wait is cancelled."""
    with harness.agent(slow_wait_after=AFTER) as ear:
        findings = harness.run_until_found(pair.buggy, ear, "slow-wait", linger=0.1)
    assert {"suspected"} == {f.verdict for f in findings}
    assert sorted(pair.core) == sorted(task.name for f in findings for task in f.core)
    assert {pair.victims} == {f.victims for f in findings}
    assert [] == ear.named("retracted")
    assert sorted(f.id for f in findings) == sorted(f.id for f in ear.named("closed"))
    assert {"slow-wait"} == {event.finding.kind for event in ear.events}


@pytest.mark.parametrize("program", [pair.healthy for pair in PAIRS], ids=lambda each: each.__name__)
def test_when_waits_are_below_the_threshold(program: Program) -> None:
    """Not a word, in many runs."""
    with harness.agent(slow_wait_after=1.0, stuck_after=1.0) as ear:
        for _ in range(RUNS):
            harness.run_to_end(program)
    assert [] == ear.events


@pytest.mark.parametrize("program", HEALTHY, ids=lambda each: each.__name__)
def test_when_nobody_holds_what_is_waited_for(program: Program) -> None:
    """However long the wait, it is not this."""
    with harness.agent(slow_wait_after=0.02, stuck_after=1.0) as ear:
        for _ in range(RUNS):
            harness.run_to_end(program)
    assert [] == ear.events


def test_when_the_holder_sleeps() -> None:
    """The holder is shown with where it took the lock, where it sleeps, and the note says so."""
    finding = find("lock_of_a_sleeper")
    waiter, holder = finding.tasks
    assert ("waiter-0", "core") == (waiter.name, waiter.role)
    assert ("holder-0", "victim") == (holder.name, holder.role)
    (resource,) = finding.resources
    assert waiter.waits_for == resource.id
    assert [resource.id] == [held.resource for held in holder.holds]
    assert [True] == [
        held.taken_at is not None and "async with resource" in held.taken_at.code for held in holder.holds
    ]
    assert "the holder holder-0 waits in asyncio.sleep" == finding.note
    assert finding.age_s >= AFTER


def test_when_the_holder_waits_for_a_queue() -> None:
    """The note says what the holder itself waits for."""
    assert "the holder reader waits in asyncio.Queue.get" == find("lock_held_while_reading_a_queue").note


def test_when_the_holder_waits_for_another_lock() -> None:
    """One finding for each lock; the note of the outer one says that its holder waits for a lock too."""
    chain = next(pair.buggy for pair in PAIRS if str(pair) == "chain_of_holders")
    with harness.agent(slow_wait_after=AFTER) as ear:
        findings = harness.run_until_found(chain, ear, "slow-wait", linger=0.1)
    notes = {finding.core[0].name: finding.note for finding in findings}
    assert "the holder sleeper waits in asyncio.sleep" == notes["middle"]
    assert "the holder middle waits in asyncio.Lock" == notes["waiter"]


def test_when_the_wait_has_a_timeout() -> None:
    """The note and the record say when it will end by itself."""
    finding = find("long_wait_with_a_timeout")
    assert finding.note is not None
    assert "this wait ends by its timeout in 14." in finding.note
    deadline = finding.core[0].deadline_s
    assert deadline is not None
    assert 10 < deadline < 15


def test_when_the_wait_has_a_timeout_the_resource_is_still_told() -> None:
    """The lock, its holder and both edges are in the record, as without a timeout."""
    finding = find("long_wait_with_a_timeout")
    assert [finding.core[0].waits_for] == [resource.id for resource in finding.resources]
    assert ["holder"] == [task.name for task in finding.tasks if task.holds]
    assert {"waits", "held_by"} == {edge.relation for edge in finding.edges}


def test_when_a_semaphore_has_two_holders() -> None:
    """Both are told."""
    finding = find("semaphore_of_two_sleepers")
    assert finding.note is not None
    assert "holder-0 waits in asyncio.sleep" in finding.note
    assert "holder-1 waits in asyncio.sleep" in finding.note
    assert 2 == len(finding.resources[0].holders)


def test_when_the_wait_ends_by_itself() -> None:
    """The finding is closed at the next tick, with its whole age, and not retracted."""

    async def program() -> None:
        await queue_for(asyncio.Lock(), 0.3)
        await asyncio.sleep(0.1)

    with harness.agent(slow_wait_after=AFTER) as ear:
        asyncio.run(program())
        assert ["opened", "closed"] == [event.event for event in ear.events]
    closed = ear.events[1].finding
    assert closed.id == ear.events[0].finding.id
    assert 0.2 < closed.age_s < 5
    assert ["opened", "closed"] == [event.event for event in ear.events]


def test_when_the_wait_goes_on() -> None:
    """Opened once, however many ticks see it."""
    with harness.agent(slow_wait_after=AFTER) as ear:
        slow = next(pair.buggy for pair in PAIRS if str(pair) == "lock_of_a_sleeper")
        harness.run_until_found(slow, ear, "slow-wait", linger=0.3)
    assert ["opened", "closed"] == [event.event for event in ear.events]


def test_when_the_holder_runs() -> None:
    """A holder that computes in small steps is running, not waiting."""

    async def program() -> None:
        lock, until = asyncio.Lock(), time.monotonic() + 0.4

        async def steps() -> None:
            async with lock:
                while time.monotonic() < until:
                    await asyncio.sleep(0)

        await asyncio.gather(asyncio.create_task(steps(), name="steps"), use(lock, 0))

    with harness.agent(slow_wait_after=AFTER) as ear:
        asyncio.run(program())
    assert ["the holder steps is running"] == [finding.note for finding in ear.opened("slow-wait")]
    assert [] == ear.named("retracted")


def test_when_the_wait_belongs_to_a_deadlock() -> None:
    """It is told as a deadlock only, the tasks queued behind it included."""

    with harness.agent(slow_wait_after=AFTER) as ear:
        harness.run_until_found(queue_of_victims, ear, "deadlock", linger=0.3)
    assert {"deadlock"} == {event.finding.kind for event in ear.events}


async def queue_of_victims() -> None:
    """A deadlock of two, and one task behind it."""
    a, b = asyncio.Lock(), asyncio.Lock()
    one, two = spawn("one", both(a, b)), spawn("two", both(b, a))
    await asyncio.sleep(0)
    await asyncio.gather(one, two, spawn("victim", use(a, 0)))


def test_when_slow_wait_is_left_out() -> None:
    """Nothing, however long the wait."""
    with harness.agent(slow_wait_after=AFTER, detect=frozenset({"deadlock"})) as ear:
        slow = next(pair.buggy for pair in PAIRS if str(pair) == "lock_of_a_sleeper")
        harness.run_until_found(slow, ear, "slow-wait", patience=0.3)
    assert [] == ear.events


def test_when_the_lock_was_taken_before_the_agent_came() -> None:
    """Nobody saw who holds it, so nothing is said of whom."""

    async def program() -> None:
        lock = asyncio.Lock()
        holder = asyncio.create_task(use(lock, 0.3))
        await asyncio.sleep(0)
        with harness.agent(slow_wait_after=AFTER) as ear:
            await asyncio.gather(holder, use(lock, 0))
        assert [] == ear.events

    asyncio.run(program())


def test_when_a_long_queue_moves() -> None:
    """Many tasks wait for long before a semaphore whose units come and go: work, not a finding."""

    async def program() -> None:
        limit = asyncio.Semaphore(2)

        async def fetch() -> None:
            async with limit:
                await asyncio.sleep(0.02)

        await asyncio.gather(*(fetch() for _ in range(100)))

    with harness.agent(slow_wait_after=0.3) as ear:
        harness.run_to_end(program)
    assert [] == ear.events


def test_when_nobody_has_moved_since() -> None:
    """It is described once, and stays open; anew when the holder goes on to another wait, or the queue grows."""
    described: list[str | None] = []

    def describe(*args: Any) -> Finding:
        finding = _describe(*args)
        described.append(finding.note)
        return finding

    async def program(ear: harness.Ear) -> None:
        lock, first, second = asyncio.Lock(), asyncio.Event(), asyncio.Queue[None]()

        async def hold() -> None:
            async with lock:
                await first.wait()
                await second.get()

        async def turn(count: int) -> int:
            for _ in range(4):
                await asyncio.sleep(0)
            for _ in range(count):
                await asyncio.to_thread(api.current().pipeline.tick)
            return len(described)

        tasks = [asyncio.create_task(hold(), name="holder"), asyncio.create_task(use(lock, 0))]
        assert await turn(5) == 1
        first.set()
        assert await turn(5) == 2
        tasks.append(asyncio.create_task(use(lock, 0)))
        assert await turn(5) == 3
        assert [] == ear.named("closed")
        second.put_nowait(None)
        await asyncio.wait(tasks)
        assert await turn(2) == 3

    changes = {"interval": 3600.0, "slow_wait_after": 0.0, "detect": frozenset({"slow-wait"})}
    with mock.patch.object(slow_wait, "_describe", describe), harness.agent(**changes) as ear:
        asyncio.run(program(ear))
    events, queue = [event.event for event in ear.events], "the holder holder waits in asyncio.Queue.get"
    assert (["opened", "closed"], "slow-wait") == (events, ear.events[0].finding.kind)
    assert ["the holder holder waits in asyncio.Event", queue, queue] == described


def test_when_the_wait_is_proven_to_be_for_ever() -> None:
    """It is not told as a slow one as well. Another wait, which began later, is."""

    async def take(lock: asyncio.Semaphore | asyncio.Lock) -> None:
        await lock.acquire()
        await asyncio.sleep(3600)

    async def wait_slowly() -> None:
        while not ear.told("held-by-finished", "opened"):
            await asyncio.sleep(harness.TICK)
        lock = asyncio.Lock()
        holder = asyncio.create_task(take(lock))
        await asyncio.sleep(0)
        await asyncio.create_task(take(lock), name="slow")
        await holder

    async def program() -> None:
        slow = asyncio.create_task(wait_slowly())
        permits = asyncio.Semaphore(1)
        loser = asyncio.create_task(take(permits))
        await asyncio.sleep(0)
        loser.cancel()
        await asyncio.gather(loser, return_exceptions=True)
        await permits.acquire()
        await asyncio.gather(slow, loser)

    with harness.agent(slow_wait_after=0.3, stuck_after=30.0) as ear:
        (found,) = harness.run_until_found(program, ear, "slow-wait", patience=20.0)
    assert ["slow"] == [task.name for task in found.core]
