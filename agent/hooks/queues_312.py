"""``Queue.put_nowait`` and ``get_nowait`` as they are up to 3.12.

Laws:
- As in ``queues_313``.
- Asking for the running task is slow on 3.11. Whether the last actor is running now, in whatever loop, is
  not; a thread that acts at that very moment behind the loop's back passes for it once.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from typing import Any

from ..acts import BY_CALLBACK, GET, PUT, PUTTER, TAKER
from .noting import Note
from .tasks import running_tasks

KNOWN = {
    "put_nowait": (
        *("full", "QueueFull", "_put", "_unfinished_tasks", "_finished", "clear"),
        *("_wakeup_next", "_getters"),
    ),
    "get_nowait": ("empty", "QueueEmpty", "_get", "_wakeup_next", "_putters"),
    "full": ("_maxsize", "qsize"),
    "qsize": ("len", "_queue"),
    "empty": ("_queue",),
    "_put": ("_queue", "append"),
    "_get": ("_queue", "popleft"),
}
"""The names that the known bodies use, in order."""


def put_nowait(note: Note) -> Callable[..., Any]:
    """``Queue.put_nowait`` that notes who puts."""
    original, running = asyncio.Queue.put_nowait, running_tasks()
    plain: Any = asyncio.Queue
    queue_full = asyncio.QueueFull

    def put_nowait(self: Any, item: Any) -> None:
        if type(self) is plain:
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
            last = self._unstuck_putter
            if last() not in running and (running or last is not BY_CALLBACK):
                note(self, PUTTER, PUT)
        except RecursionError:
            return
        except AttributeError:  # made before the agent came
            note(self, PUTTER, PUT)

    return functools.wraps(original)(put_nowait)


def get_nowait(note: Note) -> Callable[..., Any]:
    """``Queue.get_nowait`` that notes who takes, where it matters."""
    original, running = asyncio.Queue.get_nowait, running_tasks()
    plain: Any = asyncio.Queue
    queue_empty = asyncio.QueueEmpty

    def get_nowait(self: Any) -> Any:
        if type(self) is plain:
            if not self._queue:
                raise queue_empty
            item = self._queue.popleft()
            if self._putters:
                self._wakeup_next(self._putters)
        else:
            item = original(self)
        try:
            if self._unstuck_exact:
                last = self._unstuck_taker
                if last() not in running and (running or last is not BY_CALLBACK):
                    note(self, TAKER, GET)
        except RecursionError:
            return item
        except AttributeError:
            note(self, TAKER, GET)
        return item

    return functools.wraps(original)(get_nowait)
