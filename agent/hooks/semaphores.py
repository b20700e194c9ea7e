"""Who holds a semaphore's units, and who is blocked on it.

Laws:
- ``Semaphore._unstuck_holds`` maps the id of a holding task to its units. Units given back by a task that
  holds none are counted under the key FOREIGN: such a semaphore carries signals, nobody is its holder.
- When every unit is home again the account is cleared, so one odd release is not held against it for ever.
- A semaphore made before the agent came has no account, and nothing is ever concluded from it.
"""

from __future__ import annotations

import asyncio
import functools
from typing import Any

from ..patching import Patches
from ..state import HOLDS, State
from .knot import FOREIGN, Gate


def install(patches: Patches, state: State) -> None:
    """Hook ``asyncio.Semaphore`` and with it ``BoundedSemaphore``."""
    gate = Gate(state)
    semaphore = asyncio.Semaphore
    patches.replace(semaphore, HOLDS, None)
    patches.replace(semaphore, "__aenter__", _aenter(gate))
    patches.replace(semaphore, "__aexit__", _aexit(gate))
    patches.replace(semaphore, "acquire", _acquire(gate))
    patches.replace(semaphore, "release", _release(gate))


def _aenter(gate: Gate) -> Any:
    exact, current = (asyncio.Semaphore, asyncio.BoundedSemaphore), gate.current

    @functools.wraps(asyncio.Semaphore.__aenter__)
    async def __aenter__(self: Any) -> None:
        try:
            holds = self._unstuck_holds
        except AttributeError:  # the agent was switched off between this call and its first step
            holds = None
        value = self._value
        if value > 0 and not self._waiters and holds is not None and type(self) in exact:
            self._value = value - 1
            try:
                key = id(current())
            except RuntimeError:  # driven by hand, without a loop
                key = FOREIGN
            holds[key] = holds[key] + 1 if key in holds else 1
        else:
            await self.acquire()

    return __aenter__


def _aexit(gate: Gate) -> Any:
    plain, current = asyncio.Semaphore, gate.current

    @functools.wraps(asyncio.Semaphore.__aexit__)
    async def __aexit__(self: Any, exc_type: Any, exc: Any, tb: Any) -> None:
        try:
            holds = self._unstuck_holds
        except AttributeError:
            holds = None
        if holds and not self._waiters and type(self) is plain:
            self._value += 1
            try:
                key = id(current())
            except RuntimeError:
                key = FOREIGN
            if (units := holds.pop(key, 0)) != 1:
                holds[key] = units
                settle(holds, key)
        else:
            self.release()

    return __aexit__


def settle(holds: dict[int, int], key: int) -> None:
    """Book one unit given back by the task ``key``, which may hold several, or none."""
    units = holds.pop(key, 0)
    if units == 1:
        return
    if units > 1:
        holds[key] = units - 1
        return
    holds[FOREIGN] = (units if key == FOREIGN else holds.get(FOREIGN, 0)) - 1
    if not sum(holds.values()):
        holds.clear()


def _acquire(gate: Gate) -> Any:
    original, current, block, unblock = asyncio.Semaphore.acquire, gate.current, gate.block, gate.unblock

    @functools.wraps(original)
    async def acquire(self: Any) -> bool:
        holds = getattr(self, HOLDS, None)
        if holds is None:
            return await original(self)
        try:
            task = current()
        except RuntimeError:
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
        holds[key] = holds.get(key, 0) + 1
        return True

    return acquire


def _release(gate: Gate) -> Any:
    original, current = asyncio.Semaphore.release, gate.current

    @functools.wraps(original)
    def release(self: Any) -> None:
        holds = getattr(self, HOLDS, None)
        if holds is not None:
            try:
                key = id(current())
            except RuntimeError:
                key = FOREIGN
            settle(holds, key)
        original(self)

    return release
