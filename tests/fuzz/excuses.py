"""What was done to a program from outside: the only things that may move what was proven stuck.

Laws:
- A cancellation is from outside when the program does it on purpose (``kill``), or a TaskGroup does it to
  children because one of them failed. A timer or a timeout that cancels is not, nor is whatever else wakes.
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

from unstuck.agent.views import resource_id, task_id


class Log:
    """When what was done, in rounds of the loop."""

    def __init__(self, now: Callable[[], int]) -> None:
        self.now = now
        self.killed: dict[str, int] = {}
        self.given: dict[str, int] = {}
        self.bare: set[int] = set()
        self.gone: set[str] = set()
        """Tasks that were garbage when they were told to be stuck."""
        self.foreseen = False

    def mark(self, task: Any) -> None:
        """Enter a cancellation on purpose, with all that it is handed down to."""
        seen, todo = set[Any](), [task]
        while todo:
            current = todo.pop()
            if isinstance(current, asyncio.Task) and current not in seen:
                seen.add(current)
                self.killed[task_id(current)] = self.now()
                todo += handed_down(current)

    def destroy(self, task: Any) -> None:
        """The collector destroys a task."""
        if self.foreseen:
            self.gone.add(task_id(task))
        else:
            self.mark(task)

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


def watch_groups(log_of: Callable[[], Log]) -> Callable[[], None]:
    """Have TaskGroup enter the children that it cancels because a sibling failed; return how to undo that."""
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

    asyncio.TaskGroup._abort = abort  # type: ignore[attr-defined]

    def undo() -> None:
        asyncio.TaskGroup._abort = original  # type: ignore[attr-defined]

    return undo
