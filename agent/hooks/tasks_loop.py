"""Task creation since 3.14: ``BaseEventLoop.create_task``.

Laws:
- With the default factory the task is made right here, as CPython does; with the application's factory,
  in debug mode or on a closed loop, CPython's own method does its work and we only note the result.
- A debug-mode traceback of the creation does not show our frame.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import sys
import weakref
from asyncio import tasks
from collections.abc import Callable
from typing import Any

from ..imports import after_import
from ..patching import Patches
from ..state import State, TaskRecord
from .tasks import PASSING, adopt, creating_frame, fast_running_task, running_loop


def install(patches: Patches, state: State) -> None:
    """Hook create_task of the standard loops, and of uvloop's when it is there; adopt living tasks."""
    for task in [each for each in gc.get_objects() if issubclass(type(each), asyncio.Task)]:
        adopt(state, task)
    base = asyncio.BaseEventLoop
    patches.replace(base, "create_task", _creator(base.create_task, state.records))
    if "uvloop" in sys.modules:
        _hook_uvloop(patches, state)
    else:
        after_import("uvloop", functools.partial(_hook_uvloop, patches, state))


def _hook_uvloop(patches: Patches, state: State) -> None:
    """uvloop's loop has a create_task of its own, and is no BaseEventLoop."""
    cls = getattr(sys.modules.get("uvloop"), "Loop", None)
    if not state.on or cls is None:
        return
    original = cls.create_task

    @functools.wraps(original)
    def create_task(self: Any, coro: Any, **kwargs: Any) -> Any:
        task = original(self, coro, **kwargs)
        note(task, 2)
        state.note_loop(self)
        return task

    note = _noter(state.records)
    patches.replace(cls, "create_task", create_task)


def _creator(original: Callable[..., Any], records: set[Any]) -> Callable[..., Any]:
    enlist, forget = records.add, records.discard
    module_at: Callable[[int], str | None] = sys._getframemodulename  # type: ignore[attr-defined]
    getframe, current, ref, record_of = sys._getframe, fast_running_task(), weakref.ref, TaskRecord
    usual_ways = ("asyncio.tasks", "asyncio.taskgroups")
    usual, running, in_completed = tasks.Task, running_loop(), tasks.as_completed.__code__
    keep: Any = ref(records)  # the last parent's reference: brothers share it

    def create_task(self: Any, coro: Any, **kwargs: Any) -> Any:
        nonlocal keep
        if self._task_factory is None and not self._closed and not self._debug:
            if not kwargs and running() is self and tasks.Task is usual:  # it asks for the loop itself
                task: Any = usual(coro)
            else:
                task = tasks.Task(coro, loop=self, **kwargs)
        else:
            task = original(self, coro, **kwargs)
            if getattr(task, "_source_traceback", None):
                del task._source_traceback[-1]
        try:
            enlist(record := record_of(task, forget))
            module = module_at(1)
            if module == "asyncio.tasks" and module_at(2) == "asyncio.tasks":  # over ensure_future
                frame: Any = getframe(3)
                if frame.f_code is in_completed:
                    frame = frame.f_back
            else:
                frame = getframe(2) if module in usual_ways else creating_frame(getframe(1))
            record.code = frame.f_code
            record.lasti = frame.f_lasti
            parent = current()
            if parent is not None:  # a callback has none
                if keep() is not parent:
                    keep = ref(parent)
                record.parent = keep
        except (RuntimeError, TypeError, ValueError, AttributeError):  # no loop, no task, no such frame
            pass
        try:
            return task
        finally:
            del task  # no cycle through a traceback, as in CPython (gh-128552)

    PASSING.add(id(create_task.__code__))
    return functools.wraps(original)(create_task)


def _noter(records: set[Any]) -> Callable[[Any, int], None]:
    enlist, forget, passing = records.add, records.discard, PASSING
    getframe, current, ref, record_of = sys._getframe, fast_running_task(), weakref.ref, TaskRecord
    keep: Any = ref(records)  # the last parent's reference: brothers share it

    def note(task: Any, depth: int) -> None:
        nonlocal keep
        try:
            enlist(record := record_of(task, forget))
            frame: Any = getframe(depth)
            if id(frame.f_code) in passing:
                frame = creating_frame(frame.f_back)
            record.code = frame.f_code
            record.lasti = frame.f_lasti
            parent = current()
            if parent is not None:  # a callback has none
                if keep() is not parent:
                    keep = ref(parent)
                record.parent = keep
        except (RuntimeError, TypeError, ValueError, AttributeError):  # no loop, no task, no such frame
            return

    return note
