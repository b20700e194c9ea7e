"""Who holds a lock, and who is blocked on it.

Laws:
- A free lock is taken at stock speed: the id of the task takes the place of ``True`` in ``Lock._locked``.
  So the note cannot outlive the hold: whatever releases or takes the lock behind our back overwrites it.
- ``acquire()`` called by hand also notes where, in a tuple (weak task, code, lasti).
- ``release()`` called by hand looks whether it leaves a task in a block that will release again (``doubt``).
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
from ..state import DEBTORS, State
from .doubt import by_block, by_wait, doubt, undoes
from .knot import Gate


def install(patches: Patches, state: State) -> None:
    """Hook ``asyncio.Lock``."""
    gate = Gate(state)
    aenter, release = _aenter(gate), _release(gate)
    patches.replace(asyncio.Lock, DEBTORS, None)
    patches.replace(asyncio.Lock, "__aenter__", aenter)
    patches.replace(asyncio.Lock, "__aexit__", _aexit(release))
    patches.replace(asyncio.Lock, "acquire", _acquire(gate, aenter.__code__))
    patches.replace(asyncio.Lock, "release", release)
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


def _aexit(by_hand: Any) -> Any:
    lock_class: Any = asyncio.Lock
    original = asyncio.Lock.release

    async def __aexit__(self: Any, exc_type: Any, exc: Any, tb: Any) -> None:
        if self._locked and not self._waiters and type(self) is lock_class:
            self._locked = False
        elif getattr(self.release, "__func__", None) is by_hand:
            original(self)
        else:
            self.release()

    return functools.wraps(asyncio.Lock.__aexit__)(__aexit__)


def _acquire(gate: Gate, entering: Any) -> Any:
    original, current, block, unblock = asyncio.Lock.acquire, gate.current, gate.block, gate.unblock
    ref, getframe, state = weakref.ref, sys._getframe, gate.state

    @functools.wraps(original)
    async def acquire(self: Any) -> bool:
        if not state.on:  # a condition keeps this method
            return await original(self)
        try:
            task, frame = current(), getframe(1)
            code = frame.f_code
            note: Any = id(task) if code is entering else (ref(task), code, frame.f_lasti)
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
        if state.on:  # the agent may have been switched off meanwhile
            self._locked = note
        return True

    return acquire


def _release(gate: Gate) -> Any:
    original, current, state = asyncio.Lock.release, gate.current, gate.state

    def release(self: Any) -> None:
        note = self._locked
        original(self)
        if not state.on:
            return
        try:
            task = current()
        except RuntimeError:  # no loop runs here
            task = None
        holder = note[0]() if type(note) is tuple else task if note == id(task) else state.task_by_id(note)
        if holder is task:
            if not (undoes(note[1], 1) if type(note) is tuple else by_block(1)):
                doubt(self, task)
        elif holder is not None or type(note) is not tuple:  # one that is gone has left its blocks
            doubt(self, task if by_wait(1) else holder)

    return functools.wraps(original)(release)


def _locked() -> Any:
    def locked(self: Any) -> bool:
        return bool(self._locked)

    return functools.wraps(asyncio.Lock.locked)(locked)
