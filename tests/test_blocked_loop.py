"""blocked-loop: what keeps the loop is told with its stack; busy and idle loops are left in peace."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import threading
import time
from collections.abc import Callable

import pytest

from unstuck.agent.detectors import blocked_loop
from unstuck.agent.detectors.blocked_loop import LoopWatch
from unstuck.agent.findings import Finding
from unstuck.agent.processor import counts_finely
from unstuck.agent.state import State

from . import harness
from .programs import Pair, Program, blocked
from .programs.blocked import BLOCK, HEALTHY, PAIRS, compute, slow_driver

RUNS = int(os.environ.get("UNSTUCK_TEST_RUNS", "50"))
AFTER = 0.1
GENEROUS = 0.5
"""A threshold that no healthy program reaches, however busy the machine is."""


def find(name: str) -> Finding:
    """The finding of the pair's blocking program of that name."""
    blocking = next(pair.buggy for pair in PAIRS if str(pair) == name)
    with harness.agent(blocked_loop_after=AFTER) as ear:
        harness.run_to_end(blocking)
        (finding,) = ear.opened()
    return finding


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_when_the_loop_is_blocked(pair: Pair) -> None:
    """One finding with its culprit, whose innermost line is the blocking one; closed when the loop turns."""
    with harness.agent(blocked_loop_after=AFTER) as ear:
        harness.run_to_end(pair.buggy)
        time.sleep(2 * AFTER)
        events = [(event.event, event.finding.kind, event.finding.verdict) for event in ear.events]
    assert [("opened", pair.kind, pair.verdict), ("closed", pair.kind, pair.verdict)] == events
    opened, closed = (event.finding for event in ear.events)
    (culprit,) = opened.tasks
    assert pair.core == {culprit.name}
    own = [place for place in culprit.stack if place.file == blocked.__file__]
    computing = own[-1].function == "compute"  # the line inside compute() at the moment of the look varies
    assert "# blocks" in own[-2 if computing else -1].code
    assert AFTER <= opened.age_s < closed.age_s < BLOCK + 5
    assert opened.id == closed.id


@pytest.mark.parametrize("program", [*(pair.healthy for pair in PAIRS), *HEALTHY], ids=lambda each: each.__name__)
def test_when_the_loop_turns(program: Program) -> None:
    """Not a word, in many runs."""
    with harness.agent(blocked_loop_after=GENEROUS) as ear:
        for _ in range(RUNS):
            harness.run_to_end(program)
    assert [] == ear.events


def test_when_a_call_blocks() -> None:
    """The stack goes from the task's coroutine to the blocking call, without a frame of asyncio's."""
    (culprit,) = find("sleep_in_a_task").tasks
    assert ["sleep_in_a_task.<locals>.handle", "slow_driver"] == [place.function for place in culprit.stack]
    assert "time.sleep(BLOCK)  # blocks" == culprit.stack[-1].code
    assert "sleep_in_a_task.<locals>.handle" == culprit.coro


def test_when_a_call_blocks_the_creator_is_told() -> None:
    """Where the culprit was created is in the record."""
    created = find("sleep_in_a_task").tasks[0].created_at
    assert created is not None
    assert "create_task" in created.code


