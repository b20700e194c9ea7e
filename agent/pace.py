"""Handing the interpreter back: whatever the watcher's thread does for long, it does in small portions.

Law: in between, and in that thread only, who does not want to wait for the end may be answered (``meanwhile``).
"""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections.abc import Callable, Iterator

HAND_BACK = 50e-6
"""Seconds of sleep: a sleep of 0 would take the interpreter again before anybody else wakes."""


_meanwhile: tuple[int, Callable[[], None]] | None = None


def breathe() -> None:
    """Let others run, if any want to."""
    time.sleep(HAND_BACK)
    if _meanwhile is not None and _meanwhile[0] == threading.get_ident():
        _meanwhile[1]()


@contextlib.contextmanager
def meanwhile(step: Callable[[], None]) -> Iterator[None]:
    """Have ``step`` called whenever this thread breathes."""
    global _meanwhile
    _meanwhile = threading.get_ident(), step
    try:
        yield
    finally:
        _meanwhile = None


def every(steps: int) -> Callable[[], None]:
    """A pause to be called at each step of a long loop, which breathes once in so many."""
    taken = itertools.count(1)

    def pause() -> None:
        if not next(taken) % steps:
            breathe()

    return pause
