"""What serving needs to know of the agent it belongs to."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from ..config import Settings
from ..findings import Event
from ..state import State


@dataclass(frozen=True, slots=True)
class Subject:
    """The running agent, as far as it is told of. All is called in the watcher's thread."""

    state: State
    settings: Settings
    complain: Callable[[str], None]
    findings: Callable[[], Iterable[Event]]
    """What is open now, as events that opened it."""
    retracted: Callable[[], int]
    failed: Callable[[], dict[str, str]]
    """Parts that are switched off, with the reasons."""
    stalled: Callable[[Any], float]
    """For how many seconds a loop has been running one and the same callback."""
    cancel: Callable[[Any], bool]
    """Cancels a task, in its loop's thread; whether that was possible."""
