"""When a wait will end by itself: timeouts around it, its own and those handed down to it.

Laws:
- A timeout is any entered context manager that keeps a live timer of its own: asyncio's, anyio's,
  async-timeout's and a home-made one all look alike from here. In the loop's thread the timers are also
  read backwards (``timers``), for a timeout may be entered where no frame of the chain shows it. anyio's cancel
  scopes are asked themselves (``scopes``): those of the task's group count, those beyond a shield do not.
- Cancelling a task cancels what it awaits; so a deadline is handed down along plain awaits, gather and
  TaskGroup, and stops at shield, wait and as_completed.
- What a task hands down to the children of a group it is in the body of: a timeout, for it raises and so ends
  the group; not the end of a sleep, nor that of an anyio scope entered bare within the body.
- Where a chain cannot be followed to its end, a frame's blocks cannot be read, or the bound is met, there may be one:
  an unsure one at UNKNOWN.
- One pass up to all who could hand a deadline down, one pass down: linear, also in rings of thousands.
"""

from __future__ import annotations

import functools
import gc
import math
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from . import scopes
from .attributes import is_a, items
from .bare import is_bare
from .managers import unfold
from .stacks import chain_of
from .timers import Due, earlier, reach
from .waits.joiners import cancellers, groups_over, is_let_go
from .waits.reading import callbacks, wait_of

UNKNOWN = math.inf
_MOST, _SLICE = 20_000, 10_000
_PAUSES = ("asyncio.sleep", "asyncio.wait")
"""Waits that end by themselves without cancelling or raising anything."""


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
        _note(found, id(task), own_deadline(task, reached))
        if not callbacks(task):
            continue  # nobody awaits it
        for canceller in cancellers(task, groups=False):
            below[id(canceller)].append(_handed_to(task))
            todo.append(canceller)
        for group, host in groups_over(task):
            below[id(group)].append(_handed_to(task))
            if id(group) not in seen:
                seen.add(id(group))
                _note(found, id(group), _deadline_of_group(group, host, reached))
                below[_handed_to(host)].append(id(group))
                todo.append(host)
    for task in todo:
        if id(task) not in seen:  # beyond the bound
            _note(found, id(task), Due(UNKNOWN, False))
    _hand_down(found, below, seen)
    return found


def ending(tasks: Iterable[Any], pause: Callable[[], None]) -> list[Any]:
    """Those of the tasks whose wait ends by itself, or may do so, by a timer of their own loop if that lives."""
    waiting = [task for task in tasks if not task.get_loop().is_closed()]
    reached: dict[int, Due] = {}
    for loop in {id(task.get_loop()): task.get_loop() for task in waiting}.values():
        reached.update(reach(loop))
    found: list[Any] = []
    for start in range(0, len(waiting), _SLICE):
        some = waiting[start : start + _SLICE]
        dues = deadlines(some, reached, pause)
        found += [task for task in some if id(task) in dues]
    return found


def _handed_to(task: Any) -> int:
    """The key of what others hand down to a task, apart from its own deadline."""
    return ~id(task)


def _note(found: dict[int, Due], key: int, due: Due | None) -> None:
    if due is not None:
        found[key] = due


def _hand_down(found: dict[int, Due], below: Mapping[int, list[int]], seen: set[int]) -> None:
    todo = deque(found)
    while todo:
        key = todo.popleft()
        itself = [~key] if ~key in seen else []  # what is handed to a task
        for child in (*below.get(key, ()), *itself):
            due = earlier(found.get(child), found[key])
            if due is not None and due != found.get(child):
                found[child] = due
                todo.append(child)


def own_deadline(task: Any, reached: Mapping[int, Due]) -> Due | None:
    """The deadline that the task's own frames, or timers that reach it, set."""
    if task.done() or _has_none(task, reached):
        return None
    return functools.reduce(earlier, _dues(task, reached), None)


def _has_none(task: Any, reached: Mapping[int, Due]) -> bool:
    """Whether it is plain to see that a task has no deadline of its own."""
    is_reached = id(task) in reached or id(task._fut_waiter) in reached
    return not is_reached and is_bare(task) and not is_let_go(task)


def _deadline_of_group(group: Any, host: Any, reached: Mapping[int, Due]) -> Due | None:
    """The deadline of a group's children that comes from the task in its body or exit."""
    return None if host.done() else functools.reduce(earlier, _dues(host, reached, group), None)


def _dues(task: Any, reached: Mapping[int, Due], group: Any = None) -> Iterator[Due | None]:
    """All that ends the wait of ``task``; given a group that it hosts, only what may end the group's children too."""
    wait, chain = wait_of(task), chain_of(task)
    yield reached.get(id(task))
    yield reached.get(id(task._fut_waiter))
    if wait.due is not None and (group is None or wait.kind not in _PAUSES):
        yield Due(wait.due, True)
    if not chain.complete or is_let_go(task):
        yield Due(UNKNOWN, False)
    is_managed, is_inside, passing = scopes.is_managed(task), False, set[int]()
    for link in chain.links:
        entered = link.entered()
        if entered is None:
            yield Due(UNKNOWN, False)
        for each in entered or ():
            if is_inside and scopes.is_scope(each.manager):
                passing.add(id(each.manager))  # entered bare in the body: the body goes on after it
            for manager in unfold(each.manager):
                is_inside = is_inside or manager is group
                timer = None if is_managed and scopes.is_scope(manager) else live_timer(manager)
                yield Due(timer.when(), True) if timer is not None else None
    yield from _dues_of_scopes(task, passing)


def _dues_of_scopes(task: Any, passing: set[int]) -> Iterator[Due | None]:
    now = task.get_loop().time()
    for scope in scopes.around(task):
        when = scopes.due(scope, now)
        yield Due(when, True) if when is not None and id(scope) not in passing else None


def live_timer(manager: Any) -> Any:
    """The timer that a context manager keeps and its loop has yet to run, or None.

    One that is due and only waits for its turn is found among the loop's handles (``timers``).
    """
    for value in gc.get_referents(manager):
        values = items(value, 100) if is_a(value, dict) else [value]
        for each in values:
            if type(each).__name__ == "TimerHandle" and not each.cancelled() and getattr(each, "_scheduled", True):
                return each  # by name: uvloop has a class of its own
    return None
