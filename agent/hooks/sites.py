"""Where each lock, semaphore, condition, event, queue and barrier was made.

Laws:
- Two references in one tuple on the object itself: the note dies with what it describes.
- Signatures stay those of the class, so that a wrong call fails with the same words.
- A copy or a pickle of a primitive carries no note.
- The marks of ``wakers`` begin here, on the object: a default on the class, once hidden by the object's own,
  would keep the interpreter from specialising the access.
"""

from __future__ import annotations

import asyncio
import functools
import sys
from collections.abc import Callable
from typing import Any

from ..acts import NOBODY
from ..patching import Patches
from ..state import HOLDS, NOTES

Init = Callable[..., None]


def install(patches: Patches) -> None:
    """Replace ``__init__`` of the stdlib's primitives by one that notes the creating instruction."""
    makers: dict[type, Callable[[Init], Init]] = {
        asyncio.Lock: _plain,
        asyncio.Event: _event,
        asyncio.Condition: _condition,
        asyncio.Semaphore: _semaphore,
        asyncio.BoundedSemaphore: _semaphore,
        asyncio.Queue: _queue,
        asyncio.Barrier: _barrier,
    }
    for cls, make in makers.items():
        original = cls.__dict__["__init__"]
        patches.replace(cls, "__init__", functools.wraps(original)(make(original)))
        if "__getstate__" not in cls.__dict__ and cls is not asyncio.BoundedSemaphore:
            patches.replace(cls, "__getstate__", _state_without_notes)


def _state_without_notes(self: Any) -> Any:
    """``object.__getstate__`` as if the agent were not there."""
    state = object.__getstate__(self)
    if not isinstance(state, dict):
        return state
    bare = {name: value for name, value in state.items() if name not in NOTES}
    if "_locked" in bare:
        bare["_locked"] = bool(bare["_locked"])
    return bare


def _plain(original: Init, getframe: Callable[[int], Any] = sys._getframe) -> Init:
    def __init__(self: Any) -> None:
        original(self)
        try:
            frame = getframe(1)
            code = frame.f_code
            if code.co_name == "__init__" and code.co_filename[:1] == "<":  # a dataclass's tells nobody anything
                frame = frame.f_back or frame
                code = frame.f_code
            self._unstuck_site = (code, frame.f_lasti)
        except ValueError:  # called by the interpreter itself
            return

    return __init__


def _event(original: Init, getframe: Callable[[int], Any] = sys._getframe) -> Init:
    def __init__(self: Any) -> None:
        original(self)
        self._unstuck_setter, self._unstuck_rest, self._unstuck_wakers = NOBODY, 0, None
        try:
            frame = getframe(1)
            self._unstuck_site = (frame.f_code, frame.f_lasti)
            if frame.f_code.co_filename[:1] == "<":
                self._unstuck_site = _caller()
        except ValueError:
            return

    return __init__


def _condition(original: Init) -> Init:
    def __init__(self: Any, lock: Any = None, *args: Any, **kwargs: Any) -> None:
        original(self, lock, *args, **kwargs)
        self._unstuck_site = site = _caller()
        if lock is None:
            self._lock._unstuck_site = site

    return __init__


def _semaphore(original: Init) -> Init:
    def __init__(self: Any, value: int = 1) -> None:
        original(self, value)
        self._unstuck_site = (*(_caller() or _NOWHERE), value)
        setattr(self, HOLDS, [])

    return __init__


def _queue(original: Init) -> Init:
    def __init__(self: Any, maxsize: int = 0, *args: Any, **kwargs: Any) -> None:
        original(self, maxsize, *args, **kwargs)
        self._unstuck_site = _caller()
        self._unstuck_putter = self._unstuck_taker = self._unstuck_finisher = NOBODY
        self._unstuck_exact, self._unstuck_wakers = True, None

    return __init__


def _barrier(original: Init) -> Init:
    def __init__(self: Any, parties: int) -> None:
        original(self, parties)
        self._unstuck_site = self._cond._unstuck_site = self._cond._lock._unstuck_site = _caller()

    return __init__


def _caller() -> tuple[Any, int] | None:
    """The instruction that called the ``__init__`` that calls this."""
    try:
        frame = sys._getframe(2)
    except ValueError:  # called by the interpreter itself
        return None
    if frame.f_code.co_filename[:1] == "<":
        frame = frame.f_back or frame
    return frame.f_code, frame.f_lasti


_NOWHERE = (_caller.__code__, -1)
