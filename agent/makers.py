"""Who makes a task: the program, a library, or the standard library for its own purposes."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import os
import threading
from types import CodeType
from typing import Any

_MOST = 2_000
_OWN = tuple(
    os.path.dirname(str(module.__file__)) + os.sep for module in (asyncio, concurrent.futures)
) + tuple(str(module.__file__) for module in (contextlib, threading))  # fmt: skip
_US = os.path.dirname(os.path.realpath(__file__)) + os.sep
_known: dict[int, tuple[CodeType, bool]] = {}


def is_programs(record: Any) -> bool:
    """Whether the task was made by code that is neither asyncio's nor ours; False where that was not seen."""
    code = getattr(record, "code", None)
    if code is None:
        return False
    known = _known.get(id(code))
    if known is None:
        if len(_known) >= _MOST:
            _known.clear()
        known = _known[id(code)] = (code, not _is_of_others(code.co_filename))
    return known[1]


def _is_of_others(file: str) -> bool:
    return file.startswith(_OWN) or os.path.realpath(file).startswith(_US)
