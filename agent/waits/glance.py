"""The quick look: does this task wait for other tasks at all?

Law: no frame object is made and nothing is allocated but the answer; the full reading is ``wait_of``.
"""

from __future__ import annotations

from enum import Enum
from types import CoroutineType
from typing import Any

from ..stacks import MAX_DEPTH
from .model import Mode, Wait
from .reading import stands_for_another, table, wait_of


class Glance(Enum):
    """What kind of wait it is."""

    OUTSIDE = "outside"
    FREE = "free"
    HELD = "held"
    JOIN = "join"


Seen = tuple[Glance, Wait | None]
"""The kind of wait, and the wait itself where it is one for others."""
_OUTSIDE: Seen = (Glance.OUTSIDE, None)
_FREE: Seen = (Glance.FREE, None)


def glance(task: Any, future: Any) -> Seen:
    """The kind of wait of a task suspended on ``future``; exact only while the task stays suspended."""
    relevant, outside = table().relevant, table().outside
    current = task.get_coro()
    for _ in range(MAX_DEPTH):
        if type(current) is not CoroutineType:
            break
        if id(current.cr_code) in relevant:
            return _read(task)
        if id(current.cr_code) in outside:
            return _OUTSIDE
        current = current.cr_await
    if type(current).__name__ == "FutureIter":
        return _read(task) if stands_for_another(future) else _FREE
    return _read(task)


def _read(task: Any) -> Seen:
    wait = wait_of(task)
    if wait.mode is Mode.HELD:
        return Glance.HELD, wait
    return _FREE if wait.mode in (Mode.FREE, Mode.READY) else (Glance.JOIN, wait)
