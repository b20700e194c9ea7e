"""Loops that sleep in their selector although a callback is ready to run.

Laws:
- Nothing is asked of the loop and nothing wakes it: a wake-up would make the callback run, and hide the bug.
- Asleep is a loop whose thread stands in the selector at the same place as at the last look, has spent no time on a
  processor since, and neither is on one nor waits for one. Where that cannot be measured, a longer time must pass.
- A thread that is in ``call_soon_threadsafe`` now will wake the loop yet.
"""

from __future__ import annotations

import asyncio
import weakref
from dataclasses import dataclass
from itertools import islice
from typing import Any

from ..processor import is_runnable
from ..state import State
from .frames import outwards
from .jobs import ready_queue
from .world import Party, World

_RUN_ONCE = asyncio.BaseEventLoop._run_once.__code__  # type: ignore[attr-defined]
_RUNNER = asyncio.Runner.run.__code__
_WAKING = asyncio.BaseEventLoop.call_soon_threadsafe.__code__
_SELECTING = ("select", "_poll")
_LEAST, _UNMEASURED = 0.1, 1.0
"""Seconds for which a loop must have been asleep like that, where its processor time can be read, and where not."""
_FEW = 5


@dataclass(slots=True)
class Spell:
    """A loop seen asleep over the same callback. ``since`` is monotonic seconds."""

    handle: weakref.ref[Any]
    place: tuple[int, int]
    cpu: int | None
    since: float


class Sleepers:
    """Remembers, from look to look, which loops sleep over which callback."""

    def __init__(self, state: State) -> None:
        self.state = state
        self._spells: dict[int, Spell] = {}

    def look(self, now: float) -> list[tuple[Any, Any, float, World]]:
        """Each loop that oversleeps for certain, with its callback's handle, and since when."""
        before, self._spells = self._spells, {}
        world: World | None = None
        found = []
        for loop in list(self.state.loops):
            handle = _due(loop) if self.state.owns(loop) else None
            if handle is None:
                continue
            world = world or World()
            spell = self._continued(before.get(id(loop)), loop, handle, world, now)
            if spell is None:
                continue
            self._spells[id(loop)] = spell
            least = _LEAST if spell.cpu is not None else _UNMEASURED
            if now - spell.since >= least and not _somebody_is_waking(world):
                found.append((loop, handle, spell.since, world))
        return found

    def suspected(self) -> set[int]:
        """Ids of the loops that were asleep over a callback at the last look."""
        return set(self._spells)

    def _continued(self, spell: Spell | None, loop: Any, handle: Any, world: World, now: float) -> Spell | None:
        """The spell that goes on or begins, or None when the loop is not asleep."""
        party = world.runner(loop)
        if party is None or not _is_idle(party) or is_runnable(party.native):
            return None
        cpu = party.cpu()
        if spell is not None and spell.handle() is handle and (spell.place, spell.cpu) == (party.place, cpu):
            return spell
        return Spell(weakref.ref(handle), party.place, cpu, now)


def _due(loop: Any) -> Any:
    """The first callback that the loop should be running by now, or None."""
    ready = ready_queue(loop)
    timers = getattr(loop, "_scheduled", None)
    try:
        for index in range(min(len(ready), _FEW)):
            if not ready[index].cancelled():
                return ready[index]
        if timers and not timers[0].cancelled() and timers[0].when() + _LEAST < loop.time():
            return timers[0]
    except IndexError:  # it turned this very moment
        return None
    return None


def _is_idle(party: Party) -> bool:
    """Whether the thread stands in its loop's selector; for uvloop, in what runs the loop."""
    if party.frame.f_code is _RUNNER:
        return True
    for frame in islice(outwards(party.frame), _FEW):
        if frame.f_code is _RUN_ONCE:
            return frame is not party.frame
        if frame.f_code.co_name not in _SELECTING:
            return False
    return False


def _somebody_is_waking(world: World) -> bool:
    return any(
        frame.f_code is _WAKING for party in world.parties.values() for frame in islice(outwards(party.frame), _FEW)
    )
