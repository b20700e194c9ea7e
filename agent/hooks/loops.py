"""Event loops: which there are. Noted when made; a running loop is never touched."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from typing import Any

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
