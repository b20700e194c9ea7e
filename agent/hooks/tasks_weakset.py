"""Task creation on 3.11 to 3.13: asyncio's weak set of all tasks asks us to add each one.

Laws:
- The weak reference that asyncio would make is made once, as a TaskRecord: registering costs nothing.
- A record leaves the set by the set's own C method; no Python runs when a task dies.
- One frame object is touched, the creating one; its predecessors are judged by their module's name.
"""

from __future__ import annotations

import sys
import weakref
from asyncio import tasks
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
    in_completed = tasks.as_completed.__code__
    keep: Any = ref(records)  # the last parent's reference: brothers share it

    def add(task: Any) -> None:
        nonlocal keep
        enlist(record := record_of(task, forget))
        try:
            module = module_at(2)
            if module == "asyncio.tasks":
                if (
                    module_at(3) == "asyncio.tasks"
                ):  # gather and its like, over ensure_future, over the loop's create_task
                    frame: Any = getframe(4)
                    record.code = code = frame.f_code
                    if code is in_completed:
                        frame = frame.f_back
                        record.code = frame.f_code
                    record.lasti = frame.f_lasti
                    return  # the parent is whoever awaits it: that is read when it is asked for
                frame = getframe(3)  # create_task or ensure_future, over the loop's create_task
            else:
                frame = getframe(3) if module == "asyncio.taskgroups" else creating_frame(getframe(1))
            record.code = frame.f_code
            record.lasti = frame.f_lasti
            parent = current()
            if parent is not None:  # a callback has none
                if keep() is not parent:
                    keep = ref(parent)
                record.parent = keep
        except (RuntimeError, TypeError, ValueError, AttributeError):  # no loop, no task, no such frame
            return

    return add


def _adder_311(records: set[Any]) -> Callable[[Any], None]:
    enlist, forget = records.add, records.discard
    getframe, ref, record_of = sys._getframe, weakref.ref, TaskRecord
    current, running = tasks._current_tasks.get, tasks.events._get_running_loop  # type: ignore[attr-defined]
    in_create, in_ensure, in_gather = tasks.create_task.__code__, tasks._ensure_future.__code__, tasks.gather.__code__  # type: ignore[attr-defined]
    keep: Any = ref(records)  # as above

    def add(task: Any) -> None:
        nonlocal keep
        enlist(record := record_of(task, forget))
        try:
            frame: Any = getframe(2)
            code = frame.f_code
            if code is in_create:
                frame = frame.f_back
                code = frame.f_code
            elif code is in_ensure:
                frame = creating_frame(frame.f_back)
                code = frame.f_code
                if code is in_gather:
                    frame = frame.f_back
                    code = frame.f_code
            else:
                frame = creating_frame(getframe(1))
                code = frame.f_code
            record.code = code
            record.lasti = frame.f_lasti
            parent = current(running())
            if parent is not None:  # a callback has none
                if keep() is not parent:
                    keep = ref(parent)
                record.parent = keep
        except (TypeError, ValueError, AttributeError):  # no loop, no task, no such frame
            return

    return add
