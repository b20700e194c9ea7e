"""Event loops: which there are. Noted when made; a running loop is never touched."""

from __future__ import annotations

import asyncio
import functools
import sys
from collections.abc import Callable
from typing import Any

from ..imports import after_import
from ..patching import Patches
from ..state import State


def install(patches: Patches, state: State, on_loop: Callable[[], None]) -> None:
    """Note every standard loop at its creation and tell the watcher that there is something to watch."""
    original = asyncio.BaseEventLoop.__init__

    @functools.wraps(original)
    def __init__(self: Any) -> None:
        original(self)
        state.loops.add(self)
        on_loop()

    patches.replace(asyncio.BaseEventLoop, "__init__", __init__)
    patches.replace(asyncio.BaseEventLoop, "_check_running", _about_to_run(state, on_loop))
    if "uvloop" in sys.modules:
        _hook_uvloop(patches, state, on_loop)
    else:
        after_import("uvloop", functools.partial(_hook_uvloop, patches, state, on_loop))


def _hook_uvloop(patches: Patches, state: State, on_loop: Callable[[], None]) -> None:
    """uvloop's loop is no BaseEventLoop."""
    cls = getattr(sys.modules.get("uvloop"), "Loop", None)
    if not state.on or cls is None:
        return
    original = cls.__init__

    @functools.wraps(original)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        state.note_loop(self)
        on_loop()

    patches.replace(cls, "__init__", __init__)


def _about_to_run(state: State, on_loop: Callable[[], None]) -> Callable[[Any], None]:
    """The check that every loop makes once before it runs: also those that were made before the agent came."""
    original = asyncio.BaseEventLoop._check_running  # type: ignore[attr-defined]

    @functools.wraps(original)
    def _check_running(self: Any) -> None:
        original(self)
        state.note_loop(self)
        on_loop()

    return _check_running
