"""Who holds a lock, who is blocked on it, and which lock is held while another is taken.

Laws:
- A free lock is taken at stock speed: the id of the task takes the place of ``True`` in ``Lock._locked``.
  So the note cannot outlive the hold: whatever releases or takes the lock behind our back overwrites it.
- ``acquire()`` called by hand also notes where, in a tuple (weak task, code, lasti).
- ``release()`` called by hand looks whether it leaves a task in a block that will release again (``doubt``).
- ``holder`` is the only lock that is held, a plain one, or None. Where there may be others it is BUSY, and each
  acquisition is reported (``orders``). A lock that stays in it when it is free costs one look more, no less.
- A subclass with an ``acquire`` of its own is never short-cut.
- Blocking is slow anyway: there, and only there, the wait is noted and the knot looked for.
"""

from __future__ import annotations

import asyncio
import functools
import sys
import weakref
from collections.abc import Callable
from typing import Any

from ..patching import Patches
from ..state import DEBTORS, State
from .bodies import has_known_bodies
from .doubt import hand_on, judge, undoes
from .knot import Gate
from .orders import KIND, Orders

_KNOWN = {
    "release": ("_locked", "_wake_up_first", "RuntimeError"),
    "_wake_up_first": ("_waiters", "next", "iter", "StopIteration", "done", "set_result"),
}


_doubtful: Any = None
"""Not None once a ``release()`` had to be judged. To ask each lock for debtors costs; so does a closure's variable."""


def install(patches: Patches, state: State, wanted: frozenset[str]) -> None:
    """Hook ``asyncio.Lock``."""
    gate = Gate(state)
    orders = Orders(state) if KIND in wanted else None
    patches.replace(asyncio.Lock, DEBTORS, None)
    for function in _hooks(gate, orders):
        original = getattr(asyncio.Lock, function.__name__)
        patches.replace(asyncio.Lock, function.__name__, functools.wraps(original)(function))


def _hooks(gate: Gate, orders: Orders | None) -> tuple[Callable[..., Any], ...]:  # noqa: C901 - several small ones
    """The replacements. They are in one place because they share what is held."""
    take, give = asyncio.Lock.acquire, asyncio.Lock.release
    plain: Any = asyncio.Lock
    state, current, block, unblock = gate.state, gate.current, gate.block, gate.unblock
    ref, getframe = weakref.ref, sys._getframe
    taken, wanted = (orders.taken, orders.wanted) if orders is not None else (_forget, _ignore)
    known = has_known_bodies(plain, _KNOWN)
    holder: Any = None
    keep: Any = None  # the last task's reference: while it lives, ref() hands it out again for nothing
    usual_taken: Any = None  # the last two places between which a lock was taken and given back as it should be
    usual_given: Any = None
    usual_call = -1

    async def __aenter__(self: Any) -> None:
        nonlocal holder
        if not self._locked and not self._waiters and type(self) is plain:
            try:
                self._locked = id(current())
            except RuntimeError:  # driven by hand, without a loop
                self._locked = True
                return
            holder = self if holder is None else taken(self, current, holder)
        else:
            await self.acquire()

    async def __aexit__(self: Any, exc_type: Any, exc: Any, tb: Any) -> None:
        nonlocal holder
        if _doubtful is not None:
            hand_on(self, gate)
        if holder is self and not self._waiters:
            self._locked = False
            holder = None
        elif self._locked and not self._waiters and type(self) is plain:
            self._locked = False
        elif getattr(self.release, "__func__", None) is release:
            give(self)
        else:
            self.release()

    async def acquire(self: Any) -> bool:
        nonlocal holder, keep
        if not state.on:  # a condition keeps this method
            return await take(self)
        try:
            task, frame = current(), getframe(1)
            code = frame.f_code
            if code is entering:
                note: Any = id(task)
            else:
                keep = ref(task)
                note = (keep, code, frame.f_lasti)
            del frame
        except (RuntimeError, TypeError, ValueError):  # no loop, no task, driven by C
            return await take(self)
        if self._locked or self._waiters:
            key = block(self, task)
            del task
            if holder is not None and holder is not self:
                wanted(self, current, holder, gate.knotted)
            try:
                await take(self)
            finally:
                unblock(key, None)
            if not state.on:  # the agent may have been switched off meanwhile
                return True
        self._locked = note
        if holder is not self:
            holder = self if holder is None and type(self) is plain else taken(self, current, holder)
        return True

    def release(self: Any) -> None:
        global _doubtful
        nonlocal holder, usual_taken, usual_given, usual_call
        note = self._locked
        if known and note and not self._waiters and type(self) is plain:
            self._locked = False
        else:
            give(self)
        if holder is self:
            holder = None
        if not state.on:
            return
        try:
            if type(note) is tuple and note[0]() is current():
                frame = getframe(1)
                code, call = frame.f_code, frame.f_lasti
                if code is usual_given and call == usual_call and note[1] is usual_taken:
                    return
                if undoes(note[1], frame):
                    usual_taken, usual_given, usual_call = note[1], code, call
                    return
        except (RuntimeError, ValueError):  # no loop runs here, or called by C
            pass
        judge(self, note, gate)
        _doubtful = True

    def locked(self: Any) -> bool:
        return bool(self._locked)

    def tidy() -> None:
        nonlocal holder
        holder = orders.tidied(holder) if orders is not None else None

    entering = __aenter__.__code__
    if orders is not None:
        orders.passing |= {id(entering), id(acquire.__code__)}
    state.tidy_orders = tidy
    return __aenter__, __aexit__, acquire, release, locked


def _forget(lock: Any, current: Any, before: Any) -> None:
    """Nobody wants to know about orders."""


def _ignore(lock: Any, current: Any, before: Any, in_vain: bool) -> None:
    """Nor about attempts."""
