"""Two methods of the standard loops with their checks in one place: what this saves pays for what the hooks note.

Laws:
- Only the text of CPython 3.11 to 3.15 is replaced; where it reads otherwise, it stays.
- In debug mode, on a closed loop, with a task factory, and where somebody overrides or wraps ``_call_soon``,
  CPython's own method does its work; the stack that debug mode keeps does not show our frame.
"""

from __future__ import annotations

import asyncio
import functools
from asyncio import events, tasks
from collections.abc import Callable
from typing import Any

from ..patching import Patches
from .bodies import has_known_bodies
from .tasks import PASSING, running_loop

# What the methods mention, in order.
_KNOWN = {
    "call_soon": ("_check_closed", "_debug", "_check_thread", "_check_callback", "_call_soon", "_source_traceback"),
    "_call_soon": ("events", "Handle", "_source_traceback", "_ready", "append"),
}
_CREATE_TASK = (
    ("self", "coro", "name", "context"),
    ("_check_closed", "_task_factory", "tasks", "Task", "_source_traceback"),
)


def install(patches: Patches) -> None:
    """Shorten ``call_soon``, which every step of every task goes through, and ``create_task`` up to 3.13."""
    base: Any = asyncio.BaseEventLoop
    if has_known_bodies(base, _KNOWN):
        patches.replace(base, "call_soon", _call_soon(base.call_soon, base._call_soon))
    if _is_known(getattr(base.create_task, "__code__", None)):
        patches.replace(base, "create_task", _create_task(base.create_task))


def _is_known(code: Any) -> bool:
    """Up to 3.13 ``create_task`` ends in one of several ways, but begins in one."""
    return code is not None and (code.co_varnames[:4], code.co_names[:5]) == _CREATE_TASK


def _call_soon(original: Callable[..., Any], enqueue: Any) -> Callable[..., Any]:
    def call_soon(self: Any, callback: Any, *args: Any, context: Any = None) -> Any:
        if self._debug or self._closed or type(self)._call_soon is not enqueue:
            return _without_our_frame(original(self, callback, *args, context=context))
        handle: Any = events.Handle(callback, args, self, context)
        if handle._source_traceback:
            del handle._source_traceback[-1]
        self._ready.append(handle)
        return handle

    return functools.wraps(original)(call_soon)


def _create_task(original: Callable[..., Any]) -> Callable[..., Any]:
    usual, running = tasks.Task, running_loop()

    def create_task(self: Any, coro: Any, *, name: Any = None, context: Any = None) -> Any:
        if self._task_factory is not None or self._closed or self._debug:
            task = original(self, coro, name=name, context=context)
            return _without_our_frame(task) if self._task_factory is None else task
        if name is None and context is None:
            if running() is self and tasks.Task is usual:  # it asks for the loop itself: a keyword costs more
                return usual(coro)
            return tasks.Task(coro, loop=self)
        return tasks.Task(coro, loop=self, name=name, context=context)

    PASSING.add(id(create_task.__code__))
    return functools.wraps(original)(create_task)


def _without_our_frame(made: Any) -> Any:
    """In debug mode a task and a handle keep the stack they were made on; our frame stands last there."""
    if getattr(made, "_source_traceback", None):
        del made._source_traceback[-1]
    return made
