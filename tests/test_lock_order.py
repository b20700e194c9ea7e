"""lock-order: opposite orders are told although nothing happened; orders that cannot meet are not."""

from __future__ import annotations

import asyncio
import gc
import os
import time
import weakref

import pytest

from unstuck.agent import api
from unstuck.agent.findings import Event, Finding
from unstuck.agent.hooks.orders import BUSY
from unstuck.agent.sinks.stderr import render

from . import harness
from .programs import Pair, Program, orders
from .programs.deadlocks import pause, spawn
from .programs.orders import HEALTHY, PAIRS, both, one_by_one, slowly

RUNS = int(os.environ.get("UNSTUCK_TEST_RUNS", "50"))


def findings_of(program: Program, times: int = 1) -> list[Finding]:
    """What is told of a program that comes to its end."""
    with harness.agent(detect=frozenset({"lock-order"})) as ear:
        for _ in range(times):
            harness.run_to_end(program)
        time.sleep(4 * harness.TICK)
    assert {"lock-order"} >= {event.finding.kind for event in ear.events}
    return ear.opened("lock-order")


def finding_of(program: Program) -> Finding:
    (finding,) = findings_of(program)
    return finding


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_when_locks_are_taken_in_opposite_orders(pair: Pair) -> None:
    """One finding, with the tasks that took them."""
    finding = finding_of(pair.buggy)
    assert "potential" == finding.verdict
    assert pair.core == {task.name for task in finding.core}
    assert len(finding.core) == len(finding.resources)


@pytest.mark.parametrize("program", [*(pair.healthy for pair in PAIRS), *HEALTHY], ids=lambda each: each.__name__)
def test_when_the_orders_cannot_meet(program: Program) -> None:
    """Not a word, in many runs."""
    assert [] == findings_of(program, min(RUNS, 10))


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_when_it_happens_again_and_again(pair: Pair) -> None:
    """Told once."""
    assert 1 == len(findings_of(pair.buggy, 3))


def places(finding: Finding) -> list[tuple[str, str, str]]:
    """Task, line of the outer and line of the inner acquisition."""
    return [
        (task.name, held.taken_at.code if held.taken_at else "", task.stack[-1].code)
        for task in finding.core
        for held in task.holds
    ]


def test_when_locks_are_taken_in_nested_blocks() -> None:
    """Both places of each order."""
    finding = finding_of(orders.there_and_back)
    outer, inner = "async with source.lock:  # noqa: SIM117", "async with target.lock:"
    assert [("there", outer, inner), ("back", outer, inner)] == sorted(places(finding), reverse=True)


def test_when_locks_are_taken_down_the_calls() -> None:
    """The outer place is in another function than the inner one."""
    finding = finding_of(orders.opposite_orders_down_the_calls)
    assert {
        ("sell", "async with self.stock:", "async with self.till:"),
        ("refund", "async with self.till:", "async with self.stock:"),
    } == set(places(finding))
    assert {"Shop.stock", "Shop.till"} == {each.name for each in finding.resources}


def test_when_locks_are_taken_by_hand() -> None:
    """The outer place is that of its acquire()."""
    outer, inner = "await first.acquire()", "await second.acquire()"
    assert {("one", outer, inner), ("two", outer, inner)} == set(places(finding_of(orders.opposite_orders_by_hand)))


def test_when_the_order_is_seen_with_different_locks_of_two_kinds() -> None:
    """One lock stands for each kind, and the note says so."""
    finding = finding_of(orders.kinds_in_opposite_orders)
    assert {"Registry.lock", "Connection.lock"} == {each.name for each in finding.resources}
    assert "the orders were seen with different locks that were made at the same lines" == finding.note


def test_when_the_locks_are_of_one_kind_they_are_told_apart() -> None:
    """And the help says how to bring them in order."""
    finding = finding_of(orders.there_and_back)
    assert 2 == len({each.name for each in finding.resources})
    assert "sort the locks by a key of their own, such as an account id, before taking more than one" == finding.help


def test_when_it_is_printed() -> None:
    """Both orders with both lines, at any width."""
    finding = finding_of(orders.opposite_orders_down_the_calls)
    for width in (80, 160):
        text = render(Event("opened", time.time(), finding), colour=False, width=width)
        assert all(len(line) <= width for line in text.splitlines())
        assert text.startswith("lock-order [potential]  two tasks took two locks in opposite orders")
        assert 2 == text.count("holds  Shop.") == text.count("takes  Shop.")
        assert "everywhere, or hold one common lock around all of these orders" in " ".join(text.split())


