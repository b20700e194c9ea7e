"""Who holds a semaphore's units, and who is blocked on it.

Laws:
- ``Semaphore._unstuck_holds`` lists the id of the holding task, once for each unit: of all containers a short
  list is the cheapest to enter and leave. A unit given back by a task that holds none, or taken by nobody
  known, enters FOREIGN: such a semaphore carries signals, nobody is its holder.
- Units taken by ``acquire()`` called by hand also have a place, by the id of the holding task, until as many
  are given back by hand; a task never has more places than units.
- When every unit is home again the account is cleared, so one odd release is not held against it for ever;
  whoever was still in it may have a block to leave (``doubt``). An account that only grows is closed.
- A semaphore made before the agent came has no account, and nothing is ever concluded from it.
"""

from __future__ import annotations

import asyncio
import functools
import sys
import weakref
from types import CodeType, FrameType
from typing import Any

from ..acts import RELEASE, RELEASER
from ..patching import Patches
from ..state import DEBTORS, HOLDS, PLACES, SITE, State
from .doubt import doubt, doubt_all, undoes
from .knot import FOREIGN, Gate
from .noting import PASSING, Note

_MOST_ODD = 64
"""How many entries an account may have beyond its units before it is closed."""


def install(patches: Patches, state: State, note: Note) -> None:
    """Hook ``asyncio.Semaphore`` and with it ``BoundedSemaphore``; ``note`` enters whoever gives a unit he had not."""
    gate = Gate(state)
    semaphore = asyncio.Semaphore
    aenter, release = _aenter(gate), _release(gate, note)
    for name in (HOLDS, PLACES, DEBTORS):
        patches.replace(semaphore, name, None)
    patches.replace(semaphore, "__aenter__", aenter)
    leave = _aexit(gate, release, note)
    PASSING[id(leave.__code__)] = leave.__code__
    patches.replace(semaphore, "__aexit__", leave)
    patches.replace(semaphore, "acquire", _acquire(gate, aenter.__code__))
    patches.replace(semaphore, "release", release)


def _aenter(gate: Gate) -> Any:
    plain: Any = asyncio.Semaphore
    bounded, current = asyncio.BoundedSemaphore, gate.current

    async def __aenter__(self: Any) -> None:
        value = self._value
        if value > 0 and not self._waiters and (type(self) is plain or type(self) is bounded):
            self._value = value - 1
            try:
                holds = self._unstuck_holds
                if holds is not None:
                    holds.append(id(current()))
            except RuntimeError:  # driven by hand, without a loop
                holds.append(FOREIGN)
            except AttributeError:  # the agent was switched off between this call and its first step
                return
        else:
            await self.acquire()

    return functools.wraps(asyncio.Semaphore.__aenter__)(__aenter__)


def _aexit(gate: Gate, by_hand: Any, note: Note) -> Any:
    plain: Any = asyncio.Semaphore
    release_bounded = asyncio.BoundedSemaphore.release
    original, current, state = asyncio.Semaphore.release, gate.current, gate.state

    async def __aexit__(self: Any, exc_type: Any, exc: Any, tb: Any) -> None:
        if self._waiters or type(self) is not plain:
            release = getattr(self.release, "__func__", None)
            if release is by_hand or (release is release_bounded and self._value < self._bound_value):
                original(self)
            else:  # of a class of its own, or too often
                self.release()
                return
        else:
            self._value += 1
        try:
            holds = self._unstuck_holds
            if holds is not None:
                holds.remove(id(current()))
        except (RuntimeError, ValueError):  # without a loop, or by a task that holds nothing
            settle(self, holds, state)
            note(self, RELEASER, RELEASE)
        except AttributeError:  # switched off meanwhile
            return

    return functools.wraps(asyncio.Semaphore.__aexit__)(__aexit__)


def settle(semaphore: Any, holds: list[int], state: State) -> None:
    """Book one unit that came home from somebody who did not hold it."""
    units = getattr(semaphore, SITE)[2]
    if semaphore._value == units:
        doubt_all(semaphore, {*holds} - {FOREIGN}, state)
        holds.clear()
        semaphore.__dict__.pop(PLACES, None)
    elif FOREIGN not in holds:
        holds.append(FOREIGN)
    elif len(holds) > units + _MOST_ODD:
        setattr(semaphore, HOLDS, None)
        semaphore.__dict__.pop(PLACES, None)


def _acquire(gate: Gate, entering: Any) -> Any:
    original, current, block, unblock = asyncio.Semaphore.acquire, gate.current, gate.block, gate.unblock
    ref, getframe, state = weakref.ref, sys._getframe, gate.state

    async def acquire(self: Any) -> bool:
        holds = getattr(self, HOLDS, None)
        if holds is None or not state.on:
            return await original(self)
        try:
            task = current()
            frame = getframe(1)
            place = (ref(task), frame.f_code, frame.f_lasti) if frame.f_code is not entering else None
            del frame
        except (RuntimeError, TypeError, ValueError):  # no loop, no task, driven by C
            holds.append(FOREIGN)
            return await original(self)
        if self._value > 0 and not self._waiters:
            self._value -= 1
            key = id(task)
        else:
            key = block(self, task)
            del task
            try:
                await original(self)
            finally:
                unblock(key, None)
        holds.append(key)
        if place is not None and state.on:  # the agent may have been switched off meanwhile
            _note_place(self, holds, place)
        return True

    return functools.wraps(original)(acquire)


def _note_place(semaphore: Any, holds: list[int], place: Any) -> None:
    key = holds[-1]
    places = getattr(semaphore, PLACES, None)
    if places is None:
        places = {}
        setattr(semaphore, PLACES, places)
    mine = places.setdefault(key, [])
    mine.append(place)
    del mine[: -holds.count(key)]
    if len(places) > len(holds):  # some were given back in another way than they were taken
        for gone in places.keys() - {*holds}:
            del places[gone]


def _release(gate: Gate, note: Note) -> Any:
    original, current, state = asyncio.Semaphore.release, gate.current, gate.state
    through = asyncio.BoundedSemaphore.release.__code__

    def release(self: Any) -> None:
        original(self)
        holds = getattr(self, HOLDS, None)
        if holds is None or not state.on:
            return
        try:
            task = current()
            holds.remove(id(task))
        except (RuntimeError, ValueError):
            settle(self, holds, state)
            note(self, RELEASER, RELEASE)
            return
        taken = _forget_place(self, id(task))
        if taken is None or not undoes(taken, _caller(through)):
            doubt(self, task)

    return functools.wraps(original)(release)


def _caller(through: CodeType) -> FrameType | None:
    """Who called the release() that calls this; calls that ``through`` only passes on are its caller's."""
    try:
        frame: FrameType | None = sys._getframe(2)
    except ValueError:  # called by C
        return None
    return frame.f_back if frame is not None and frame.f_code is through else frame


def _forget_place(semaphore: Any, key: int) -> Any:
    """The code in which that task's last unit was taken by hand; None when it was not."""
    places = getattr(semaphore, PLACES, None) or {}
    mine = places.get(key)
    if not mine:
        return None
    code = mine.pop()[1]
    if not mine:
        del places[key]
    return code
