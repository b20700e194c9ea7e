"""When a wait will end by itself: timeouts around it, its own and those handed down to it.

Laws:
- A timeout is any entered context manager that keeps a live timer of its own: asyncio's, anyio's,
  async-timeout's and a home-made one all look alike from here. In the loop's thread the timers are also
  read backwards (``timers``), for a timeout may be entered where no frame of the chain shows it.
- Cancelling a task cancels what it awaits; so a deadline is handed down along plain awaits, gather and
  TaskGroup, and stops at shield, wait and as_completed.
- Where a chain cannot be followed to its end, or a frame's blocks cannot be read, there may be a deadline:
  an unsure one at UNKNOWN.
- One pass up to all who could hand a deadline down, one pass down: linear, also in rings of thousands.
"""

from __future__ import annotations

import gc
import math
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .managers import unfold
from .stacks import chain_of
from .timers import Due, earlier, reach
from .waits.joiners import cancellers, is_let_go
from .waits.reading import wait_of

UNKNOWN = math.inf
_MOST = 20_000


def deadlines(
    tasks: Iterable[Any], reached: Mapping[int, Due], pause: Callable[[], None] | None = None
) -> dict[int, Due]:
    """The deadline of each task that has one, by id; ``reached`` is what the loop's timers reach."""
    below: dict[int, list[int]] = defaultdict(list)
    found: dict[int, Due] = {}
    seen, todo = set[int](), list(tasks)
    while todo and len(seen) < _MOST:
        task = todo.pop()
        if id(task) in seen:
            continue
        seen.add(id(task))
        if pause is not None:
            pause()
        due = own_deadline(task, reached)
        if due is not None:
            found[id(task)] = due
        for canceller in cancellers(task):
            below[id(canceller)].append(id(task))
            todo.append(canceller)
    _hand_down(found, below)
    return found


def ending(tasks: Iterable[Any], pause: Callable[[], None]) -> list[Any]:
    """Those of the tasks whose wait ends by itself, or may do so, by a timer of their own loop."""
    waiting = list(tasks)
    reached: dict[int, Due] = {}
    for loop in {id(task.get_loop()): task.get_loop() for task in waiting}.values():
        reached.update(reach(loop))
    dues = deadlines(waiting, reached, pause)
    return [task for task in waiting if id(task) in dues]


def _hand_down(found: dict[int, Due], below: Mapping[int, list[int]]) -> None:
    todo = deque(found)
    while todo:
        key = todo.popleft()
        for child in below.get(key, ()):
            due = earlier(found.get(child), found[key])
            if due is not None and due != found.get(child):
                found[child] = due
                todo.append(child)


def own_deadline(task: Any, reached: Mapping[int, Due]) -> Due | None:
    """The deadline that the task's own frames, or timers that reach it, set."""
    if task.done():
        return None
    wait, chain = wait_of(task), chain_of(task)
    due = earlier(reached.get(id(task)), reached.get(id(task._fut_waiter)))
    if wait.due is not None:
        due = earlier(due, Due(wait.due, True))
    if not chain.complete or is_let_go(task):
        due = earlier(due, Due(UNKNOWN, False))
    for link in chain.links:
        entered = link.entered()
        if entered is None:
            due = earlier(due, Due(UNKNOWN, False))
        for each in entered or ():
            for manager in unfold(each.manager):
                timer = live_timer(manager)
                due = earlier(due, Due(timer.when(), True) if timer is not None else None)
    return due


def live_timer(manager: Any) -> Any:
    """The timer that a context manager keeps and its loop has yet to run, or None.

    One that is due and only waits for its turn is found among the loop's handles (``timers``).
    """
    for value in gc.get_referents(manager):
        values = list(value.values()) if isinstance(value, dict) and len(value) < 100 else [value]
        for each in values:
            if type(each).__name__ == "TimerHandle" and not each.cancelled() and getattr(each, "_scheduled", True):
                return each  # by name: uvloop has a class of its own
    return None
