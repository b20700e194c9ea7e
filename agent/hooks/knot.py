"""The immediate look: does this wait close a knot?

Law: a wait closes a knot exactly when, following waiter to holder, nobody is met who is not himself
blocked on a lock or semaphore. Each hop is two dictionary look-ups; the first task met that can move ends
the search, and so do MOST_HOPS, lest a long convoy pay for each newcomer: what is longer is the tick's
business. The answer is a hint for the watcher, never a verdict: joins, timeouts and the certainty of each
hold are judged there.
"""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Any

from ..state import OwnReference, State
from .tasks import fast_running_task

FOREIGN = 0
"""Stands for holders that cannot be named."""

_MOST_HOPS = 32


class Gate:
    """What the lock and semaphore hooks share: noting a blocked task, and the look that follows."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.blocked = state.blocked
        self.current = fast_running_task()
        self.unblock = state.blocked.pop
        self.knotted = False
        """Whether the last wait noted closes a knot, as far as can be seen."""

    def block(self, resource: Any, task: Any) -> int:
        """Note that ``task`` is about to suspend on ``resource``; return its key for ``unblock``."""
        key = id(task)
        blocked = self.blocked
        blocked[key] = (OwnReference(resource), monotonic())
        note = getattr(resource, "_locked", None)
        if type(note) is int and note not in blocked:  # the usual case: the holder can move
            self.knotted = False
            return key
        self.knotted = self._closes_knot(key)
        if self.knotted:
            self.state.on_knot(key)
        return key

    def _closes_knot(self, key: int) -> bool:
        blocked = self.state.blocked
        seen, todo = {key}, [key]
        while todo:
            wait = blocked.get(todo.pop())
            if wait is None:
                return False
            holders = holder_ids(wait[0]())
            if not holders or len(seen) > _MOST_HOPS:
                return False
            for holder in holders:
                if holder not in seen:
                    seen.add(holder)
                    todo.append(holder)
        return True


def holder_ids(resource: Any) -> tuple[int, ...]:
    """Ids of the tasks that hold ``resource``; empty when it is free or a holder is unknown."""
    if isinstance(resource, asyncio.Semaphore):
        holds = getattr(resource, "_unstuck_holds", None)
        return () if not holds or FOREIGN in holds else tuple(dict.fromkeys(holds))
    note = getattr(resource, "_locked", False)
    if isinstance(note, tuple):
        task = note[0]()
        return () if task is None else (id(task),)
    return () if note is True or not note else (note,)
