"""Handing the interpreter back: whatever the watcher's thread does for long, it does in small portions."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable

HAND_BACK = 50e-6
"""Seconds of sleep: a sleep of 0 would take the interpreter again before anybody else wakes."""


def breathe() -> None:
    """Let others run, if any want to."""
    time.sleep(HAND_BACK)


def every(steps: int) -> Callable[[], None]:
    """A pause to be called at each step of a long loop, which breathes once in so many."""
    taken = itertools.count(1)

    def pause() -> None:
        if not next(taken) % steps:
            breathe()

    return pause
