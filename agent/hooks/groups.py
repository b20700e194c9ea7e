"""Up to 3.12 a task group may leave a cancellation of its own behind on the task that is in it.

Theory. When a child fails, the group cancels the task in its body, and takes that back when the body has ended. Where
the body has ended before, and the task waits in the group's exit, it is cancelled all the same and nobody takes
it back: ``task.cancelling()`` stays above zero for a task that nobody wants to end. 3.13 mended that.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from ..patching import Patches
from ..state import State


def install(patches: Patches, state: State) -> None:
    """Note such cancellations."""
    if sys.version_info >= (3, 13):
        return
    original = asyncio.TaskGroup._abort  # type: ignore[attr-defined]
    failing = asyncio.TaskGroup._on_task_done.__code__

    def _abort(self: Any) -> None:
        original(self)
        if self._exiting and sys._getframe(1).f_code is failing:
            task = self._parent_task
            state.left_over[task] = state.left_over.get(task, 0) + 1

    patches.replace(asyncio.TaskGroup, "_abort", _abort)
