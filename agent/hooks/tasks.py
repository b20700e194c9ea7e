"""Task creation: what both routes share.

Up to 3.13 every new task, however made, is added to asyncio's own weak set of tasks by a method call that
can be observed (``tasks_weakset``): no route escapes, and no frame of ours stands in the program's
stacks. Since 3.14 the interpreter links tasks natively and ``loop.create_task`` is the narrowest place
that remains (``tasks_loop``); tasks made by ``asyncio.Task(...)`` directly are then found by the census.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio import taskgroups, tasks
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

from ..state import State, TaskRecord


def adopt(state: State, task: Any) -> None:
    """Register a task that was made behind our back: creator unknown."""
    state.records.add(TaskRecord(task, state.records.discard))
    state.note_loop(task.get_loop())


_completed: Any = getattr(tasks, "_AsCompletedIterator", None)  # since 3.13 it makes the tasks
_COMPLETED: CodeType = tasks.as_completed.__code__ if _completed is None else _completed.__init__.__code__
# asyncio's own functions through which the program's call reaches loop.create_task().
_PASSING: tuple[CodeType, ...] = (
    tasks.create_task.__code__,
    tasks.ensure_future.__code__,
    getattr(tasks, "_ensure_future", tasks.ensure_future).__code__,  # 3.11
    tasks.gather.__code__,
    tasks.shield.__code__,
    tasks.as_completed.__code__,
    _COMPLETED,
    *(each for each in _COMPLETED.co_consts if isinstance(each, CodeType)),  # 3.11: its comprehension
    tasks.wait_for.__code__,
    taskgroups.TaskGroup.create_task.__code__,
    asyncio.BaseEventLoop.create_task.__code__,
    asyncio.BaseEventLoop.run_until_complete.__code__,
    asyncio.Runner.run.__code__,
    getattr(asyncio, "eager_task_factory", asyncio.run).__code__,  # since 3.12
    asyncio.run.__code__,
)
PASSING = set(map(id, _PASSING))
"""Ids of code objects that only pass a creation on; the hooks add their own."""


def creating_frame(frame: FrameType | None) -> FrameType | None:
    """The first frame from ``frame`` outwards that is not asyncio's own passing on of the call."""
    while frame is not None and id(frame.f_code) in PASSING:
        frame = frame.f_back
    return frame


def fast_running_task() -> Any:
    """``asyncio.current_task`` as fast as this interpreter allows; it may raise RuntimeError."""
    if sys.version_info >= (3, 12):
        return asyncio.current_task
    return _only_task(tasks._current_tasks, asyncio._get_running_loop)  # type: ignore[attr-defined]


def running_loop() -> Callable[[], Any]:
    """Tells the running loop, or None; on 3.11, where to ask is a system call, a function that knows of none."""
    return asyncio._get_running_loop if sys.version_info >= (3, 12) else _nowhere


def _nowhere() -> None:
    return None


def _only_task(running: dict[Any, Any], get_loop: Any) -> Any:
    """On 3.11 to ask for the running loop is a system call. While just one task runs in all threads, it is that."""

    def current() -> Any:
        try:
            (task,) = running.values()
        except ValueError:  # none, or several
            return running.get(get_loop())
        return task

    return current


def running_tasks() -> Any:
    """The tasks that are running now, one a loop at most: a live view, up to 3.13."""
    return tasks._current_tasks.values()  # type: ignore[attr-defined]
