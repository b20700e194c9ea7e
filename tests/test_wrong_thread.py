"""wrong-thread: a loop that sleeps over a ready callback is told, and not woken for it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from unstuck.agent.findings import Finding
from unstuck.agent.threads import sleepers, world

from . import harness
from .programs.wrong_threads import BUGGY, Wrong, event_set

RUNS = int(os.environ.get("UNSTUCK_TEST_RUNS", "50"))
DEBUG = "PYTHONASYNCIODEBUG" in os.environ
ONLY = frozenset({"wrong-thread"})
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")


class Foreign:
    """Calls things in another thread, and wakes the loop when something was said, or at the end of patience."""

    def __init__(self, ear: harness.Ear, patience: float, safely: bool = False) -> None:
        self.ear, self.patience, self.safely = ear, patience, safely
        self.turned: float | None = None
        self.threads: list[threading.Thread] = []

    def later(self, call: Callable[..., Any], *args: Any) -> None:
        thread = threading.Thread(target=self.run, args=(asyncio.get_running_loop(), call, *args), name="foreign")
        self.threads.append(thread)
        thread.start()

    def run(self, loop: Any, call: Callable[..., Any], *args: Any) -> None:
        _until_asleep(loop)
        if self.safely:
            loop.call_soon_threadsafe(call, *args)
        else:
            call(*args)
        deadline = time.monotonic() + self.patience
        while not self.ear.events and time.monotonic() < deadline:
            time.sleep(0.005)
        with contextlib.suppress(RuntimeError):  # closed
            loop.call_soon_threadsafe(lambda: None)

    def join(self) -> None:
        for thread in self.threads:
            thread.join()


def _until_asleep(loop: Any) -> None:
    """Wait until the loop is in its selector with nothing to do; uvloop does not show."""
    time.sleep(0.02 if hasattr(loop, "_ready") else 0.2)
    while getattr(loop, "_ready", None) or _top(loop) != "select":
        time.sleep(0.005)


def _top(loop: Any) -> str:
    if not hasattr(loop, "_thread_id"):
        return "select"
    frame = sys._current_frames().get(loop._thread_id)
    return frame.f_code.co_name if frame is not None else ""


def run(wrong: Wrong, ear: harness.Ear, patience: float = 5.0, **how: Any) -> list[Finding]:
    """Run a program until something is said of it, which ends it."""
    foreign = Foreign(ear, patience, **how)

    async def program() -> None:
        await wrong.program(foreign.later)

    asyncio.run(program())
    foreign.join()
    return ear.opened()


def event_set_by(ear: harness.Ear, patience: float) -> list[Finding]:
    return run(next(each for each in BUGGY if each.program is event_set), ear, patience)


@pytest.mark.skipif(DEBUG, reason="asyncio's debug mode raises in the foreign thread")
@pytest.mark.parametrize("wrong", BUGGY, ids=str)
def test_when_a_foreign_thread_completes_something(wrong: Wrong) -> None:
    """The task, what it waited for and the remedy are told; closed when the loop turns."""
    with harness.agent(detect=ONLY) as ear:
        (finding,) = run(wrong, ear)
        deadline = time.monotonic() + 5
        while not ear.named("closed") and time.monotonic() < deadline:
            time.sleep(harness.TICK)
        assert ["opened", "closed"] == [event.event for event in ear.events]
    assert ("wrong-thread", "suspected") == (finding.kind, finding.verdict)
    assert [wrong.task] == [task.name for task in finding.core]
    assert [wrong.type] == [each.type for each in finding.resources] or not finding.resources
    assert (wrong.type is None) == (not finding.resources)
    assert wrong.help in finding.help
    assert finding.age_s >= 0.1


@pytest.mark.parametrize("wrong", BUGGY, ids=str)
def test_when_it_goes_through_the_loop(wrong: Wrong) -> None:
    """Not a word, in many runs."""
    with harness.agent(slow_wait_after=1.0) as ear:
        for _ in range(min(RUNS, 10)):
            run(wrong, ear, patience=0.0, safely=True)
    assert [] == ear.events


@pytest.mark.skipif(DEBUG, reason="asyncio's debug mode raises in the foreign thread")
def test_when_only_one_thread_refers_to_it() -> None:
    """That thread is named."""
    with harness.agent(detect=ONLY) as ear:
        (finding,) = event_set_by(ear, patience=5.0)
    if sys.version_info >= (3, 13):
        assert "the only other thread that refers to it is foreign" == finding.note
    else:
        assert finding.note is not None


@pytest.mark.skipif(DEBUG, reason="asyncio's debug mode raises in the foreign thread")
def test_when_the_loop_is_asleep_the_agent_lets_it_sleep() -> None:
    """However often the agent looks, and whatever it looks for, the callback does not run before somebody wakes it."""
    with harness.agent() as ear:
        foreign = Foreign(ear, patience=0.5)
        ran: list[float] = []

        async def program() -> None:
            event = asyncio.Event()
            foreign.later(event.set)
            await event.wait()
            ran.append(time.monotonic())

        started = time.monotonic()
        harness_end = threading.Event()
        ear.events = _NoEvents(harness_end)
        asyncio.run(program())
        foreign.join()
    assert ran[0] - started >= 0.5
    assert harness_end.is_set()


class _NoEvents(list[Any]):
    """Takes note that something was said, but looks empty, so that nobody wakes the loop for it."""

    def __init__(self, said: threading.Event) -> None:
        super().__init__()
        self.said = said

    def append(self, event: Any) -> None:
        self.said.set()


def test_when_a_signal_handler_completes_something() -> None:
    """No foreign thread is needed: the selector goes on sleeping after the handler."""
    with harness.agent(detect=ONLY) as ear:

        async def program() -> None:
            event = asyncio.Event()
            signal.signal(signal.SIGUSR1, lambda *_: event.set())
            foreign = Foreign(ear, patience=5.0)
            foreign.later(os.kill, os.getpid(), signal.SIGUSR1)
            await event.wait()
            foreign.join()

        with _restored(signal.SIGUSR1):
            asyncio.run(program())
    assert ["wrong-thread"] == [finding.kind for finding in ear.opened()]


@contextlib.contextmanager
def _restored(number: int) -> Iterator[None]:
    before = signal.getsignal(number)
    try:
        yield
    finally:
        signal.signal(number, before)


def test_when_the_loop_is_busy_or_idle() -> None:
    """A loop with much to do, one with nothing to do, and one that computes: not a word."""

    async def program() -> None:
        until = time.monotonic() + 0.15
        while time.monotonic() < until:
            await asyncio.gather(*(asyncio.sleep(0) for _ in range(20)))
        await asyncio.sleep(0.2)
        asyncio.get_running_loop().call_soon(int)
        time.sleep(0.2)
        await asyncio.sleep(0)

    with harness.agent(detect=ONLY) as ear:
        asyncio.run(program())
    assert [] == ear.events


def test_when_many_threads_wake_the_loop() -> None:
    """Threads that compete for the interpreter wake it late, but they do."""

    async def program() -> None:
        loop, until = asyncio.get_running_loop(), time.monotonic() + 0.4

        def work() -> None:
            while time.monotonic() < until:
                loop.call_soon_threadsafe(int)
                sum(range(2000))

        await asyncio.gather(*(asyncio.to_thread(work) for _ in range(6)))

    with harness.agent(detect=ONLY) as ear:
        for _ in range(min(RUNS, 5)):
            asyncio.run(program())
    assert [] == ear.events


def test_when_the_loops_thread_waits_for_a_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    """A starved thread does not sleep."""
    monkeypatch.setattr(sleepers, "is_runnable", lambda _native: True)
    with harness.agent(detect=ONLY) as ear:
        assert [] == event_set_by(ear, patience=0.4)


def test_when_the_loops_thread_has_run_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that spends processor time does not sleep."""
    ticking = itertools.count()
    monkeypatch.setattr(world, "cpu_ns", lambda _native: next(ticking))
    with harness.agent(detect=ONLY) as ear:
        assert [] == event_set_by(ear, patience=0.4)


@pytest.mark.skipif(DEBUG, reason="asyncio's debug mode raises in the foreign thread")
def test_when_processor_time_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes a second to be sure."""
    monkeypatch.setattr(world, "cpu_ns", lambda _native: None)
    with harness.agent(detect=ONLY) as ear:
        (finding,) = event_set_by(ear, patience=5.0)
    assert finding.age_s >= 1.0


@pytest.mark.skipif(DEBUG, reason="asyncio's debug mode raises in the foreign thread")
def test_on_uvloop() -> None:
    """The same there."""
    uvloop = pytest.importorskip("uvloop")
    with harness.agent(detect=ONLY) as ear:
        foreign = Foreign(ear, patience=5.0)

        async def program() -> None:
            await event_set(foreign.later)

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(program())
        foreign.join()
    assert [("wrong-thread", "waiter")] == [(each.kind, each.core[0].name) for each in ear.opened()]
