"""deadlock across threads: loops, threads, executors and threads' locks are parties too."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import CancelledError, Future
from pathlib import Path
from typing import Any

import pytest

from unstuck.agent.findings import Finding
from unstuck.agent.threads import world

from . import harness
from .children import environment
from .programs import Pair, Program
from .programs.threads import PAIRS, TRAPS, start

RUNS = int(os.environ.get("UNSTUCK_TEST_RUNS", "50"))
ROOT = Path(__file__).resolve().parents[1]


def records_of(name: str) -> list[dict[str, Any]]:
    """What the agent says of the pair's buggy program, run in a process of its own."""
    kept = {key: value for key in ("PYTHONPATH", "PYTHONASYNCIODEBUG") if (value := os.environ.get(key))}
    done = subprocess.run(
        [sys.executable, "-m", "tests.programs.threads", name],
        env=environment(**kept),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (0, "") == (done.returncode, done.stderr), done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_when_threads_deadlock(pair: Pair) -> None:
    """One finding with the right verdict, core and victims."""
    check_anyio(pair.buggy)
    told = [(r["event"], r["kind"], r["verdict"], core_of(r), r["victims"]) for r in records_of(str(pair))]
    assert [("opened", "deadlock", pair.verdict, pair.core, pair.victims)] == told


def check_anyio(program: Program) -> None:
    """anyio may not be installed; what its threads run is known since Python 3.13 only."""
    if "anyio" in program.__name__:
        pytest.importorskip("anyio")
        if sys.version_info < (3, 13):
            pytest.skip("anyio's frames are not read before Python 3.13")


def core_of(record: dict[str, Any]) -> frozenset[str]:
    return frozenset(task["name"] for task in record["tasks"] if task["role"] == "core")


TWINS = {pair.healthy.__name__: pair.healthy for pair in PAIRS}


@pytest.mark.parametrize("program", TWINS.values(), ids=TWINS)
def test_when_the_healthy_twin_runs(program: Program) -> None:
    """Not a word, in many runs."""
    check_anyio(program)
    with harness.agent(slow_wait_after=1.0, stuck_after=1.0) as ear:
        for _ in range(RUNS):
            harness.run_to_end(program)
    assert [] == ear.events


@pytest.mark.parametrize("program", TRAPS, ids=lambda each: each.__name__)
def test_when_threads_only_look_deadlocked(program: Program) -> None:
    """A way out is a way out: nothing is proven, nor suspected before its time."""
    with harness.agent(slow_wait_after=1.0, stuck_after=30.0) as ear:
        for _ in range(min(RUNS, 10)):
            harness.run_to_end(program)
    assert [] == ear.events


def test_when_a_loop_and_a_worker_wait_for_each_other() -> None:
    """Both are told with their lines, the lock with its holder, and the loop as what the handler keeps."""
    (record,) = records_of("worker_asks_while_it_holds")
    parties = {task["name"]: task for task in record["tasks"]}
    lock, loop = sorted(record["resources"], key=lambda each: each["type"], reverse=True)
    assert ("threading.Lock", [parties["worker"]["id"]]) == (lock["type"], lock["holders"])
    assert ("event loop", [parties["handler"]["id"]]) == (loop["type"], loop["holders"])
    assert lock["id"] == parties["handler"]["waits_for"]
    assert loop["id"] == parties["worker"]["waits_for"]
    assert "the event loop of MainThread" == loop["name"]
    assert "with lock:" == parties["worker"]["held_at"][lock["id"]]["code"]
    own = [place for place in parties["worker"]["stack"] if place["file"].endswith("programs/threads.py")]
    assert "ask(touch(), loop).result()" == own[-1]["code"]


def test_when_an_executor_is_full_of_its_own_waiters() -> None:
    """The executor is told with its units and who keeps them."""
    (record,) = records_of("jobs_wait_for_jobs_of_their_pool")
    (pool,) = record["resources"]
    assert ("ThreadPoolExecutor", 2) == (pool["type"], pool["units"])
    assert sorted(pool["holders"]) == sorted(task["id"] for task in record["tasks"])
    assert "executor of their own" in record["help"]


class Knot:
    """Two daemon threads in a deadlock that the test can end: each holds a lock; both wait for futures."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.runner = start("runner", self.loop.run_forever)
        self.asked: Future[None] = Future()
        self.lock = threading.Lock()
        start("worker", self.work)
        time.sleep(0.02)
        self.loop.call_soon_threadsafe(self.block)

    def work(self) -> None:
        with self.lock:
            time.sleep(0.04)
            self.asked = asyncio.run_coroutine_threadsafe(asyncio.sleep(0), self.loop)
            with contextlib.suppress(CancelledError):
                self.asked.result()

    def block(self) -> None:
        self.lock.acquire()

    def end(self) -> None:
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0.01), self.loop).result()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.runner.join()
        self.loop.close()


def wait_for(ear: harness.Ear, event: str) -> list[Finding]:
    deadline = time.monotonic() + 5
    while not ear.named(event) and time.monotonic() < deadline:
        time.sleep(harness.TICK)
    return ear.named(event)


def test_when_a_proven_deadlock_moves_after_all() -> None:
    """Somebody else releases the lock: the agent was wrong, and says so."""
    with harness.agent() as ear:
        knot = Knot()
        (opened,) = wait_for(ear, "opened")
        knot.lock.release()
        (retracted,) = wait_for(ear, "retracted")
        knot.end()
    assert ("deadlock", "proven") == (opened.kind, opened.verdict)
    assert opened.id == retracted.id
    assert [] == ear.named("closed")


def test_when_the_threads_have_run_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has spent processor time between two looks may have moved, however alike the looks are."""
    ticking = itertools.count()
    monkeypatch.setattr(world, "cpu_ns", lambda _native: next(ticking))
    with harness.agent() as ear:
        knot = Knot()
        time.sleep(0.3)
        assert [] == ear.events
        knot.asked.cancel()
        knot.end()


def test_when_processor_time_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then it is proven by a look that fits into one hold of the interpreter."""
    monkeypatch.setattr(world, "cpu_ns", lambda _native: None)
    with harness.agent() as ear:
        knot = Knot()
        (opened,) = wait_for(ear, "opened")
        knot.asked.cancel()
        knot.end()
    assert "proven" == opened.verdict


def test_when_processor_time_cannot_be_read_and_looks_take_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is certain then."""
    monkeypatch.setattr(world, "cpu_ns", lambda _native: None)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with harness.agent() as ear:
            knot = Knot()
            time.sleep(0.3)
            assert [] == ear.events
            knot.asked.cancel()
            knot.end()
    finally:
        sys.setswitchinterval(before)


def test_when_a_deadlock_is_ended_from_outside() -> None:
    """The job that a thread waits for is cancelled: the finding is closed."""
    with harness.agent() as ear:
        knot = Knot()
        (opened,) = wait_for(ear, "opened")
        knot.asked.cancel()
        (closed,) = wait_for(ear, "closed")
        knot.end()
    assert opened.id == closed.id
    assert [] == ear.named("retracted")


def test_when_the_agent_leaves_first() -> None:
    """What is still so is closed with a note."""
    with harness.agent() as ear:
        knot = Knot()
        wait_for(ear, "opened")
    assert ["still so when the agent was switched off"] == [finding.note for finding in ear.named("closed")]
    knot.asked.cancel()
    knot.end()
