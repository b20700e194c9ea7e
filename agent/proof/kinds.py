"""What kind of member an object makes.

Laws:
- IGNORE is no member: what the whole program shares (modules, classes, loops, contexts, threads) counts as
  outside, as does the callback of a weak reference; what can lead nowhere (strings, numbers, code) does not matter.
- A METHOD refers to the same as long as it lives, and no other kind of member resumes a task when it is called.
- From FRAME_OBJECT on members are expanded at once: they are what waits are made of.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import threading
import types
import weakref
from collections import deque
from typing import Any

from ..attributes import is_a

IGNORE, OTHER, DICT, FRAME_OBJECT, PART, METHOD, ROW, FUNCTION, FRAME, GATE = range(10)
NOTHING = (
    str, bytes, bytearray, int, float, complex, type(None), type(Ellipsis), range, memoryview, type, types.ModuleType,
    types.CodeType, types.GetSetDescriptorType, types.MemberDescriptorType, property, asyncio.AbstractEventLoop,
    contextvars.Context, contextvars.ContextVar, threading.Thread, weakref.ref, weakref.ProxyType,
    weakref.CallableProxyType,
)  # fmt: skip
FRAMED = (types.CoroutineType, types.GeneratorType, types.AsyncGeneratorType)
_METHODS = (types.MethodType, types.BuiltinMethodType)
_STEP = "TaskStepMethWrapper"
_PARTS = (
    asyncio.Future, types.CellType, types.MethodWrapperType, types.TracebackType, BaseException, functools.partial,
    asyncio.Lock, asyncio.Event, asyncio.Condition, asyncio.Semaphore, asyncio.Barrier, asyncio.Queue,
    asyncio.TaskGroup, asyncio.Timeout, asyncio.Handle,
)  # fmt: skip
_WRAPPERS = (
    "FutureIter", "coroutine_wrapper", "anext_awaitable", "async_generator_asend", "async_generator_athrow",
)  # fmt: skip


class StandIn:
    """What the self-test uses for a task: a coroutine suspended on ``_fut_waiter``."""

    __slots__ = ("__weakref__", "_fut_waiter", "coro")

    def __init__(self, coro: Any, future: Any) -> None:
        self.coro, self._fut_waiter = coro, future
        future.add_done_callback(self.__wakeup)

    def __wakeup(self, _future: Any) -> None: ...

    def done(self) -> bool:
        """Never."""
        return False

    def get_coro(self) -> Any:
        """As a task's."""
        return self.coro


class Kinds(dict[type, int]):
    """The kind by class, found out once."""

    def __missing__(self, cls: type) -> int:
        self[cls] = kind = _kind_of(cls)
        return kind


def is_parked(task: Any) -> bool:
    """Whether a task is suspended on a future that is not done."""
    future: Any = getattr(task, "_fut_waiter", None)
    return is_a(future, asyncio.Future) and not future.done() and not task.done()


def wakes_a_task(method: Any) -> bool:
    """Whether calling this member, a METHOD, resumes the task it refers to."""
    return type(method).__name__ == _STEP or method.__name__ in _WAKING


_WAKING = ("task_wakeup", "__wakeup", "__step", "_Task__wakeup", "_Task__step")
_EXACT = {dict: DICT, tuple: ROW, list: ROW, types.FrameType: FRAME_OBJECT, types.FunctionType: FUNCTION}


def _kind_of(cls: type) -> int:
    if cls in _EXACT:
        return _EXACT[cls]
    if issubclass(cls, (asyncio.Task, StandIn)):
        return GATE
    if issubclass(cls, FRAMED):
        return FRAME
    if issubclass(cls, deque):
        return ROW
    if issubclass(cls, NOTHING):
        return IGNORE
    if issubclass(cls, _METHODS) or cls.__name__ == _STEP:
        return METHOD
    return PART if issubclass(cls, _PARTS) or cls.__name__ in _WRAPPERS else OTHER
