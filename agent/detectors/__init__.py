"""Detectors: one file a kind of finding. Each turns what was seen or judged into frozen findings."""

from __future__ import annotations

from collections.abc import Callable

from ..state import State
from . import deadlock
from .ignored_cancel import IgnoredCancels
from .lock_order import LockOrder
from .lost_error import LostErrors
from .model import Detector
from .never_awaited import NeverAwaited
from .orphan_task import OrphanTasks
from .pool_exhausted import PoolExhausted
from .task_leak import TaskLeaks
from .thread_deadlock import ThreadDeadlocks
from .wrong_thread import WrongThread


def looking(wanted: frozenset[str], state: State) -> list[Detector]:
    """The detectors of the wanted kinds that tell by looking (see ``model``)."""
    makers: tuple[tuple[str, Callable[[State], Detector]], ...] = (  # one line a kind, alphabetically
        (IgnoredCancels.kind, IgnoredCancels),
        (LockOrder.kind, LockOrder),
        (LostErrors.kind, LostErrors),
        (NeverAwaited.kind, NeverAwaited),
        (OrphanTasks.kind, OrphanTasks),
        (PoolExhausted.kind, PoolExhausted),
        (TaskLeaks.kind, TaskLeaks),
        (deadlock.KIND, ThreadDeadlocks),
        (WrongThread.kind, WrongThread),
    )
    return [make(state) for kind, make in makers if kind in wanted]