def test_when_the_record_is_written() -> None:
    """Edges lead from each task to the lock it took and from the lock it held to the task."""
    finding = finding_of(orders.opposite_orders)
    record = Event("opened", time.time(), finding).as_record()
    ids = {each["id"] for each in record["tasks"]}
    locks = {each["id"] for each in record["resources"]}
    assert 2 == len(ids) == len(locks)
    assert ids == {edge["from"] for edge in record["edges"] if edge["relation"] == "waits"}
    assert locks == {edge["from"] for edge in record["edges"] if edge["relation"] == "held_by"}


def test_when_two_pairs_of_locks_are_in_disorder() -> None:
    """A finding each."""

    async def program() -> None:
        a, b = asyncio.Lock(), asyncio.Lock()
        c, d = asyncio.Lock(), asyncio.Lock()
        await one_by_one(("one", both(a, b)), ("two", both(b, a)), ("three", both(c, d)), ("four", both(d, c)))

    assert 2 == len(findings_of(program))


def test_when_the_second_order_waits_in_vain() -> None:
    """It is enough to have asked for the lock; here the wait was cancelled."""

    async def program() -> None:
        a, b = asyncio.Lock(), asyncio.Lock()
        one = spawn("one", slowly(a, b))
        await asyncio.sleep(0)
        two = spawn("two", both(b, a))
        await asyncio.sleep(0)
        two.cancel()
        await asyncio.wait([one, two])

    assert {"one", "two"} == {task.name for task in finding_of(program).core}


def test_when_the_kind_is_left_out() -> None:
    """No order is noted."""
    with harness.agent(detect=frozenset({"deadlock"})) as ear:
        harness.run_to_end(orders.opposite_orders)
        assert not api.current().state.facts["lock-order"]
    assert [] == ear.events


def test_when_locks_are_used_no_lock_is_kept_alive() -> None:
    """At the latest after the next tick."""

    async def program() -> list[weakref.ref[asyncio.Lock]]:
        locks = [asyncio.Lock() for _ in range(4)]
        await both(*locks[:2])
        await one_by_one(("one", both(*locks[2:])), ("two", both(*reversed(locks[2:]))))
        await locks[0].acquire()
        await pause()
        return [weakref.ref(each) for each in locks]

    with harness.agent(detect=frozenset({"lock-order"})):
        references = asyncio.run(program())
        time.sleep(4 * harness.TICK)
        gc.collect()
        assert [None] * 4 == [each() for each in references]


def test_when_much_happens_memory_is_bounded() -> None:
    """Thousands of locks that are new each time."""

    async def program() -> None:
        guard = asyncio.Lock()
        for _ in range(3000):
            await both(guard, asyncio.Lock())
            a, b = asyncio.Lock(), asyncio.Lock()
            await both(a, b)

    with harness.agent(detect=frozenset({"lock-order"})) as ear:
        asyncio.run(program())
        assert 1000 >= len(api.current().state.facts["lock-order"])
    assert [] == ear.events


def test_when_one_lock_is_held_for_long_orders_are_still_seen() -> None:
    """And when it is given back, locks are as cheap as before: nothing is reported any more."""

    async def program() -> None:
        held = asyncio.Lock()
        async with held:
            for _ in range(50):
                await asyncio.create_task(both(asyncio.Lock(), asyncio.Lock()))
            await orders.opposite_orders()
        lock = asyncio.Lock()
        for _ in range(50):
            async with lock:
                pass
        assert BUSY is not holder()
        assert lock is not holder()

    def holder() -> object:
        cells = dict(
            zip(asyncio.Lock.__aexit__.__code__.co_freevars, asyncio.Lock.__aexit__.__closure__ or (), strict=True)
        )
        return cells["holder"].cell_contents

    assert {"one", "two"} == {task.name for task in finding_of(program).core}


def test_when_a_subclass_has_its_own_acquire() -> None:
    """It is never bypassed, and its orders count where it asks asyncio's acquire()."""
    called = []

    class Counting(asyncio.Lock):
        async def acquire(self) -> bool:  # type: ignore[override]
            called.append(self)
            return await super().acquire()

    async def program() -> None:
        a, b = Counting(), Counting()
        await one_by_one(("one", both(a, b)), ("two", both(b, a)))

    finding_of(program)
    assert 4 == len(called)
