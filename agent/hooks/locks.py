"""Who holds a lock, and who is blocked on it.

Laws:
- A free lock is taken at stock speed: the id of the task takes the place of ``True`` in ``Lock._locked``.
  So the note cannot outlive the hold: whatever releases or takes the lock behind our back overwrites it.
- ``acquire()`` called by hand also notes where, in a tuple (weak task, code, lasti).
- A subclass with an ``acquire`` of its own is never short-cut.
- Blocking is slow anyway: there, and only there, the wait is noted and the knot looked for.
"""

from __future__ import annotations

import asyncio
import functools
import sys
import weakref
from typing import Any

from ..patching import Patches
from ..state import State
from .knot import Gate


def install(patches: Patches, state: State) -> None:
    """Hook ``asyncio.Lock``."""
    gate = Gate(state)
    patches.replace(asyncio.Lock, "__aenter__", _aenter(gate))
    patches.replace(asyncio.Lock, "__aexit__", _aexit())
    patches.replace(asyncio.Lock, "acquire", _acquire(gate))
    patches.replace(asyncio.Lock, "locked", _locked())


def _aenter(gate: Gate) -> Any:
    lock_class: Any = asyncio.Lock
    current = gate.current

    async def __aenter__(self: Any) -> None:
        if not self._locked and not self._waiters and type(self) is lock_class:
            try:
                self._locked = id(current())
            except RuntimeError:  # driven by hand, without a loop
                self._locked = True
        else:
            await self.acquire()

    return functools.wraps(asyncio.Lock.__aenter__)(__aenter__)


def _aexit() -> Any:
    lock_class: Any = asyncio.Lock

    async def __aexit__(self: Any, exc_type: Any, exc: Any, tb: Any) -> None:
        if self._locked and not self._waiters and type(self) is lock_class:
            self._locked = False
        else:
            self.release()

    return functools.wraps(asyncio.Lock.__aexit__)(__aexit__)


def _acquire(gate: Gate) -> Any:
    original, current, block, unblock = asyncio.Lock.acquire, gate.current, gate.block, gate.unblock
    ref, getframe = weakref.ref, sys._getframe

    @functools.wraps(original)
    async def acquire(self: Any) -> bool:
        try:
            task, frame = current(), getframe(1)
            note: Any = (ref(task), frame.f_code, frame.f_lasti)
            del frame
        except (RuntimeError, TypeError, ValueError):  # no loop, no task, driven by C
            return await original(self)
        if not self._locked and not self._waiters:
            self._locked = note
            return True
        key = block(self, task)
        del task
        try:
            await original(self)
        finally:
            unblock(key, None)
        if gate.state.on:  # the agent may have been switched off meanwhile
            self._locked = note
        return True

    return acquire


def _locked() -> Any:
    def locked(self: Any) -> bool:
        return bool(self._locked)

    return functools.wraps(asyncio.Lock.locked)(locked)
