"""When a wait that is parked is put to the proof again (``agent.prospects``), and when that is spared."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
from typing import Any

import pytest

from unstuck.agent import processor, prospects
from unstuck.agent.prospects import Prospects
from unstuck.agent.state import TaskRecord

STUCK_AFTER = 30.0


class Schedule:
    """Prospects of one wait that costs nothing to look at, and a process in which nothing runs but when told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.freed = 1_000.0, 0
        self.spent: dict[int, int] | None = {1: 0}
        monkeypatch.setattr(prospects.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(prospects, "others", lambda: None if self.spent is None else dict(self.spent))
        monkeypatch.setattr(gc, "get_stats", lambda: [{"collected": self.freed}])
        self.loop = asyncio.new_event_loop()
        self.task = self.loop.create_task(asyncio.sleep(0))
        self.record = TaskRecord(self.task)
        self.record.witness, self.record.moved = 1, self.now
        self.prospects = Prospects(1.0, STUCK_AFTER)
        self.parked = [self.record]

    def run(self) -> None:
        assert self.spent is not None
        self.spent[1] += 20_000

    def ticks(self, count: int) -> int:
        """How often the wait is looked at in so many ticks."""
        looked = 0
        for _ in range(count):
            self.now += 1.0
            due, self.parked = self.prospects.due(self.parked), []
            looked += len(due)
            self.prospects.looked(0.0)
        return looked

    def close(self) -> None:
        self.loop.run_until_complete(self.task)
        self.loop.close()


@pytest.fixture
def schedule(monkeypatch: pytest.MonkeyPatch) -> Any:
    made = Schedule(monkeypatch)
    yield made
    made.close()


def test_while_others_run_every_second_tick(schedule: Schedule) -> None:
    looks = 0
    for _ in range(10):
        schedule.run()
        looks += schedule.ticks(1)
    assert looks == 5


def test_while_nothing_runs_it_is_looked_at_once(schedule: Schedule) -> None:
    assert schedule.ticks(20) == 1


def test_when_something_has_run_it_is_looked_at_again(schedule: Schedule) -> None:
    assert schedule.ticks(5) == 1
    schedule.run()
    assert schedule.ticks(2) == 1
    assert schedule.ticks(10) == 0


def test_when_the_collector_has_freed_something(schedule: Schedule) -> None:
    assert schedule.ticks(5) == 1
    schedule.freed = 3
    assert schedule.ticks(2) == 1


def test_when_it_has_grown_old(schedule: Schedule) -> None:
    """Suspected are old waits only, so one look more is due."""
    assert schedule.ticks(int(STUCK_AFTER) - 2) == 1
    assert schedule.ticks(6) == 1
    assert schedule.ticks(50) == 0


def test_when_it_cannot_be_told_whether_anything_runs(schedule: Schedule) -> None:
    schedule.spent = None
    assert schedule.ticks(10) == 5


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel does not tell")
def test_who_runs_is_seen_to_have_run() -> None:
    """By what it has spent; the thread that asks is none of the others."""
    begin, done = threading.Lock(), threading.Lock()
    begin.acquire(), done.acquire()
    ended = threading.Event()

    def run() -> None:
        begin.acquire()
        sum(range(10_000))
        done.release()
        ended.wait()

    thread = threading.Thread(target=run)
    thread.start()
    native, own = thread.native_id, threading.get_native_id()
    before = processor.others()
    begin.release()
    done.acquire()
    after = processor.others()
    ended.set()
    thread.join()
    if before is None or after is None:
        pytest.skip("this kernel counts coarsely, or another thread has just ended")
    assert native is not None
    assert after[native] > before[native]
    assert own not in after


def test_whether_it_is_counted_finely() -> None:
    """A kernel that counts in milliseconds is found out."""
    coarse = iter(range(0, 10**12, 10**6))
    processor.counts_finely.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(processor, "cpu_ns", lambda _native: next(coarse))
        assert not processor.counts_finely()
        assert processor.others() is None
    processor.counts_finely.cache_clear()
    assert processor.counts_finely() in (True, False)
