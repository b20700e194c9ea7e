"""Where each lock, semaphore, condition, event, queue and barrier was made.

Laws:
- Two references in one tuple on the object itself: the note dies with what it describes.
- Signatures stay those of the class, so that a wrong call fails with the same words.
- A copy or a pickle of a primitive carries no note.
- The bodies of ``__init__`` are CPython's own, so that a note costs no call more, where they are the ones known;
  otherwise the original does its work, and the notes come after it.
- The marks of ``wakers`` begin here, on the object: a default on the class, once hidden by the object's own,
  would keep the interpreter from specialising the access.
- What a primitive is made of was made where it was.
"""

from __future__ import annotations

import asyncio
import functools
import sys
from asyncio import locks
from collections import deque
from collections.abc import Callable
from types import CodeType
from typing import Any

from ..acts import NOBODY
from ..patching import Patches
from ..state import HOLDS, NOTES
from .bodies import has_known_bodies

Init = Callable[..., None]

_LOCK = ("_waiters", "_locked")
_EVENT = ("collections", "deque", "_waiters", "_value")
_CONDITION = ("Lock", "_lock", "locked", "acquire", "release", "collections", "deque", "_waiters")
_SEMAPHORE = ("ValueError", "_waiters", "_value")
_BOUNDED = ("_bound_value", "super", "__init__")
_QUEUE = (
    *("_maxsize", "collections", "deque", "_getters", "_putters", "_unfinished_tasks", "locks", "Event", "_finished"),
    *("set", "_init"),
)
_new: Any = object.__new__
_NOWHERE = ((lambda: None).__code__, -1)
"""The site of a semaphore of which no frame is known: its units are noted all the same."""


def install(patches: Patches) -> None:
    """Replace ``__init__`` of the stdlib's primitives by one that notes the creating instruction."""
    for cls, make in _makers().items():
        original = cls.__dict__["__init__"]
        patches.replace(cls, "__init__", functools.wraps(original)(make(original)))
        if "__getstate__" not in cls.__dict__ and cls is not asyncio.BoundedSemaphore:
            patches.replace(cls, "__getstate__", _state_without_notes)


def _makers() -> dict[type, Callable[[Init], Init]]:
    """How to make each class's ``__init__``, looked at before any is replaced."""
    shuts_down = hasattr(asyncio.Queue, "shutdown")
    known: dict[type, tuple[tuple[str, ...], Callable[[Init], Init], Callable[[Init], Init]]] = {
        asyncio.Lock: (_LOCK, _lock, _any),
        asyncio.Event: (_EVENT, _event, _any_event),
        asyncio.Condition: (_CONDITION, _condition, _any_condition),
        asyncio.Semaphore: (_SEMAPHORE, _semaphore, _any_semaphore),
        asyncio.BoundedSemaphore: (_BOUNDED, _bounded, _any_semaphore),
        asyncio.Queue: (_QUEUE + ("_is_shutdown",) * shuts_down, _queue, _any_queue),
        asyncio.Barrier: ((), _barrier, _barrier),
    }
    knows = {cls: has_known_bodies(cls, {"__init__": names}) for cls, (names, *_) in known.items()}
    whole = all(is_known for cls, is_known in knows.items() if cls is not asyncio.Barrier)
    return {cls: one if whole else other for cls, (_, one, other) in known.items()}


def _state_without_notes(self: Any) -> Any:
    """``object.__getstate__`` as if the agent were not there."""
    state = object.__getstate__(self)
    if not isinstance(state, dict):
        return state
    bare = {name: value for name, value in state.items() if name not in NOTES}
    if "_locked" in bare:
        bare["_locked"] = bool(bare["_locked"])
    return bare


# -- the known bodies ----------------------------------------------------------------------------------
# ``usual`` is the code that made the last one: most often it is the same, and need not be looked at again.


def _lock(_original: Init, getframe: Callable[[int], Any] = sys._getframe) -> Init:
    usual: CodeType | None = None

    def __init__(self: Any) -> None:
        nonlocal usual
        self._waiters = None
        self._locked = False
        try:
            frame = getframe(1)
            code = frame.f_code
            if code is not usual:
                frame = _maker(frame)
                usual = code = frame.f_code
            self._unstuck_site = (code, frame.f_lasti)
        except ValueError:  # called by the interpreter itself
            return

    return __init__


def _event(_original: Init, getframe: Callable[[int], Any] = sys._getframe) -> Init:
    usual: CodeType | None = None

    def __init__(self: Any) -> None:
        nonlocal usual
        self._waiters = deque()
        self._value = False
        self._unstuck_setter, self._unstuck_rest, self._unstuck_wakers = NOBODY, 0, None
        try:
            frame = getframe(1)
            code = frame.f_code
            if code is not usual:
                frame = _maker(frame)
                usual = code = frame.f_code
            self._unstuck_site = (code, frame.f_lasti)
        except ValueError:
            return

    return __init__


