"""Where each thread stands.

Law: up to 3.11.8 a collection that starts inside ``sys._current_frames`` may give the interpreter away while a lock is
held that every starting and ending thread needs, and the process stands still for good (python/cpython#106883).
There the collector is switched off around the call, in one call into C, so that nobody ever sees it switched off.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterable
from functools import partial
from operator import call
from types import FrameType
from typing import Any

_AS_IT_WAS: dict[bool, Callable[[], None]] = {True: gc.enable, False: gc.disable}


def _guarded() -> dict[int, FrameType]:
    found: list[Any] = []
    as_it_was = map(_AS_IT_WAS.__getitem__, map(found.__getitem__, (0,)))
    steps: Iterable[Callable[[], Any]] = (
        partial(found.extend, map(call, (gc.isenabled,))),
        gc.disable,
        partial(found.extend, map(call, (sys._current_frames,))),
        partial(found.extend, map(call, as_it_was)),
    )
    try:
        list(map(call, steps))
    except BaseException:  # out of memory: the rest of the steps was left out
        if found[:1] == [True]:
            gc.enable()
        raise
    frames: dict[int, FrameType] = found[1]
    return frames


current_frames: Callable[[], dict[int, FrameType]] = _guarded if sys.version_info < (3, 11, 9) else sys._current_frames
"""The topmost frame of every thread, by the thread's identity; the caller's own is among them."""
