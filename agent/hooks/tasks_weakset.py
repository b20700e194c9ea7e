"""Task creation on 3.11 to 3.13: asyncio's weak set of all tasks asks us to add each one.

Laws:
- The weak reference that asyncio would make is made once, as a TaskRecord: registering costs nothing.
- A record leaves the set by the set's own C method; no Python runs when a task dies.
- One frame object is touched, the creating one; its predecessors are judged by their module's name.
"""

from __future__ import annotations

import sys
import weakref
from asyncio import taskgroups, tasks
from collections.abc import Callable
from typing import Any

from ..patching import Patches
from ..state import State, TaskRecord
from .tasks import adopt, creating_frame, fast_running_task


def install(patches: Patches, state: State) -> None:
    """Observe additions to the weak set, and make its entries the registry."""
    weakset: Any = getattr(tasks, "_scheduled_tasks", None)
    if weakset is None:
        weakset = tasks._all_tasks  # type: ignore[attr-defined]  # its name on 3.11
    state.records = weakset.data
    for plain in list(weakset.data):
        task = plain()
        if task is not None and not isinstance(plain, TaskRecord):
            weakset.data.discard(plain)
            adopt(state, task)
    make = _adder if hasattr(sys, "_getframemodulename") else _adder_311
    patches.replace(weakset, "add", make(state.records))


def _adder(records: set[Any]) -> Callable[[Any], None]:
    enlist, forget = records.add, records.discard
    module_at: Callable[[int], str | None] = sys._getframemodulename  # type: ignore[attr-defined]
    getframe, current, ref, record_of = sys._getframe, fast_running_task(), weakref.ref, TaskRecord
    in_gather, in_group = tasks.gather.__code__, taskgroups.TaskGroup.create_task.__code__

    def add(task: Any) -> None:
        record = record_of(task, forget)
        enlist(record)
        if module_at(1) == "asyncio.base_events":  # BaseEventLoop.create_task, reached through …
            frame: Any = getframe(3 if module_at(2) == "asyncio.tasks" else 2)
            code = frame.f_code
            if code is in_gather or code is in_group:
                frame = frame.f_back
                code = frame.f_code
        else:
            frame = creating_frame(getframe(1))
            code = frame.f_code
        record.code = code
        record.lasti = frame.f_lasti
        try:
            record.parent = ref(current())
        except (RuntimeError, TypeError):  # no loop is running, or no task in it
            record.parent = None

    return add


def _adder_311(records: set[Any]) -> Callable[[Any], None]:
    enlist, forget = records.add, records.discard
    getframe, ref, record_of = sys._getframe, weakref.ref, TaskRecord
    current, running = tasks._current_tasks.get, tasks.events._get_running_loop  # type: ignore[attr-defined]

    def add(task: Any) -> None:
        record = record_of(task, forget)
        enlist(record)
        frame: Any = creating_frame(getframe(1))
        record.code = frame.f_code
        record.lasti = frame.f_lasti
        parent = current(running())
        record.parent = None if parent is None else ref(parent)

    return add
