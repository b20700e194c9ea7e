"""What was done to a program from outside: the only things that may move what was proven stuck.

Laws:
- A cancellation is from outside when the program does it on purpose (``kill``), or a TaskGroup does it to
  children because one of them failed. A timer or a timeout that cancels is not, nor is whatever else wakes; but a
  timeout that somebody entered after the claim was made, who came to await one of the stuck only then, is.
- It is handed down as asyncio hands it down. Consequences are excused only if somebody who was told to be
  stuck has been cancelled: whoever was not stuck might have ended anyway.
- A task that the collector destroys counts as cancelled when somebody referred to it as the claim was made, and
  has dropped it since. If nobody did, that it would be collected was to be foreseen.
- A ``give`` is a release by code that does not hold the lock. It is no excuse when nobody's block gives it back.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Any
from unittest import mock

from unstuck.agent.state import OwnReference
from unstuck.agent.views import resource_id, task_id


class Log:
    """When what was done, in rounds of the loop."""

    def __init__(self, now: Callable[[], int]) -> None:
        self.now = now
        self.killed: dict[str, int] = {}
        self.given: dict[str, int] = {}
        self.bare: set[int] = set()
        self.handing: list[OwnReference] = []
        """Tasks that cancelled themselves: what they await next is cancelled, too."""
        self.timeouts: list[tuple[OwnReference, int]] = []
        """Those that were entered, and when."""
        self.gone: set[str] = set()
        """Tasks that were garbage when they were told to be stuck."""
        self.foreseen = False
        self.disturbed = -1
        """The last round in which a task was cancelled on purpose, or garbage was collected."""

    def mark(self, task: Any) -> None:
        """Enter a cancellation on purpose, with all that it is handed down to."""
        self.disturbed = self.now()
        self._hand_down(task, self.now())
        if task is asyncio.current_task(task.get_loop()):
            self.handing.append(OwnReference(task))

    def follow(self) -> None:
        """Enter what is cancelled now because somebody who had cancelled itself came to await it."""
        handing, self.handing = self.handing, []
        for reference in handing:
            self._hand_down(reference(), self.now())

    def _hand_down(self, task: Any, when: int) -> None:
        seen, todo = set[Any](), [task]
        while todo:
            current = todo.pop()
            if isinstance(current, asyncio.Task) and current not in seen:
                seen.add(current)
                self.killed[task_id(current)] = max(when, self.killed.get(task_id(current), -1))
                todo += handed_down(current)

    def expire(self) -> None:
        """Enter what is cancelled by timeouts that have just expired, as of the time when they were entered."""
        for reference, when in list(self.timeouts):
            timeout = reference()
            if timeout is not None and timeout._state is asyncio.timeouts._State.EXPIRING:  # type: ignore[attr-defined]
                self._hand_down(timeout._task, when)
            elif timeout is None or timeout._state.value not in ("created", "active"):
                self.timeouts.remove((reference, when))

    def destroy(self, task: Any) -> None:
        """The collector destroys a task."""
        if self.foreseen:
            self.gone.add(task_id(task))
        else:
            self.mark(task)

    def collect(self, phase: str, info: dict[str, int]) -> None:
        """A callback of the collector's: what was garbage may have had finalizers."""
        if phase == "stop" and info["collected"]:
            self.disturbed = self.now()

    def take_barely(self, resource: Any) -> None:
        """A resource was taken where no block gives it back."""
        self.bare.add(id(resource))

    def give(self, resource: Any) -> None:
        """Somebody releases a resource."""
        if id(resource) in self.bare:
            self.bare.discard(id(resource))
        else:
            self.given[resource_id(resource)] = self.now()

    def killed_since(self, when: int) -> set[str]:
        """Tasks that were cancelled on purpose since then."""
        return {key for key, killed in self.killed.items() if killed >= when}

    def given_since(self, when: int) -> set[str]:
        """Resources that were released on purpose since then."""
        return {key for key, given in self.given.items() if given >= when}


def handed_down(task: Any) -> list[Any]:
    """What a cancellation of the task cancels at once: what it awaits, a gather's children."""
    current = task.get_coro()
    while getattr(current, "cr_await", None) is not None:
        current = current.cr_await
        if sys.version_info < (3, 12) and getattr(current, "__qualname__", "") == "wait_for" and current.cr_frame:
            return [current.cr_frame.f_locals.get("fut")]
    return flattened(task._fut_waiter)


def flattened(future: Any) -> list[Any]:
    children = getattr(future, "_children", None)
    return [future] if children is None else [task for child in children for task in flattened(child)]


def in_circle(task: Any) -> bool:
    """Whether tasks await each other in a circle there, where Task.cancel ends in a RecursionError."""
    seen, todo = set[Any](), [(task, frozenset[Any]())]
    while todo:
        current, path = todo.pop()
        if current in path:
            return True
        if isinstance(current, asyncio.Task) and current not in seen:
            seen.add(current)
            todo += [(each, path | {current}) for each in handed_down(current) if each is not None]
    return False


def watch_timeouts(log_of: Callable[[], Log]) -> Any:
    """Have each timeout that is entered enter itself."""
    original = asyncio.Timeout.__aenter__

    async def enter(self: Any) -> Any:
        log = log_of()
        log.timeouts.append((OwnReference(self), log.now()))
        return await original(self)

    return mock.patch.object(asyncio.Timeout, "__aenter__", enter)


def watch_groups(log_of: Callable[[], Log]) -> Any:
    """Have TaskGroup enter the children that it cancels because a sibling failed."""
    original = asyncio.TaskGroup._abort  # type: ignore[attr-defined]

    def abort(self: Any) -> None:
        caller, log = sys._getframe(1), log_of()
        error = caller.f_locals.get("exc")
        cancelled = caller.f_code.co_name != "_on_task_done" and (
            error is None or isinstance(error, asyncio.CancelledError)
        )
        if not cancelled or task_id(self._parent_task) in log.killed:
            for task in self._tasks:
                log.mark(task)
        original(self)

    return mock.patch.object(asyncio.TaskGroup, "_abort", abort)
