"""Suspicion: told is a wait whose wakers are gone, with who they were; idle programs are never suspected."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
import time
import warnings
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

import unstuck
from unstuck.agent import api, quiet
from unstuck.agent.quiet import may_happen
from unstuck.agent.suspicion import Reason, still, suspects
from unstuck.agent.waits.joiners import joiners
from unstuck.agent.watchdog import Watchdog
from unstuck.exporters.sink import _Worker

from . import harness
from .corpus import Case, cases, run
from .programs import Program
from .programs.deadlocks import PAIRS as DEADLOCKS
from .programs.left import IDLE, KEPT, LEFT, SERVERS, Left
from .programs.stuck import PAIRS as STUCK
from .programs.traps import TRAPS

RUNS = int(os.environ.get("UNSTUCK_TEST_RUNS", "50"))
AWHILE = 0.06


@pytest.fixture(autouse=True)
def _on() -> Iterator[None]:
    """The agent is on, and looks at nothing by itself; of the threads of the tests before none is left."""
    end = time.monotonic() + 1.0
    while quiet.acting([])[2] and time.monotonic() < end:
        time.sleep(0.01)
    unstuck.install(harness.settings(interval=60.0))
    yield
    unstuck.uninstall()
    KEPT.clear()


def parked(loop: Any) -> list[Any]:
    return [task for task in asyncio.all_tasks(loop) if task._fut_waiter is not None]  # type: ignore[attr-defined]


def look_at(program: Program, from_thread: bool = False) -> dict[str, Reason]:
    """Run the program for a while, give the reasons by the task's name, end it."""
    found: dict[str, Reason] = {}

    def look() -> None:
        tasks = parked(loop)
        for key, reason in suspects(tasks, api.current().state).items():
            task = next(each for each in tasks if id(each) == key)
            found[task.get_name()] = reason
            assert from_thread or still(reason, task)

    def end() -> None:
        for server in list(SERVERS):
            server.close()
        main.cancel()

    failures: list[Exception] = []

    def look_once() -> None:
        try:
            look()
        except Exception as failure:  # noqa: BLE001 - whatever it is, it is told in the main thread
            failures.append(failure)

    def watch() -> None:
        time.sleep(AWHILE)
        look_once()
        loop.call_soon_threadsafe(end)

    with asyncio.Runner() as runner, contextlib.suppress(asyncio.CancelledError):
        loop = runner.get_loop()
        loop.set_exception_handler(lambda *_: None)
        main = loop.create_task(program(), name="main")  # type: ignore[arg-type]
        if from_thread:
            threading.Thread(target=watch).start()
        else:
            loop.call_later(AWHILE, lambda: (look_once(), end()))
        loop.run_until_complete(main)
    if failures:
        raise failures[0]
    return found


@pytest.mark.parametrize("case", LEFT, ids=str)
def test_when_the_wakers_are_gone(case: Left) -> None:
    """Exactly the tasks that are left waiting, and why."""
    found = look_at(case.program)
    assert case.tasks == set(found)
    note = next(reason.note for name, reason in found.items() if name == sorted(case.tasks)[0])
    assert [] == [word for word in case.words if word not in note], note


