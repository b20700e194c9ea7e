"""Task factories of the program's: they only pass a creation on, so that who asked for the task is its maker.

Without this, all tasks of a program whose tracing library sets a factory would seem to be made at one place in
that library.
"""

from __future__ import annotations

import asyncio
import functools
import sys
from types import CodeType
from typing import Any

from ..imports import after_import
from ..patching import Patches
from ..state import State
from .tasks import PASSING

_kept: dict[int, CodeType] = {}


def install(patches: Patches, state: State) -> None:
    """Note each factory when it is set, and the one that the running loop has already."""
    running = asyncio._get_running_loop()
    if running is not None:
        _note(running.get_task_factory())
    _hook(patches, asyncio.BaseEventLoop)
    if "uvloop" in sys.modules:
        _hook_uvloop(patches, state)
    else:
        after_import("uvloop", functools.partial(_hook_uvloop, patches, state))


def _hook_uvloop(patches: Patches, state: State) -> None:
    """uvloop's loop is no BaseEventLoop."""
    cls = getattr(sys.modules.get("uvloop"), "Loop", None)
    if state.on and cls is not None:
        _hook(patches, cls)


def _hook(patches: Patches, cls: Any) -> None:
    original = cls.set_task_factory

    @functools.wraps(original)
    def set_task_factory(self: Any, factory: Any) -> None:
        original(self, factory)
        _note(factory)

    patches.replace(cls, "set_task_factory", set_task_factory)


def _note(factory: Any) -> None:
    function = factory.func if isinstance(factory, functools.partial) else factory
    for each in (function, vars(type(function)).get("__call__")):
        code = getattr(each, "__code__", None)  # a bound method hands on that of its function
        if isinstance(code, CodeType):
            _kept[id(code)] = code  # or another could come to have its id
            PASSING.add(id(code))