def _condition(_original: Init) -> Init:
    plain: Any = asyncio.Lock

    def __init__(self: Any, lock: Any = None) -> None:
        site = _caller()
        if lock is None:
            if locks.Lock is plain:
                lock = _new(plain)
                lock._waiters = None
                lock._locked = False
            else:  # somebody has put one of his own there
                lock = locks.Lock()
            lock._unstuck_site = site
        self._lock = lock
        self.locked = lock.locked
        self.acquire = lock.acquire
        self.release = lock.release
        self._waiters = deque()
        self._unstuck_notifier, self._unstuck_wakers = NOBODY, None
        self._unstuck_site = site

    return __init__


def _semaphore(_original: Init, getframe: Callable[[int], Any] = sys._getframe) -> Init:
    usual: CodeType | None = None

    def __init__(self: Any, value: int = 1) -> None:
        nonlocal usual
        if value < 0:
            raise ValueError("Semaphore initial value must be >= 0")
        self._waiters = None
        self._value = value
        self._unstuck_holds, self._unstuck_places = [], None
        try:
            frame = getframe(1)
            code = frame.f_code
            if code is not usual:
                frame = _maker(frame)
                usual = code = frame.f_code
            self._unstuck_site = (code, frame.f_lasti, value)
        except ValueError:
            self._unstuck_site = (*_NOWHERE, value)

    return __init__


def _bounded(original: Init) -> Init:
    plain: Any = asyncio.BoundedSemaphore

    def __init__(self: Any, value: int = 1) -> None:
        if type(self) is not plain:
            original(self, value)
        else:
            self._bound_value = value
            if value < 0:
                raise ValueError("Semaphore initial value must be >= 0")
            self._waiters = None
            self._value = value
            self._unstuck_holds, self._unstuck_places = [], None
        self._unstuck_site = (*(_caller() or _NOWHERE), value)

    return __init__


def _queue(_original: Init) -> Init:
    shuts_down = hasattr(asyncio.Queue, "shutdown")
    event: Any = asyncio.Event

    def __init__(self: Any, maxsize: int = 0) -> None:
        self._maxsize = maxsize
        self._getters = deque()
        self._putters = deque()
        self._unfinished_tasks = 0
        if locks.Event is event:
            self._finished = finished = _new(event)
            finished._waiters = deque()
            finished._value = True
            finished._unstuck_setter, finished._unstuck_rest = NOBODY, 0
        else:
            self._finished = finished = locks.Event()
            finished.set()
        self._init(maxsize)
        if shuts_down:
            self._is_shutdown = False
        self._unstuck_putter = self._unstuck_taker = self._unstuck_finisher = NOBODY
        self._unstuck_exact, self._unstuck_wakers = True, None
        self._unstuck_site = finished._unstuck_site = _caller()

    return __init__


# -- around a body unknown -----------------------------------------------------------------------------


def _any(original: Init) -> Init:
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        self._unstuck_site = _caller()

    return __init__


def _any_event(original: Init) -> Init:
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        self._unstuck_setter, self._unstuck_rest, self._unstuck_wakers = NOBODY, 0, None
        self._unstuck_site = _caller()

    return __init__


def _any_condition(original: Init) -> Init:
    def __init__(self: Any, lock: Any = None, *args: Any, **kwargs: Any) -> None:
        original(self, lock, *args, **kwargs)
        self._unstuck_notifier, self._unstuck_wakers = NOBODY, None
        self._unstuck_site = site = _caller()
        if lock is None:
            self._lock._unstuck_site = site

    return __init__


def _any_semaphore(original: Init) -> Init:
    def __init__(self: Any, value: int = 1, *args: Any, **kwargs: Any) -> None:
        original(self, value, *args, **kwargs)
        self._unstuck_site = (*(_caller() or _NOWHERE), value)
        setattr(self, HOLDS, [])

    return __init__


def _any_queue(original: Init) -> Init:
    def __init__(self: Any, maxsize: int = 0, *args: Any, **kwargs: Any) -> None:
        original(self, maxsize, *args, **kwargs)
        self._unstuck_putter = self._unstuck_taker = self._unstuck_finisher = NOBODY
        self._unstuck_exact, self._unstuck_wakers = True, None
        self._unstuck_site = _caller()

    return __init__


def _barrier(original: Init) -> Init:
    def __init__(self: Any, parties: int, *args: Any, **kwargs: Any) -> None:
        original(self, parties, *args, **kwargs)
        self._unstuck_site = self._cond._unstuck_site = self._cond._lock._unstuck_site = _caller()

    return __init__


# -- who made it ---------------------------------------------------------------------------------------


def _maker(frame: Any) -> Any:
    """The frame that makes a primitive: not the ``__init__`` that a dataclass has and nobody has written."""
    code = frame.f_code
    if code.co_name == "__init__" and code.co_filename[:1] == "<":
        return frame.f_back or frame
    return frame


def _caller() -> tuple[Any, int] | None:
    """The instruction that called the ``__init__`` that calls this."""
    try:
        frame = _maker(sys._getframe(2))
    except ValueError:  # called by the interpreter itself
        return None
    return frame.f_code, frame.f_lasti
