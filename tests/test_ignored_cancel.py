"""ignored-cancel: who was cancelled and goes on, or hangs in his clean-up, is told; who cleans up is not."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from typing import Any

import pytest

from unstuck.agent.census import Census
from unstuck.agent.detectors.ignored_cancel import IgnoredCancels
from unstuck.agent.detectors.model import Sight
from unstuck.agent.findings import Event, Finding
from unstuck.agent.sinks.stderr import render
from unstuck.agent.state import State, TaskRecord

from . import harness
from .programs import Pair, Program, cancels
from .programs.cancels import HEALTHY, LONG, PAIRS, never, spawn, ticks

RUNS = int(os.environ.get("UNSTUCK_TEST_RUNS", "50"))
AFTER = 0.15
KINDS = frozenset({"ignored-cancel"})


def findings_of(program: Program, times: int = 1, **changes: Any) -> harness.Ear:
    """What is told of a program that comes to its end."""
    with harness.agent(detect=KINDS, **{"stuck_after": AFTER, **changes}) as ear:
        for _ in range(times):
            harness.run_to_end(program)
        time.sleep(4 * harness.TICK)
    assert {"ignored-cancel"} >= {event.finding.kind for event in ear.events}
    return ear


def finding_of(program: Program) -> Finding:
    (finding,) = findings_of(program).opened("ignored-cancel")
    return finding


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_when_a_cancellation_is_ignored(pair: Pair) -> None:
    """One finding, suspected, with the task; closed when the task ends."""
    ear = findings_of(pair.buggy)
    (finding,) = ear.opened()
    assert ("suspected", pair.core) == (finding.verdict, {task.name for task in finding.core})
    assert AFTER <= finding.age_s
    assert ["opened", "closed"] == [event.event for event in ear.events]


@pytest.mark.parametrize("program", [*(pair.healthy for pair in PAIRS), *HEALTHY], ids=lambda each: each.__name__)
def test_when_a_cancellation_is_honoured(program: Program) -> None:
    """Not a word, in many runs."""
    assert [] == findings_of(program, min(RUNS, 5)).events


def test_when_a_loop_goes_on() -> None:
    """Where it is now, who waits for it, and how to let the cancellation through."""
    finding = finding_of(cancels.retries_whatever_happens)
    (task,) = finding.core
    assert "a task was cancelled and goes on" == finding.title
    assert any("await asyncio.sleep(LONG / 40)" == place.code for place in task.stack)
    assert 1 <= finding.victims
    assert "uncancel" in finding.help


def test_when_a_clean_up_hangs() -> None:
    """It is called that, and the help is another."""
    finding = finding_of(cancels.cleanup_that_stands_still)
    assert "a cancelled task stands still in its clean-up" == finding.title
    assert "await answer" == finding.core[0].stack[-1].code
    assert "bound the clean-up with asyncio.timeout" in finding.help


def test_when_it_keeps_the_run_from_ending() -> None:
    """The main task is gone, the loop still runs: asyncio.run() waits for the task it has cancelled."""

    async def worker() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await never()
        await ticks()

    async def main() -> None:
        main.kept = spawn("worker", worker())  # type: ignore[attr-defined]
        await asyncio.sleep(0.01)

    finding = finding_of(main)
    assert {"worker"} == {task.name for task in finding.core}
    assert "asyncio.run() waits for it to end, so the process does not" == finding.note


def test_when_the_main_task_itself_goes_on() -> None:
    """As after Ctrl-C."""

    async def main() -> None:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().call_later(0.01, task.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await never()
        await ticks()

    finding = finding_of(main)
    assert finding.note is not None
    assert "asyncio.run() waits for it" in finding.note


def test_when_many_tasks_of_one_kind_go_on() -> None:
    """One finding for all of them, which shows a few."""

    async def worker() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(LONG)
        await ticks()

    async def program() -> None:
        tasks = [spawn(f"worker-{number}", worker()) for number in range(20)]
        await asyncio.sleep(0.01)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    finding = finding_of(program)
    assert "20 tasks were cancelled and go on" == finding.title
    assert 3 == len(finding.tasks)


def test_when_it_is_cancelled_again_and_again() -> None:
    """The note counts."""

    async def deaf() -> None:
        for _ in range(6):
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(LONG / 3)

    async def program() -> None:
        task = spawn("deaf", deaf())
        for _ in range(3):
            await asyncio.sleep(0.01)
            task.cancel()
        await asyncio.wait([task])

    assert "cancelled 3 times" == finding_of(program).note


def test_when_it_ends_before_the_threshold() -> None:
    """Nothing is said."""
    assert [] == findings_of(cancels.retries_whatever_happens, stuck_after=30.0).events


def test_when_the_kind_is_left_out() -> None:
    """Not a word."""
    with harness.agent(detect=frozenset({"slow-wait"}), stuck_after=AFTER) as ear:
        harness.run_to_end(cancels.retries_whatever_happens)
    assert [] == ear.events


def test_when_it_is_printed() -> None:
    """It reads well at any width."""
    finding = finding_of(cancels.retries_whatever_happens)
    for width in (80, 160):
        lines = render(Event("opened", time.time(), finding), colour=False, width=width).splitlines()
        assert all(len(line) <= width for line in lines)
        assert lines[0].startswith("ignored-cancel [suspected]  a task was cancelled and goes on · ")


@pytest.mark.skipif(sys.version_info < (3, 12), reason="the eager task factory came with 3.12")
def test_when_the_task_is_eager() -> None:
    """It makes no difference."""

    async def program() -> None:
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        await cancels.suppresses_and_waits_again()

    assert {"serve"} == {task.name for task in finding_of(program).core}


def test_when_there_are_many_tasks_a_look_is_bounded() -> None:
    """A share at each look; the one cancelled task among them is met within a few looks."""

    async def program() -> None:
        tasks = [asyncio.create_task(never()) for _ in range(12_000)]

        async def deaf() -> None:
            with contextlib.suppress(asyncio.CancelledError):
                await never()
            await never()

        one = asyncio.create_task(deaf(), name="deaf")
        await asyncio.sleep(0)
        one.cancel()
        await asyncio.sleep(0)
        state = State()
        state.records = {TaskRecord(task) for task in [*tasks, one]}
        detector, settings = IgnoredCancels(state), harness.settings(stuck_after=1.0, interval=1.0)
        found, spent = [], []
        for look in range(12):
            before = time.thread_time()
            found += detector.look(Sight(state, Census(), settings, float(look)))
            spent.append(time.thread_time() - before)
        assert {"deaf"} == {task.name for finding in found for task in finding.core}
        assert sorted(spent)[len(spent) // 2] < 0.02
        for task in [*tasks, one]:
            task.cancel()
        await asyncio.sleep(0)
        one.cancel()

    asyncio.run(program())


async def anyio_cleanup() -> None:
    """anyio cancels the tasks of a scope again and again until they leave it, but not under a shield."""
    anyio = pytest.importorskip("anyio")

    async def work() -> None:
        try:
            await anyio.sleep(60)
        finally:
            with anyio.CancelScope(shield=True):
                await ticks()

    async with anyio.create_task_group() as group:
        group.start_soon(work, name="work")
        await anyio.sleep(0.01)
        group.cancel_scope.cancel()


async def anyio_scopes_that_end() -> None:
    """Cancelled by their own scopes only; then they go on."""
    anyio = pytest.importorskip("anyio")

    async def work() -> None:
        with anyio.move_on_after(0.01):
            await anyio.sleep(60)
        with contextlib.suppress(TimeoutError), anyio.fail_after(0.01):
            await anyio.sleep(60)
        await ticks()

    async with anyio.create_task_group() as group:
        group.start_soon(work)


async def anyio_thread_that_takes_long() -> None:
    """A thread is waited for, cancelled or not."""
    anyio_thread = pytest.importorskip("anyio.to_thread")

    async with asyncio.TaskGroup() as group:
        task = group.create_task(anyio_thread.run_sync(time.sleep, LONG))
        await asyncio.sleep(0.01)
        task.cancel()


@pytest.mark.parametrize(
    "program", [anyio_cleanup, anyio_scopes_that_end, anyio_thread_that_takes_long], ids=lambda each: each.__name__
)
def test_when_anyio_cancels(program: Program) -> None:
    """Not a word."""
    assert [] == findings_of(program, min(RUNS, 5)).events


def test_when_anyios_shielded_cleanup_stands_still() -> None:
    """It is told like any other."""
    anyio = pytest.importorskip("anyio")

    async def work() -> None:
        try:
            await anyio.sleep(60)
        finally:
            with anyio.CancelScope(shield=True):
                await never()

    async def program() -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2 * LONG):
                async with anyio.create_task_group() as group:
                    group.start_soon(work, name="work")
                    await anyio.sleep(0.01)
                    group.cancel_scope.cancel()

    async def watched() -> None:
        task = asyncio.create_task(program())
        await asyncio.sleep(LONG)
        for each in asyncio.all_tasks() - {asyncio.current_task(), task}:
            each.cancel()
        with contextlib.suppress(BaseException):
            await task

    (finding,) = findings_of(watched).opened()
    assert {"work"} == {task.name for task in finding.core}
