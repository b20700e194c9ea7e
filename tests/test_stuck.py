"""stuck: waits that nobody can end are proven, waits that somebody can are not mentioned."""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any

import pytest

from unstuck.agent import api, proving

from . import harness
from .programs import Pair, Program
from .programs.stuck import PAIRS, handed_over, until_set

RUNS = int(os.environ.get("UNSTUCK_TEST_RUNS", "50"))


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_when_nobody_can_end_a_wait(pair: Pair) -> None:
    """Found and proven, with everybody who waits so; closed, not retracted, when the tasks are cancelled."""
    with harness.agent(stuck_after=30.0) as ear:
        harness.run_until_found(pair.buggy, ear, pair.kind, linger=0.1)
    found = ear.opened(pair.kind)
    assert {finding.verdict for finding in found} == {"proven"}
    assert {task.name for finding in found for task in finding.core} == pair.core
    assert {finding.kind for finding in ear.opened()} == {pair.kind}
    assert ear.named("retracted") == []
    assert {finding.id for finding in ear.named("closed")} == {finding.id for finding in found}


@pytest.mark.parametrize("program", [*(pair.healthy for pair in PAIRS), handed_over], ids=lambda each: each.__name__)
def test_when_somebody_can(program: Program) -> None:
    """Not a word, in many runs."""
    with harness.agent(slow_wait_after=1.0, stuck_after=1.0) as ear:
        for _ in range(RUNS):
            harness.run_to_end(program)
    assert ear.events == []


async def wait_for_nobody() -> None:
    event = asyncio.Event()
    await event.wait()
    event.clear()


def test_when_a_task_moves_while_it_is_put_to_the_proof() -> None:
    """The reading is void and the detector goes on: what is stuck is found later."""

    async def program() -> None:
        loop = asyncio.get_running_loop()
        waiter = asyncio.create_task(wait_for_nobody(), name="waiter")
        end = loop.time() + 1.0
        while loop.time() < end and not ear.opened():  # every wait is a new one, each a little longer than a tick
            future = loop.create_future()
            loop.call_later(1.5 * harness.TICK, future.set_result, None)
            await future
        waiter.cancel()

    with harness.agent(stuck_after=30.0) as ear:
        asyncio.run(program())
        assert not api.current().pipeline.failed
    assert [finding.core[0].name for finding in ear.opened("stuck")] == ["waiter"]


def test_when_one_more_waits_at_the_same_place() -> None:
    """The open finding grows; it is not told a second time."""

    async def program() -> None:
        tasks = []
        for number in range(3):
            tasks.append(asyncio.create_task(until_set(asyncio.Event()), name=f"waiter-{number}"))
            for _ in range(300):
                await asyncio.sleep(harness.TICK)
                if ear.events and len(ear.events[-1].finding.core) > number:
                    break
        for task in tasks:
            task.cancel()

    with harness.agent(stuck_after=30.0) as ear:
        asyncio.run(program())
    assert [event.event for event in ear.events] == ["opened", "updated", "updated", "closed"]
    assert [len(event.finding.core) for event in ear.events[:3]] == [1, 2, 3]
    assert "3 tasks" in ear.events[2].finding.title


ORDERS: list[asyncio.Queue[int]] = []
"""What a global keeps reachable for everybody."""


async def consume() -> None:
    while True:
        await ORDERS[0].get()


async def feed(fails: bool) -> None:
    for number in range(3):
        await ORDERS[0].put(number)
        await asyncio.sleep(0.005)
    if fails:
        raise ValueError("no more orders")
    await asyncio.sleep(0.3)
    await ORDERS[0].put(3)


async def serve(fails: bool) -> None:
    ORDERS[:] = [asyncio.Queue()]
    consumer = asyncio.create_task(consume(), name="consumer")
    feeder = asyncio.create_task(feed(fails), name="feeder")
    await asyncio.wait([consumer if fails else feeder], timeout=0.4)
    consumer.cancel()
    await asyncio.wait([consumer, feeder])


def test_when_the_only_producer_of_a_global_queue_has_failed() -> None:
    """Somebody could still put, but nobody seems to be left: suspected, with the story of the last one."""
    with harness.agent(stuck_after=0.1, detect=frozenset({"stuck"})) as ear:
        asyncio.run(serve(fails=True))
    (finding,) = ear.opened()
    assert (finding.kind, finding.verdict, finding.core[0].name) == ("stuck", "suspected", "consumer")
    assert finding.note is not None
    assert "its only producer feeder ended" in finding.note
    assert "ValueError: no more orders" in finding.note
    assert [event.event for event in ear.events] == ["opened", "closed"]


def test_when_the_only_producer_of_a_global_queue_lives() -> None:
    """It may take its time."""
    with harness.agent(stuck_after=0.2, detect=frozenset({"stuck"})) as ear:
        asyncio.run(serve(fails=False))
    assert ear.events == []


def test_when_nothing_can_happen_any_more() -> None:
    """All are asleep and nobody is left to wake them, not even from outside."""
    forgotten = asyncio.Event()

    async def main() -> None:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        heard, write = [], ear.write

        def end(event: Any) -> None:
            write(event)
            heard.append(event)
            if len(heard) == 1:
                loop.call_soon_threadsafe(task.cancel)

        ear.write = end  # type: ignore[method-assign]
        await forgotten.wait()

    with harness.agent(stuck_after=0.1) as ear, pytest.raises(asyncio.CancelledError):
        asyncio.run(main())
    (finding,) = ear.opened()
    assert (finding.kind, finding.verdict) == ("stuck", "suspected")
    assert "nothing can happen in this loop any more" in (finding.note or "")


def test_when_somebody_cancels_right_after_the_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was proven is about one wait of each task, not about a later one."""
    prove = proving.prove
    cancelled: list[Any] = []

    def and_then_cancel(*args: Any, **kwargs: Any) -> Any:
        proof = prove(*args, **kwargs)
        consumers = [task for task in proof.tasks if task.get_name() == "consumer"]
        if consumers and not cancelled:
            cancelled.append(consumers[0].get_loop().call_soon_threadsafe(consumers[0].cancel))
            time.sleep(0.05)
        return proof

    async def program() -> None:
        consumer = asyncio.create_task(asyncio.Queue[int]().get(), name="consumer")
        await asyncio.gather(consumer, return_exceptions=True)
        await asyncio.sleep(0.1)

    monkeypatch.setattr(proving, "prove", and_then_cancel)
    with harness.agent(stuck_after=30.0) as ear:
        asyncio.run(program())
    assert cancelled
    assert ear.events == []


def test_when_a_queue_is_joined_and_its_takers_wait_for_more() -> None:
    """What is missing is the report; the takers wait only because nobody gets beyond the join."""

    async def work(queue: asyncio.Queue[int]) -> None:
        while True:
            if await queue.get() != 1:
                queue.task_done()

    async def program() -> None:
        queue = asyncio.Queue[int]()
        takers = [asyncio.create_task(work(queue)) for _ in range(3)]
        for number in range(6):
            queue.put_nowait(number)
        await queue.join()
        for each in takers:
            each.cancel()

    with harness.agent() as ear:
        (finding,) = harness.run_until_found(program, ear, "stuck")
    assert "a task waits for task_done() calls that nobody can make any more" == finding.title
    assert "call task_done() in a finally after every get()" == finding.help
    assert 4 == len(finding.core)