@pytest.mark.parametrize("program", IDLE, ids=lambda each: each.__name__)
def test_when_a_program_is_idle(program: Program) -> None:
    """Not a word, in many runs."""
    for _ in range(max(1, RUNS // 10)):
        assert {} == look_at(program)


@pytest.mark.parametrize("case", [each for each in LEFT if "nothing" not in str(each.words)], ids=str)
def test_when_looked_at_from_a_thread(case: Left) -> None:
    """As in the loop, save where a thread beside the loop may be why somebody comes again."""
    found = look_at(case.program, from_thread=True)
    assert set(found) <= case.tasks


@pytest.mark.parametrize("program", IDLE, ids=lambda each: each.__name__)
def test_when_an_idle_program_is_looked_at_from_a_thread(program: Program) -> None:
    """Not a word either."""
    assert {} == look_at(program, from_thread=True)


# -- healthy programs, looked at all the time --------------------------------------------------------------


class Sceptic:
    """Looks before each turn of a loop; whoever is suspected, and goes on all the same, was suspected wrongly."""

    def __init__(self) -> None:
        self.suspected: dict[int, tuple[Any, Any, Reason]] = {}
        self.wrong: list[str] = []

    def look(self, loop: Any) -> None:
        for key, (task, future, reason) in list(self.suspected.items()):
            living, awaited = task(), future()
            if living is not None and living._fut_waiter is awaited is not None:
                continue
            del self.suspected[key]
            stopped = awaited is not None and awaited.cancelled()
            if living is not None and not living.cancelling() and not stopped:
                self.wrong.append(f"{living.get_name()}: {reason.note}")
        tasks = parked(loop)
        for key, reason in suspects(tasks, api.current().state).items():
            task = next(each for each in tasks if id(each) == key)
            self.suspected.setdefault(key, (weakref.ref(task), weakref.ref(task._fut_waiter), reason))


@pytest.fixture
def sceptic(monkeypatch: pytest.MonkeyPatch) -> Sceptic:
    looking, run_once = Sceptic(), asyncio.BaseEventLoop._run_once  # type: ignore[attr-defined]

    def look_and_run(self: Any) -> None:
        looking.look(self)
        run_once(self)

    monkeypatch.setattr(asyncio.BaseEventLoop, "_run_once", look_and_run)
    return looking


HEALTHY = [*TRAPS, *(pair.healthy for pair in STUCK), *(pair.healthy for pair in DEADLOCKS)]


@pytest.mark.parametrize("program", HEALTHY, ids=lambda each: each.__name__)
def test_when_a_healthy_program_is_looked_at_all_the_time(program: Program, sceptic: Sceptic) -> None:
    """Nobody is suspected who goes on by himself."""
    harness.run_to_end(program)
    assert [] == sceptic.wrong


@pytest.mark.parametrize("case", [case for case in cases() if case.is_async and not case.parked], ids=lambda c: c.name)
def test_when_a_mended_program_is_looked_at_all_the_time(case: Case, sceptic: Sceptic) -> None:
    """Nor in the corpus."""
    if run.why_not(case) or case.apart:
        pytest.skip("runs elsewhere")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        asyncio.run(case.program(True))
    assert [] == sceptic.wrong


# -- what may still happen in a loop -----------------------------------------------------------------------


def what_may_happen(prepare: Any, at_last: Any = lambda _loop: None, undo: Any = lambda _loop: None) -> str | None:
    """The answer in a loop after ``prepare(loop)`` and, just before the question, ``at_last(loop)``."""
    answer: list[str | None] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        prepare(loop)
        asked = asyncio.Event()

        def ask() -> None:
            at_last(loop)
            answer.append(may_happen(loop))
            asked.set()

        time.sleep(0.05)  # until the system has seen off the threads of the tests before
        loop.call_soon(ask)
        try:
            await asked.wait()
        finally:
            undo(loop)

    asyncio.run(main())
    return answer[0]


def test_when_everybody_sleeps_for_good() -> None:
    """Nothing may happen; the agent's own thread does not count."""
    assert what_may_happen(lambda _loop: None) is None


def test_when_a_thread_begins_with_the_agents_code() -> None:
    """Ours are those that begin where ours do; a generator of ours that another thread has left looks alike."""
    assert {Watchdog._run.__qualname__, _Worker.run.__qualname__} == set(quiet._BEGINNINGS)
    assert not quiet._is_ours(joiners(None).gi_frame)  # type: ignore[attr-defined]


def test_when_a_timer_is_pending() -> None:
    """A timer may; one that was cancelled may not."""
    assert "a timer" == what_may_happen(lambda loop: loop.call_later(60, print))
    assert what_may_happen(lambda loop: loop.call_later(60, print).cancel()) is None


def test_when_a_callback_is_ready() -> None:
    """It may do anything."""
    assert "a callback" == what_may_happen(lambda loop: None, lambda loop: loop.call_soon(int))


def test_when_a_descriptor_is_watched() -> None:
    """Something may come."""
    reading, writing = os.pipe()
    try:
        told = what_may_happen(
            lambda loop: loop.add_reader(reading, print), undo=lambda loop: loop.remove_reader(reading)
        )
        assert "a descriptor that is watched (1)" == told
    finally:
        os.close(reading)
        os.close(writing)


def test_when_a_signal_is_handled() -> None:
    """By the loop or by Python; the interrupt from the keyboard is nobody's plan."""
    told = what_may_happen(
        lambda loop: loop.add_signal_handler(signal.SIGUSR1, print),
        undo=lambda loop: loop.remove_signal_handler(signal.SIGUSR1),
    )
    assert "a signal that the loop handles" == told
    before = signal.signal(signal.SIGUSR2, lambda *_: None)
    try:
        assert "the signal SIGUSR2" == what_may_happen(lambda _loop: None)
    finally:
        signal.signal(signal.SIGUSR2, before)


def test_when_a_thread_lives() -> None:
    """It may call; a worker that waits for a job may not."""
    over = threading.Event()
    thread = threading.Thread(target=over.wait, name="pump")
    thread.start()
    try:
        assert "the thread pump" == what_may_happen(lambda _loop: None)
    finally:
        over.set()
        thread.join()

    async def with_an_executor() -> None:
        loop = asyncio.get_running_loop()
        await asyncio.to_thread(int)
        await asyncio.sleep(0.05)
        assert may_happen(loop) is None

    asyncio.run(with_an_executor())


def test_when_a_child_process_runs() -> None:
    """Its end is watched one way or another."""

    async def main() -> None:
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", "input()", stdin=asyncio.subprocess.PIPE)
        told = may_happen(asyncio.get_running_loop())
        process.kill()
        await process.wait()
        assert told is not None

    asyncio.run(main())


def test_when_asked_from_a_thread_while_the_loop_works() -> None:
    """What it is doing now may do anything."""
    answers: list[str | None] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        thread = threading.Thread(target=lambda: answers.append(may_happen(loop)))
        thread.start()
        thread.join()

    asyncio.run(main())
    assert ["what the loop is doing now"] == answers
