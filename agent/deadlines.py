"""When a wait will end by itself: timeouts around it, its own and those handed down to it.

Laws:
- A timeout is any entered context manager that keeps a live timer of its own: asyncio's, anyio's,
  async-timeout's and a home-made one all look alike from here.
- A timer that calls the task's own ``cancel`` counts too.
- Cancelling a task cancels what it awaits; so a deadline is handed down along plain awaits, gather and
  TaskGroup, and stops at shield, wait and as_completed.
- Where the frames cannot be read, there may be a deadline: the answer is UNKNOWN.
"""

from __future__ import annotations

import asyncio
import gc
import math
from typing import Any

from .stacks import chain
from .waits.joiners import cancellers
from .waits.reading import wait_of

UNKNOWN = math.inf
"""Loop time of a deadline that may exist and cannot be read."""
_MOST = 10_000


def deadline_of(task: Any, cache: dict[int, float | None]) -> float | None:
    """Loop time at which ``task`` will be woken by a timeout, or None. ``cache`` serves one judgement."""
    seen, todo, found = {id(task)}, [task], None
    while todo and len(seen) < _MOST:
        current = todo.pop()
        if id(current) not in cache:
            cache[id(current)] = own_deadline(current)
        due = cache[id(current)]
        if due is not None:
            found = due if found is None else min(found, due)
        for canceller in cancellers(current):
            if id(canceller) not in seen:
                seen.add(id(canceller))
                todo.append(canceller)
    return found


def own_deadline(task: Any) -> float | None:
    """The earliest timeout among the blocks that the task's own frames are inside of."""
    dues = []
    wait = wait_of(task)
    if wait.due is not None:
        dues.append(wait.due)
    for link in chain(task.get_coro()):
        entered = link.entered()
        if entered is None:
            dues.append(UNKNOWN)
        for each in entered or ():
            timer = live_timer(each.manager)
            if timer is not None:
                dues.append(timer.when())
    return min(dues, default=None)


def cancel_timers(loop: Any) -> dict[int, float]:
    """Loop time by task id, for each timer of ``loop`` that will call a task's own ``cancel``."""
    found: dict[int, float] = {}
    for timer in list(getattr(loop, "_scheduled", ())):
        owner = getattr(getattr(timer, "_callback", None), "__self__", None)
        if isinstance(owner, asyncio.Task) and not timer.cancelled():
            found[id(owner)] = min(timer.when(), found.get(id(owner), UNKNOWN))
    return found


def live_timer(manager: Any) -> Any:
    """The pending timer that a context manager keeps, or None."""
    for value in gc.get_referents(manager):
        values = value.values() if isinstance(value, dict) and len(value) < 100 else (value,)
        for each in list(values):
            if type(each).__name__ == "TimerHandle" and not each.cancelled():  # uvloop has its own
                return each
    return None
