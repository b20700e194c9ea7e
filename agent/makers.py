"""Who makes a task: the program, a library, or the standard library for its own purposes."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import os
import threading
from types import CodeType
from typing import Any

from .installed import is_installed

_MOST = 2_000
_OWN = tuple(
    os.path.dirname(str(module.__file__)) + os.sep for module in (asyncio, concurrent.futures)
) + tuple(str(module.__file__) for module in (contextlib, threading))  # fmt: skip
_US = os.path.dirname(os.path.realpath(__file__)) + os.sep
_known: dict[int, tuple[CodeType, bool, bool]] = {}


def is_programs(record: Any) -> bool:
    """Whether the task was made by code that is neither asyncio's nor ours; False where that was not seen."""
    return _made_by(record)[0]


def is_applications(record: Any) -> bool:
    """The same, and not by an installed package's either: by code that the reader can change."""
    return _made_by(record)[1]


def _made_by(record: Any) -> tuple[bool, bool]:
    """Whether by the program, whether by the application itself."""
    code = getattr(record, "code", None)
    if code is None:
        return False, False
    known = _known.get(id(code))
    if known is None:
        if len(_known) >= _MOST:
            _known.clear()
        programs = not _is_of_others(code.co_filename)
        known = _known[id(code)] = (code, programs, programs and not is_installed(code.co_filename))
    return known[1:]


def _is_of_others(file: str) -> bool:
    return file.startswith(_OWN) or os.path.realpath(file).startswith(_US)
