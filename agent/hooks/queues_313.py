"""``Queue.put_nowait`` and ``get_nowait`` as they are since 3.13, which brought ``shutdown``.

Law: for an exact ``asyncio.Queue`` the body is CPython's with its helpers unfolded; any other class gets the
original.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from typing import Any

from ..acts import BY_CALLBACK, GET, PUT, PUTTER, TAKER
from .noting import Note
from .tasks import fast_running_task

KNOWN = {
    "put_nowait": (
        *("_is_shutdown", "QueueShutDown", "full", "QueueFull", "_put", "_unfinished_tasks", "_finished", "clear"),
        *("_wakeup_next", "_getters"),
    ),
    "get_nowait": ("empty", "_is_shutdown", "QueueShutDown", "QueueEmpty", "_get", "_wakeup_next", "_putters"),
    "full": ("_maxsize", "qsize"),
    "qsize": ("len", "_queue"),
    "empty": ("_queue",),
    "_put": ("_queue", "append"),
    "_get": ("_queue", "popleft"),
}
"""The names that the known bodies use, in order."""
_ShutDown: Any = getattr(asyncio, "QueueShutDown", None)


def put_nowait(note: Note) -> Callable[..., Any]:
    """``Queue.put_nowait`` that notes who puts."""
    original, current = asyncio.Queue.put_nowait, fast_running_task()
    plain: Any = asyncio.Queue
    shut_down, queue_full = _ShutDown, asyncio.QueueFull

    def put_nowait(self: Any, item: Any) -> None:
        if type(self) is plain:
            if self._is_shutdown:
                raise shut_down
            if 0 < self._maxsize <= len(self._queue):
                raise queue_full
            self._queue.append(item)
            self._unfinished_tasks += 1
            self._finished._value = False
            if self._getters:
                self._wakeup_next(self._getters)
        else:
            original(self, item)
        try:
            last, task = self._unstuck_putter, current()
            if last() is not task or (task is None and last is not BY_CALLBACK):
                note(self, PUTTER, PUT)
        except RecursionError:
            return
        except (AttributeError, RuntimeError):  # made before the agent came; no loop in this thread
            note(self, PUTTER, PUT)

    return functools.wraps(original)(put_nowait)


def get_nowait(note: Note) -> Callable[..., Any]:
    """``Queue.get_nowait`` that notes who takes, where it matters."""
    original, current = asyncio.Queue.get_nowait, fast_running_task()
    plain: Any = asyncio.Queue
    shut_down, queue_empty = _ShutDown, asyncio.QueueEmpty

    def get_nowait(self: Any) -> Any:
        if type(self) is plain:
            if not self._queue:
                raise shut_down if self._is_shutdown else queue_empty
            item = self._queue.popleft()
            if self._putters:
                self._wakeup_next(self._putters)
        else:
            item = original(self)
        try:
            if self._unstuck_exact:
                last, task = self._unstuck_taker, current()
                if last() is not task or (task is None and last is not BY_CALLBACK):
                    note(self, TAKER, GET)
        except RecursionError:
            return item
        except (AttributeError, RuntimeError):
            note(self, TAKER, GET)
        return item

    return functools.wraps(original)(get_nowait)
