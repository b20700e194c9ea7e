"""Who holds a semaphore's units, and who is blocked on it.

Laws:
- ``Semaphore._unstuck_holds`` lists the id of the holding task, once for each unit: of all containers a short
  list is the cheapest to enter and leave. A unit given back by a task that holds none, or taken by nobody
  known, enters FOREIGN: such a semaphore carries signals, nobody is its holder.
- When every unit is home again the account is cleared, so one odd release is not held against it for ever.
- A semaphore made before the agent came has no account, and nothing is ever concluded from it.
"""

from __future__ import annotations

import asyncio
import functools
from typing import Any

from ..patching import Patches
from ..state import HOLDS, SITE, State
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


def _aexit(gate: Gate) -> Any:
    plain: Any = asyncio.Semaphore
    current = gate.current

    async def __aexit__(self: Any, exc_type: Any, exc: Any, tb: Any) -> None:
        if self._waiters or type(self) is not plain:
            self.release()
            return
        self._value += 1
        try:
            holds = self._unstuck_holds
            if holds is not None:
                holds.remove(id(current()))
        except (RuntimeError, ValueError):  # without a loop, or by a task that holds nothing
            settle(self, holds)
        except AttributeError:  # switched off meanwhile
            return

    return functools.wraps(asyncio.Semaphore.__aexit__)(__aexit__)


def settle(semaphore: Any, holds: list[int]) -> None:
    """Book one unit that came home from somebody who did not hold it."""
    holds.append(FOREIGN)
    if semaphore._value == getattr(semaphore, SITE)[2]:
        holds.clear()


def _acquire(gate: Gate) -> Any:
    original, current, block, unblock = asyncio.Semaphore.acquire, gate.current, gate.block, gate.unblock

    async def acquire(self: Any) -> bool:
        holds = getattr(self, HOLDS, None)
        if holds is None:
            return await original(self)
        try:
            task = current()
        except RuntimeError:
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
        return True

    return functools.wraps(original)(acquire)


def _release(gate: Gate) -> Any:
    original, current = asyncio.Semaphore.release, gate.current

    def release(self: Any) -> None:
        original(self)
        holds = getattr(self, HOLDS, None)
        if holds is not None:
            try:
                holds.remove(id(current()))
            except (RuntimeError, ValueError):
                settle(self, holds)

    return functools.wraps(original)(release)
