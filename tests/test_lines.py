"""Who stands in line for what, followed from tick to tick (``agent.lines``)."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import Any

from unstuck.agent.lines import Lines, Queue
from unstuck.agent.state import OwnReference, State


class Line:
    """A lock in a state of its own, with tasks' waits entered as the hooks do."""

    def __init__(self) -> None:
        self.state, self.lock = State(), asyncio.Lock()
        self.lines = Lines(self.state)
        self._clock = count(10)

    def enter(self, *tasks: int) -> None:
        for task in tasks:
            self.state.blocked[task] = (OwnReference(self.lock), float(task))

    def hold(self, task: int) -> None:
        self.lock._locked = task  # type: ignore[assignment]

    def look(self) -> Queue | None:
        found: dict[int, Any] = self.lines.look(next(self._clock), lambda: None)
        return found.get(id(self.lock))


def test_who_came_first_is_the_longest_waiter() -> None:
    line = Line()
    line.enter(1, 2, 3)
    queue = line.look()
    assert queue is not None
    assert (queue.waiter, queue.since, queue.resource) == (1, 1.0, line.lock)


def test_when_the_first_is_served_the_next_is_the_longest_waiter() -> None:
    line = Line()
    line.enter(1, 2)
    line.look()
    del line.state.blocked[1]
    line.enter(3)
    queue = line.look()
    assert queue is not None
    assert (queue.waiter, queue.since) == (2, 2.0)


def test_who_waits_again_stands_at_the_end() -> None:
    line = Line()
    line.enter(1, 2)
    line.look()
    del line.state.blocked[1]
    line.enter(1)
    queue = line.look()
    assert queue is not None
    assert queue.waiter == 2


def test_who_holds_it_since_when() -> None:
    """Known to within a look, and anew with each holder."""
    line = Line()
    line.enter(1)
    line.hold(7)
    assert line.look() == (line.lock, 1, 1.0, (7,), 10)
    assert line.look() == (line.lock, 1, 1.0, (7,), 10)
    line.hold(8)
    assert line.look() == (line.lock, 1, 1.0, (8,), 12)


def test_a_hold_outlasts_its_waiters() -> None:
    """One waiter gives up as another comes: the holder is as slow as he was."""
    line = Line()
    line.enter(1)
    line.hold(7)
    line.look()
    del line.state.blocked[1]
    line.enter(2)
    assert line.look() == (line.lock, 2, 2.0, (7,), 10)


def test_when_nobody_waits_there_is_no_line() -> None:
    line = Line()
    line.enter(1)
    line.look()
    line.state.blocked.clear()
    assert line.look() is None


def test_the_lock_is_kept_by_nobody() -> None:
    line = Line()
    line.enter(1)
    line.look()
    reference = OwnReference(line.lock)
    del line.lock
    assert reference() is None
    assert line.lines.look(99.0, lambda: None) == {}