def test_when_the_step_ends_while_it_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then no task is current any more; whose step it was is known all the same."""
    monkeypatch.setattr(blocked_loop, "_current_task", lambda _loop: None)
    pair = PAIRS[0]
    with harness.agent(blocked_loop_after=AFTER) as ear:
        harness.run_to_end(pair.buggy)
    assert {pair.core} == {frozenset(task.name for task in finding.tasks) for finding in ear.opened()}


def test_when_a_plain_callback_blocks() -> None:
    """The note says that it is no task, and the stack begins with the callback."""
    finding = find("sleep_in_a_callback")
    assert "a plain callback, not a task" == finding.note
    assert ["slow_driver"] == [place.function for place in finding.tasks[0].stack]


def _job() -> None:
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        pool.submit(time.sleep, BLOCK).result()


def _thread() -> None:
    thread = threading.Thread(target=time.sleep, args=(BLOCK,))
    thread.start()
    thread.join()


_GUARD = threading.Lock()


def _lock() -> None:
    _GUARD.acquire()
    threading.Timer(BLOCK, _GUARD.release).start()
    with _GUARD:
        pass


@pytest.mark.parametrize(
    ("wait", "way_out"), [(_job, "asyncio.wrap_future"), (_thread, "to_thread(thread.join)"), (_lock, "asyncio.Lock")]
)
def test_when_the_loop_waits_for_another_thread(wait: Callable[[], None], way_out: str) -> None:
    """The help is about what it waits for."""

    async def program() -> None:
        wait()

    with harness.agent(blocked_loop_after=AFTER) as ear:
        asyncio.run(program())
    assert [True] == [way_out in finding.help for finding in ear.opened("blocked-loop")]


def test_when_it_blocks_again() -> None:
    """Each block is a finding of its own, with the same id when it is the same place."""

    async def program() -> None:
        for _ in range(2):
            slow_driver()
            await asyncio.sleep(2 * AFTER)

    with harness.agent(blocked_loop_after=AFTER) as ear:
        asyncio.run(program())
    assert ["opened", "closed"] * 2 == [event.event for event in ear.events]
    assert 1 == len({event.finding.id for event in ear.events})


def test_when_the_loop_ends_while_it_is_blocked() -> None:
    """The finding is closed, though the loop never turned again."""

    async def program() -> None:
        slow_driver()

    with harness.agent(blocked_loop_after=AFTER) as ear:
        asyncio.run(program())
        time.sleep(2 * AFTER)
        assert ["opened", "closed"] == [event.event for event in ear.events]


def test_when_one_of_two_loops_is_blocked() -> None:
    """Only that one is told."""

    async def idle() -> None:
        await asyncio.sleep(BLOCK)

    async def stands() -> str:
        slow_driver()
        await asyncio.sleep(0)
        return f"{id(asyncio.get_running_loop()):x}"

    with harness.agent(blocked_loop_after=AFTER) as ear:
        thread = threading.Thread(target=lambda: asyncio.run(idle()))
        thread.start()
        loop = asyncio.run(stands())
        thread.join()
    assert [loop] == [finding.loop.rpartition("-")[2] for finding in ear.opened()]


def test_when_another_thread_computes() -> None:
    """Whoever takes the interpreter from an idle loop does not block it."""

    async def program() -> None:
        await asyncio.gather(asyncio.to_thread(compute, 0.5), asyncio.sleep(0.5))

    with harness.agent(blocked_loop_after=GENEROUS) as ear:
        asyncio.run(program())
    assert [] == ear.events


def test_when_the_loop_was_there_before_the_agent() -> None:
    """It is watched as soon as one of its tasks was seen."""

    async def program() -> None:
        with harness.agent(blocked_loop_after=AFTER) as ear:
            await asyncio.sleep(2 * AFTER)
            slow_driver()
            await asyncio.sleep(2 * AFTER)
        assert ["opened", "closed"] == [event.event for event in ear.events]

    asyncio.run(program())


def test_when_blocked_loop_is_left_out() -> None:
    """Nothing, however long the block."""

    async def program() -> None:
        slow_driver()

    with harness.agent(blocked_loop_after=AFTER, detect=frozenset({"deadlock"})) as ear:
        asyncio.run(program())
    assert [] == ear.events


@pytest.mark.skipif(not counts_finely(), reason="the kernel does not tell what a thread has spent")
def test_when_a_loop_sleeps_it_is_not_looked_at() -> None:
    """Until its thread has run again, however briefly, and while it is kept."""
    state, loop = State(), asyncio.new_event_loop()
    watch, thread = LoopWatch(state, AFTER), threading.Thread(target=loop.run_forever)
    state.note_loop(loop)
    thread.start()

    def falls_asleep() -> bool:
        deadline = time.monotonic() + 60
        while not watch.rests() and time.monotonic() < deadline:
            watch.look(time.monotonic())
        return watch.rests()

    def run(callback: Callable[[], object]) -> None:
        called = threading.Event()
        loop.call_soon_threadsafe(lambda: (called.set(), callback()))
        called.wait()

    assert falls_asleep()
    run(int)
    assert not watch.rests()
    assert falls_asleep()
    free = threading.Event()
    run(free.wait)
    assert not watch.rests()
    watch.look(time.monotonic())
    assert not watch.rests()
    free.set()
    assert falls_asleep()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.mark.skipif(not counts_finely(), reason="the kernel does not tell what a thread has spent")
def test_when_a_loop_sleeps_over_a_callback_it_is_looked_at() -> None:
    """Nobody has woken it: that is for wrong-thread to see."""
    state, loop = State(), asyncio.new_event_loop()
    watch = LoopWatch(state, AFTER)
    state.note_loop(loop)
    watch.look(time.monotonic())
    assert watch.rests()
    loop.call_soon(int)
    assert not watch.rests()
    loop.close()
