"""How a task ended, written down by a done-callback while the task is still there to be read.

Laws:
- The callback refers to nothing of the program; it is run in an empty context, not in a copy of the task's.
- The task's exception is looked at without marking it as retrieved.
- No code of the program runs, not even for the text of an exception (``errors.words``).
"""

from __future__ import annotations

import asyncio
import contextvars
import time
import weakref
from typing import Any

from ..acts import End
from ..state import State, TaskRecord
from .errors import words

_MOST_FRAMES = 1_000
_PASSED_OVER = ("asyncio", "concurrent", "unstuck")


def watch(task: Any) -> None:
    """See to it that the task's end will be noted in its record; once a task, in the loop's thread."""
    task.add_done_callback(note_end, context=contextvars.Context())


def unwatch(state: State) -> None:
    """Take the callbacks off all living tasks."""
    for task in state.tasks():
        record = state.record_of(task)
        if getattr(record, "watched", False):
            task.remove_done_callback(note_end)


def record_of(task: Any) -> TaskRecord | None:
    """The record among a task's weak references: faster than asking the state."""
    for reference in weakref.getweakrefs(task):
        if type(reference) is TaskRecord:
            return reference
    return None


def note_end(task: Any) -> None:
    """The done-callback."""
    try:
        record = record_of(task)
        if record is not None:
            record.end = end_of(task, time.monotonic())
    except Exception:  # noqa: BLE001 - nothing may reach the program
        return


def end_of(task: asyncio.Task[Any], now: float) -> End:
    """How this task, which is done, ended."""
    name, code = task.get_name(), getattr(task.get_coro(), "cr_code", None)
    if task.cancelled():
        return End(name, now, "cancelled", code=code)
    failure = task._exception  # .exception() would mark it as retrieved
    if failure is None:
        return End(name, now, "returned", code=code)
    return End(name, now, "raised", words(failure), _origin(failure), code)


def _origin(failure: BaseException) -> tuple[str, int, str] | None:
    """The innermost place that is not asyncio's."""
    found, step = None, failure.__traceback__
    for _ in range(_MOST_FRAMES):
        if step is None:
            break
        frame = step.tb_frame
        module = str(frame.f_globals.get("__name__", ""))
        if found is None or module.partition(".")[0] not in _PASSED_OVER:
            found = (frame.f_code.co_filename, step.tb_lineno, frame.f_code.co_qualname)
        step = step.tb_next
    return found
