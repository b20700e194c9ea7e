"""What was seen of each task, and how tasks, loops and their states are read from the watcher's thread."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from .. import wire
from ..pace import HAND_BACK
from ..state import OwnReference, State

if TYPE_CHECKING:
    from .births import Birth
    from .things import Thing

_FEW = 20
_CHUNK = 5_000
"""About a millisecond of looking. To get the interpreter back from a busy program takes five."""
RUNNING, READY, WAITING, DONE = "running", "ready", "waiting", "done"


def nothing() -> None:
    """The reference of a task that awaits nothing."""
    return None


def unread() -> None:
    """The reference of a task that was seen to wait, and of which nobody has asked yet for what."""
    return None


class Entry:
    """A task as it was last seen, and its row, if one was made since it last moved."""

    __slots__ = ("birth", "future", "record", "row", "seen", "since", "state", "thing")

    def __init__(self, record: Any, now: float) -> None:
        self.record = record
        self.state = ""
        self.future: Callable[[], Any] = nothing
        """A weak reference to what it awaits."""
        self.since = self.seen = now
        """Monotonic: since when it is in this state, and when it was first seen."""
        self.birth: Birth | None = None
        """What does not change; None until it was told of."""
        self.row: wire.Task | None = None
        self.thing: Thing | None = None


def reference(future: Any) -> Callable[[], Any]:
    """A weak reference to what a task awaits. Something that cannot have any has moved at each look."""
    try:
        return OwnReference(future)
    except TypeError:
        return nothing


def loops(state: State) -> list[Any]:
    """The loops of this process that are not closed."""
    for _ in range(3):
        try:
            return [loop for loop in list(state.loops) if not loop.is_closed()]
        except RuntimeError:  # another thread has just made one
            continue
    return []


def running(state: State) -> Iterator[Any]:
    """The tasks that are running now."""
    for loop in loops(state):
        try:
            task = asyncio.current_task(loop)
        except RuntimeError:
            continue
        if task is not None:
            yield task


def count(state: State) -> dict[str, int]:
    """How many tasks are in which state, where nobody needs to know which."""
    counts = dict.fromkeys((RUNNING, READY, WAITING), 0)
    for chunk in chunks(list(state.records)):
        for record in chunk:
            task = record()
            if getattr(task, "_fut_waiter", None) is not None:
                counts[WAITING] += 1
            elif task is not None and not task.done():
                counts[READY] += 1
    counts[RUNNING] = min(len(list(running(state))), counts[READY])
    counts[READY] -= counts[RUNNING]
    return counts


def count_by_loop(state: State) -> dict[int, int]:
    """How many tasks each loop has, by the loop's id; where there is only one they are all its."""
    counts: Counter[int] = Counter()
    for chunk in chunks(list(state.records)):
        for record in chunk:
            task = record()
            if hasattr(task, "_fut_waiter") and not task.done():
                counts[id(task.get_loop())] += 1
    return counts


def oldest_wait(state: State) -> float | None:
    """Monotonic: since when somebody has been waiting for what others hold. Notes are in the order of time, nearly."""
    since = [each[1] for each in _first_of(state.blocked) if each[0]() is not None]
    since += [each.since for each in _first_of(state.queued) if each.resource() is not None]
    return min(since, default=None)


def _first_of(notes: dict[int, Any]) -> list[Any]:
    """The first few values, in one step: another thread adds to them."""
    return list(islice(notes.values(), _FEW))


def chunks(things: list[Any]) -> Iterator[list[Any]]:
    """The things, chunk by chunk, with the interpreter handed back in between."""
    for start in range(0, len(things), _CHUNK):
        if start:
            time.sleep(HAND_BACK)
        yield things[start : start + _CHUNK]
