"""Who would be resumed by, or hand its cancellation on to, a future: the await links read backwards."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Iterator
from typing import Any

from ..attributes import is_a, own
from ..libraries import ANYIO, anyio
from ..state import State
from .reading import callbacks, closed_over
from .rows import find_code

_MOST = 1000


def cancellers(future: Any, groups: bool = True) -> Iterator[Any]:
    """Tasks whose own cancellation is handed on to ``future``: by a plain await, a gather, a TaskGroup.

    Tasks behind ``shield``, ``wait`` and ``as_completed`` are none: those do not hand cancellation on.
    Without ``groups`` TaskGroups are left out too.
    """
    return _tasks_beyond(future, lambda callback: _behind(callback, groups))


def groups_over(task: Any) -> Iterator[tuple[Any, Any]]:
    """The task group that started the task, and the task that is in the group's body or exit."""
    for callback in callbacks(task):
        group = _group_of(callback)
        host = _host_of(group) if group is not None else None
        if host is not None:
            yield group, host


def joiners(future: Any) -> Iterator[Any]:
    """All tasks that are resumed, sooner or later, by ``future`` being done."""
    return _tasks_beyond(future, resumed_by)


def resumed_by(callback: Any) -> Any:
    """The task, or the future of a gather, wait or shield, that a done-callback leads to; or None."""
    return _behind(callback, True) or _beside(callback)


def _tasks_beyond(future: Any, step: Callable[[Any], Any]) -> Iterator[Any]:
    """The nearest tasks met when ``step`` leads from each done-callback to a task or to a further future."""
    seen, todo = {id(future)}, [future]
    while todo and len(seen) < _MOST:
        for callback in callbacks(todo.pop()):
            found = step(callback)
            if found is None or id(found) in seen:
                continue
            seen.add(id(found))
            if isinstance(found, asyncio.Task):
                yield found
            else:
                todo.append(found)


def is_let_go(future: Any) -> bool:
    """Whether a ``wait_for`` of 3.11 over this future has been woken by its timer and is about to cancel it.

    The way from the future to that task ends at a waiter which is done and has forgotten whom it wakes.
    """
    waiters = [_behind(callback, False) for callback in callbacks(future) if is_a(callback, functools.partial)]
    return any(waiter is not None and waiter.done() for waiter in waiters)


def parent_of(task: Any, state: State) -> Any:
    """The living task that created this one, or None; for a gather's child, the task that awaits the gather."""
    record = state.record_of(task)
    parent = getattr(record, "parent", None)
    if parent is not None:
        return parent()
    return next(cancellers(task, groups=False), None) if hasattr(record, "code") else None


def _beside(callback: Any) -> Any:
    """The future of a ``wait`` or ``shield`` over the future with this callback, or None."""
    code = own(callback, "__code__")
    if code is not None and code is find_code("asyncio.tasks:_wait._on_completion"):
        return closed_over(callback, "waiter")
    if code is not None and code is find_code("asyncio.tasks:shield._inner_done_callback"):
        return closed_over(callback, "outer")
    return None


def _behind(callback: Any, groups: bool) -> Any:
    """The task or future that a done-callback would resume, or None."""
    if is_a(callback, functools.partial):  # wait_for on 3.11: partial(_release_waiter, waiter)
        is_wait_for = own(callback.func, "__code__") is find_code("asyncio.tasks:_release_waiter")
        return callback.args[0] if is_wait_for and callback.args else None
    owner = own(callback, "__self__")
    if is_a(owner, asyncio.Task):
        return owner
    group = _group_of(callback)
    if group is not None:
        return _host_of(group) if groups else None
    if own(callback, "__code__") is find_code("asyncio.tasks:gather._done_callback"):
        return closed_over(callback, "outer")
    return None


def _group_of(callback: Any) -> Any:
    """The task group that waits for the future with this callback, or None."""
    owner = own(callback, "__self__")
    if is_a(owner, asyncio.TaskGroup):
        return owner
    code = own(callback, "__code__")
    if code is not None and anyio() is not None and code is find_code(f"{ANYIO}:TaskGroup._spawn.task_done"):
        return closed_over(callback, "self")
    return None


def _host_of(group: Any) -> Any:
    if isinstance(group, asyncio.TaskGroup):
        return getattr(group, "_parent_task", None)
    return getattr(getattr(group, "cancel_scope", None), "_host_task", None)
