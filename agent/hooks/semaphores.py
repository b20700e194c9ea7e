"""Who holds a semaphore's units, and who is blocked on it.

Laws:
- ``Semaphore._unstuck_holds`` lists the id of the holding task, once for each unit: of all containers a short
  list is the cheapest to enter and leave. A unit given back by a task that holds none, or taken by nobody
  known, enters FOREIGN: such a semaphore carries signals, nobody is its holder.
- Units taken by ``acquire()`` called by hand also have a place, by the id of the holding task, until as many
  are given back by hand; a task never has more places than units. What is only one place stands by itself.
- When every unit is home again the account is cleared, so one odd release is not held against it for ever;
  whoever was still in it may have a block to leave (``doubt``). An account that only grows is closed.
- A semaphore made before the agent came has no account, and nothing is ever concluded from it.
"""

from __future__ import annotations

import asyncio
import functools
import sys
import weakref
from typing import Any

from ..acts import RELEASE, RELEASER
from ..patching import Patches
from ..state import DEBTORS, HOLDS, PLACES, SITE, State
from .bodies import has_known_bodies
from .doubt import doubt, doubt_all, undoes
from .knot import FOREIGN, Gate
from .noting import PASSING, Note

_KNOWN = {
    "release": ("_value", "_wake_up_next"),
    "_wake_up_next": ("_waiters", "done", "_value", "set_result"),
}
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
        setattr(semaphore, PLACES, None)
    elif FOREIGN not in holds:
        holds.append(FOREIGN)
    elif len(holds) > units + _MOST_ODD:
        setattr(semaphore, HOLDS, None)
        setattr(semaphore, PLACES, None)


def _acquire(gate: Gate, entering: Any) -> Any:
    original, current, state, ref, getframe = (
        asyncio.Semaphore.acquire,
        gate.current,
        gate.state,
        weakref.ref,
        sys._getframe,
    )
    plain: Any = asyncio.Semaphore
    bounded = asyncio.BoundedSemaphore
    keep: Any = None  # the last task's reference: while it lives, ref() hands it out again for nothing

    async def acquire(self: Any) -> bool:
        nonlocal keep
        holds = self._unstuck_holds if state.on else None  # a condition of the program's may keep this method
        if holds is None:
            return await original(self)
        try:
            task, frame = current(), getframe(1)
            key, code = id(task), frame.f_code
            place: Any = None
            if code is not entering:
                keep = ref(task)
                place = (keep, code, frame.f_lasti, key)
            del frame
        except (RuntimeError, TypeError, ValueError):  # no loop, no task, driven by C
            holds.append(FOREIGN)
            return await original(self)
        if self._value > 0 and not self._waiters and (type(self) is plain or type(self) is bounded):
            self._value -= 1
        else:
            gate.block(self, task)
            del task
            try:
                await original(self)
            finally:
                gate.unblock(key, None)
            if not state.on:  # the agent may have been switched off meanwhile
                return True
        holds.append(key)
        if place is not None:
            try:
                if self._unstuck_places is None:
                    self._unstuck_places = place
                else:
                    _add_place(self, holds, place)
            except AttributeError:  # switched off by another thread just now
                return True
        return True

    return functools.wraps(original)(acquire)


def _add_place(semaphore: Any, holds: list[int], place: Any) -> None:
    """One place stands by itself; so does that of a task, among others, which took only one unit by hand."""
    places, key = semaphore._unstuck_places, place[3]
    if type(places) is tuple:
        places = semaphore._unstuck_places = {places[3]: places}
    mine = places.get(key)
    if mine is None:
        places[key] = place
    else:
        mine = places[key] = mine if type(mine) is list else [mine]
        mine.append(place)
        del mine[: -holds.count(key)]
    if len(places) > len(holds):  # some were given back in another way than they were taken
        for gone in places.keys() - {*holds}:
            del places[gone]


def _release(gate: Gate, note: Note) -> Any:  # noqa: C901 - each call would cost
    original, current, state, getframe = asyncio.Semaphore.release, gate.current, gate.state, sys._getframe
    plain: Any = asyncio.Semaphore
    through = asyncio.BoundedSemaphore.release.__code__
    known = has_known_bodies(plain, _KNOWN)
    usual_taken: Any = None  # the last two places between which a unit was taken and given back as it should be
    usual_given: Any = None
    usual_call = -1

    def release(self: Any) -> None:  # noqa: C901
        nonlocal usual_taken, usual_given, usual_call
        if known and type(self) is plain and not self._waiters:
            self._value += 1
        else:
            original(self)
        holds = self._unstuck_holds if state.on else None
        if holds is None:
            return
        try:
            task = current()
            key = id(task)
            holds.remove(key)
        except (RuntimeError, ValueError):
            settle(self, holds, state)
            note(self, RELEASER, RELEASE)
            return
        try:
            place = self._unstuck_places
            if place is not None:
                if type(place) is tuple and place[3] == key:
                    self._unstuck_places = None
                    taken = place[1]
                else:
                    taken = _forget_place(self, place, key)
                if taken is not None:
                    frame: Any = getframe(1)
                    if frame.f_code is through:
                        frame = frame.f_back
                    code, call = frame.f_code, frame.f_lasti
                    if code is usual_given and call == usual_call and taken is usual_taken:
                        return
                    if undoes(taken, frame):
                        usual_taken, usual_given, usual_call = taken, code, call
                        return
        except (AttributeError, ValueError):  # called by C, or switched off by another thread just now
            return
        doubt(self, task)

    return functools.wraps(original)(release)


def _forget_place(semaphore: Any, places: Any, key: int) -> Any:
    """The code in which that task's last unit was taken by hand; None when it was not."""
    if type(places) is tuple:
        return None
    mine = places.pop(key, None)
    if mine is None:
        return None
    if type(mine) is list:
        place = mine.pop()
        if mine:
            places[key] = mine
    else:
        place = mine
    if not places:
        semaphore._unstuck_places = None
    return place[1]
