"""Who holds a thread's lock.

Laws:
- A ``Lock`` does not know. Its holder is the thread, or the suspended task, that stands inside a block which has
  taken this lock and will give it back. Where two seem to, one was misread, and nobody holds it for certain.
- An ``RLock`` tells its owner. If that thread is inside no such block itself, one of the tasks it runs may be.
- A block whose function also calls ``release``, or that stands around a wait for a condition of this lock, may have
  given it away for a while.
"""

from __future__ import annotations

import re
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from types import CodeType, FrameType
from typing import Any

from ..attributes import instance_attributes
from ..bytecode import Path
from ..managers import within
from ..pace import HAND_BACK
from ..stacks import Link, chain
from ..state import State
from .code import Held, held_paths, releases
from .frames import is_stdlib, lookup, stdlib_local, title_of
from .world import Party, World

_OWNER = re.compile(r"owner=(\d+)")
_MOST_TASKS, _CHUNK = 100_000, 500
_LONGEST_PAUSE = 64
"""Looks between two searches for a holder that was not found."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A thread's lock in the hands of a thread (a Party) or a task. ``sure``: a block will give it back."""

    holder: Any
    sure: bool
    code: CodeType | None = None
    line: int | None = None


class Holders:
    """Finds holders. Remembers, weakly, which task held a lock, and which locks were searched for in vain."""

    def __init__(self, state: State) -> None:
        self.state = state
        self._tasks: dict[int, weakref.ref[Any]] = {}
        self._vain: dict[int, tuple[int, int]] = {}
        self._look = 0
        self.searched = False
        """Whether all tasks were searched since the last ``begin``; the interpreter was handed back meanwhile."""

    def begin(self) -> None:
        """A new look begins."""
        self._look += 1
        self.searched = False

    def forget(self) -> None:
        """Drop what was remembered."""
        self._tasks.clear()
        self._vain.clear()

    def of(self, lock: Any, world: World) -> Hold | None:
        """The one holder of a lock, or None when it is free or nobody can be named."""
        owner = owner_of(lock)
        if owner == 0:
            return None
        parties = list(world.parties.values()) if owner is None else [*filter(None, [world.party(owner)])]
        found = [hold for party in parties for hold in _in_thread(party, lock, world)] or self._in_tasks(lock)
        if not found and owner is not None:
            found = [Hold(party, True) for party in parties]
        return found[0] if len(found) == 1 else None

    def _in_tasks(self, lock: Any) -> list[Hold]:
        known = self._tasks.get(id(lock))
        task = known() if known is not None else None
        found = _in_task(task, lock) if task is not None else []
        return found or self._searched(lock)

    def _searched(self, lock: Any) -> list[Hold]:
        when, pause = self._vain.get(id(lock), (0, 1))
        if self._look < when:
            return []
        self.searched = True
        for number, task in enumerate(islice(self.state.tasks(), _MOST_TASKS)):
            if number % _CHUNK == _CHUNK - 1:
                time.sleep(HAND_BACK)
            found = _in_task(task, lock)
            if found:
                self._tasks[id(lock)] = weakref.ref(task)
                return found
        self._vain[id(lock)] = (self._look + pause, min(2 * pause, _LONGEST_PAUSE))
        return []


def owner_of(lock: Any) -> int | None:
    """The thread that owns an RLock, 0 when the lock is free, None when it is a Lock and held."""
    if isinstance(lock, threading._PyRLock):  # type: ignore[attr-defined]
        return int(getattr(lock, "_owner", None) or 0)
    shown = _OWNER.search(repr(lock))  # of a C type: no code of the program
    if shown is not None:
        return int(shown[1])
    return None if lock.locked() else 0


def _in_thread(party: Party, lock: Any, world: World) -> list[Hold]:
    """The outermost block of the thread's frames that holds the lock."""
    found: list[Hold] = []
    steady = True
    for frame in world.stack(party):
        if _waits_for_condition_of(frame, lock):
            return []
        code, lasti, look_up = frame.f_code, frame.f_lasti, partial(lookup, frame)
        for held in held_paths(code, lasti):
            if is_lock_of(look_up(held.path), lock):
                sure = steady and not _gave_away(code, lasti, look_up, lock, held)
                found.append(Hold(party, sure, code, held.line))
        steady = steady and (is_stdlib(frame) or not _gave_away(code, lasti, look_up, lock))
    return found[-1:]


def _gave_away(code: CodeType, lasti: int, look_up: Callable[[Path], Any], lock: Any, held: Held | None = None) -> bool:
    """Whether the code may have released the lock already, other than by the ``finally`` of the block that holds it."""
    expected = held.path if held is not None and held.by_hand else None
    calls = releases(code, lasti)
    lines = {line for path, line in calls if path is not None and path == expected}
    others = [path for path, _line in calls if path is None or path != expected]
    return len(lines) > 1 or any(path is None or look_up(path) in (None, lock) for path in others)


def _waits_for_condition_of(frame: FrameType, lock: Any) -> bool:
    if frame.f_code.co_name != "wait" or title_of(frame) != "threading:Condition.wait":
        return False
    return is_lock_of(stdlib_local(frame, "self"), lock)


def _in_task(task: Any, lock: Any) -> list[Hold]:
    """The outermost block of a suspended task's frames that holds the lock."""
    if task.done() or getattr(task, "_fut_waiter", None) is None:
        return []
    found: list[Hold] = []
    steady = True
    for link in reversed(chain(task.get_coro())):
        for line, held in _blocks(link, lock) if link.code.co_exceptiontable else ():
            sure = steady and not _gave_away(link.code, link.lasti, link.lookup, lock, held)
            found.append(Hold(task, sure, link.code, line))
        is_own = not link.module.startswith("asyncio.")
        steady = steady and not (is_own and _gave_away(link.code, link.lasti, link.lookup, lock))
    return found[-1:]


def _blocks(link: Link, lock: Any) -> Iterator[tuple[int, Held | None]]:
    """The line of each block of a suspended frame that holds the lock, and what its code says of it."""
    for entered in within(link):
        if not entered.is_async and is_lock_of(entered.manager, lock):
            yield entered.line, None
    for held in held_paths(link.code, link.lasti):
        if held.by_hand and is_lock_of(link.lookup(held.path), lock):
            yield held.line, held


def is_lock_of(thing: Any, lock: Any) -> bool:
    """Whether entering ``thing`` takes the lock: the lock itself, or a condition made of it."""
    if thing is lock:
        return True
    return type(thing) is threading.Condition and instance_attributes(thing).get("_lock") is lock
