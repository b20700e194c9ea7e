"""The words of a wait."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any


class Mode(Enum):
    """What it takes to end a wait."""

    READY = "ready"
    """Nothing: the task is running or about to run."""
    FREE = "free"
    """Something outside the graph: a timer, a descriptor, a thread, or a waker that is not known."""
    HELD = "held"
    """A unit of a resource that other tasks hold."""
    ALL = "all"
    """Every one of the needs must finish."""
    FAIL_FAST = "fail fast"
    """Every one of the needs must finish, or one of them fail."""
    ANY = "any"
    """One of the needs must finish."""


@dataclass(frozen=True, slots=True)
class Wait:
    """One task's present suspension. Refers to live objects: it never leaves the step that made it."""

    kind: str
    """The kind of resource in the program's words, such as ``asyncio.Lock`` or ``asyncio.sleep``."""
    mode: Mode
    resource: Any = None
    """The object waited on: a lock, a queue, an event, a future; None for a bare timer."""
    needs: tuple[Any, ...] = ()
    """The futures and tasks that must finish, for the joining modes."""
    due: float | None = None
    """Loop time at which the wait ends by itself."""
    certain: bool = True
    """False when something that is not known could end it as well."""


READY = Wait("running", Mode.READY)
