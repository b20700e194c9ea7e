"""Keeping an eye on the tasks of an open finding: are they still where they were found?

Laws:
- Begun in the loop's own thread, where the tasks hold still. Weak references only.
- Each task is watched together with the very future it was suspended on, and both tell by a done-callback how
  they ended, for they may be gone before anybody looks.
- A task that was cancelled need not look so afterwards: a timeout or a cancel scope takes its request back. But
  whoever cancels a task cancels the future that it is suspended on.
- Whoever was cancelled, was collected because nobody referred to it, or went down with its loop, did not move
  by itself: that closes a finding. Whoever
  went on without that proves the finding wrong: it is retracted.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Iterable
from enum import Enum
from typing import Any

from .state import OwnReference


class Outcome(Enum):
    """What became of the tasks."""

    STILL = "still"
    ENDED = "ended"
    MOVED = "moved"


class Member:
    """One watched task."""

    def __init__(self, task: Any) -> None:
        self.task: weakref.ref[Any] = weakref.ref(task, self._gone)
        future = task._fut_waiter
        self.future: OwnReference | None = OwnReference(future) if isinstance(future, asyncio.Future) else None
        self.cancels = task.cancelling()
        self.end: Outcome | None = None
        task.add_done_callback(self._done)
        if self.future is not None:
            future.add_done_callback(self._future_done)

    def outcome(self) -> Outcome:
        """What became of this one."""
        task = self.task()
        if self.end is not None or task is None:
            return self.end or Outcome.ENDED
        if task.cancelling() > self.cancels:
            return Outcome.ENDED
        future = self.future() if self.future is not None else None
        if future is None or task._fut_waiter is not future or future.done():
            return Outcome.ENDED if future is not None and future.cancelled() else Outcome.MOVED
        return Outcome.ENDED if task.get_loop().is_closed() else Outcome.STILL

    def dismiss(self) -> None:
        """Take the callback off again."""
        task = self.task()
        if task is not None:
            task.remove_done_callback(self._done)
        future = self.future() if self.future is not None else None
        if future is not None:
            future.remove_done_callback(self._future_done)

    def _future_done(self, future: Any) -> None:
        if future.cancelled():
            self.end = Outcome.ENDED

    def _done(self, task: Any) -> None:
        if self.end is None:
            self.end = Outcome.ENDED if task.cancelled() or task.cancelling() > self.cancels else Outcome.MOVED

    def _gone(self, _ref: Any) -> None:
        """Collected: closing a task's coroutine may wake another that is being collected, and even end it."""
        self.end = self.end or Outcome.ENDED


class Vigil:
    """The core tasks of a finding, watched until it is over."""

    def __init__(self, tasks: Iterable[Any]) -> None:
        self.members = tuple(Member(task) for task in tasks if not task.done())

    def look(self) -> Outcome:
        """What became of them: ENDED if one was ended from outside, MOVED if one went on by itself."""
        outcomes = {member.outcome() for member in self.members}
        for outcome in (Outcome.ENDED, Outcome.MOVED):
            if outcome in outcomes:
                return outcome
        return Outcome.STILL if self.members else Outcome.ENDED

    def tasks(self) -> list[Any]:
        """Those that still live."""
        return [task for member in self.members if (task := member.task()) is not None]

    def dismiss(self) -> None:
        """Stop watching."""
        for member in self.members:
            member.dismiss()
