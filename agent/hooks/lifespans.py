"""When tasks begin and end, for those who want a span of each: only with ``UNSTUCK_SPANS=slow`` or ``all``.

Laws:
- A done-callback writes down what it was, in words; nobody is kept alive. It is the only thing that a task costs more.
- The callback runs in the context in which the task was made: the span that is current there is the parent.
- Loops that are not asyncio's own, and tasks made by ``asyncio.Task(...)`` itself, are left out.
"""

from __future__ import annotations

import asyncio
import functools
from collections import deque
from collections.abc import Callable
from time import time
from typing import Any

from ..patching import Patches
from ..state import State
from ..tracing import SpanId, current_span
from .tasks import PASSING

KIND = "lifespan"
_MOST = 10_000
"""Tasks that may end between two looks."""

Lifespan = tuple[int, str, str, float, float, str, SpanId]
"""Id, name, coroutine, start and end (seconds since the epoch), outcome, span of who made it."""


def install(patches: Patches, state: State, at_least: float) -> None:
    """Note tasks that live at least so many seconds."""
    base = asyncio.BaseEventLoop
    state.facts[KIND] = deque(maxlen=_MOST)
    patches.replace(base, "create_task", _creator(base.create_task, _watcher(state, at_least)))


def _creator(original: Callable[..., Any], watch: Callable[[Any], None]) -> Callable[..., Any]:
    def create_task(self: Any, coro: Any, **kwargs: Any) -> Any:
        task = original(self, coro, **kwargs)
        try:
            watch(task)
            return task
        finally:
            del task

    PASSING.add(id(create_task.__code__))
    return functools.wraps(original)(create_task)


def _watcher(state: State, at_least: float) -> Callable[[Any], None]:
    class End:
        """Called when the task is done."""

        __slots__ = ("start",)

        def __init__(self) -> None:
            self.start = time()

        def __call__(self, task: Any) -> None:
            end = time()
            if end - self.start >= at_least and state.on:
                note(_lifespan(task, self.start, end))

    note = state.facts[KIND].append

    def watch(task: Any) -> None:
        add = getattr(task, "add_done_callback", None)
        if add is not None:
            add(End())

    return watch


def _lifespan(task: Any, start: float, end: float) -> Lifespan:
    error = None if task.cancelled() else task._exception  # exception() would say that somebody has asked for it
    outcome = "cancelled" if task.cancelled() else "returned" if error is None else type(error).__qualname__
    coro = task.get_coro()
    name = str(getattr(coro, "__qualname__", None) or type(coro).__qualname__)
    return id(task), task.get_name(), name, start, end, outcome, current_span()
