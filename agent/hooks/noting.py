"""The slow half of the wakers' hooks: entering an actor that is not the one who acted last.

Laws:
- It is called only when the actor changes; the fast half compares the running task with the mark. A program
  that makes an event for each request comes here for each of them, so the usual way through is straight.
- It never raises into the program, and runs no code of the program.
- Tasks that come by the dozen from one place are not listed and get no callback: the primitive gets MANY.
"""

from __future__ import annotations

import _thread
import asyncio
import inspect
import sys
import weakref
from asyncio import locks, queues
from collections.abc import Callable, Iterator
from time import monotonic
from types import CodeType, FrameType
from typing import Any

from ..acts import (
    BY_CALLBACK,
    CALLBACK,
    DONE,
    EXACT,
    FINISHER,
    FIRST,
    GET,
    MANY,
    MOST_ACTS,
    NOBODY,
    UNKNOWN_TASK,
    WAKERS,
)
from ..attributes import own
from ..state import State, TaskRecord
from .obituaries import record_of, watch

Note = Callable[[Any, str, str], None]
"""``note(primitive, mark, kind)``, called by a hook that the program called."""

_MOST_OF_ONE_SITE, _MOST_SITES, _MOST_RECENT = 64, 1_000, 64
_put: Callable[[Any, str, Any], None] = object.__setattr__
_QUEUE: Any = asyncio.Queue
_RUN_HANDLE = asyncio.Handle._run.__code__
_MAKING_QUEUE: CodeType = inspect.unwrap(asyncio.Queue.__init__).__code__


def _codes_of(module: Any) -> Iterator[CodeType]:
    for cls in vars(module).values():
        if isinstance(cls, type) and cls.__module__ == module.__name__:
            yield from (inspect.unwrap(each).__code__ for each in vars(cls).values() if inspect.isfunction(each))


PASSING = {id(code): code for module in (locks, queues) for code in _codes_of(module)}
PASSING[id(_RUN_HANDLE)] = _RUN_HANDLE
"""What passes an act on: Queue.put over put_nowait, notify_all over notify, a barrier over its condition."""
UNNOTED = {id(_MAKING_QUEUE): _MAKING_QUEUE}
"""Of these, what acts on an event of which nobody will ever ask: its own, or one that stays set."""


def noter(state: State, entering: Entering | None = None) -> Note:  # noqa: C901 - each call would cost
    """The function that enters an actor."""
    entering = entering or Entering()
    getframe, running, passing, put, read = sys._getframe, asyncio.current_task, PASSING, _put, object.__getattribute__

    def note(primitive: Any, mark: str, kind: str) -> None:  # noqa: C901
        if not state.on:
            return
        try:
            try:
                task, entries = running(), read(primitive, WAKERS)  # not the fast way: acts may come from any thread
            except (AttributeError, RuntimeError):  # nobody acted on it yet, or no loop in this thread
                task, entries = _running(), own(primitive, WAKERS, None)
            record: Any = entering.last if task is not None else None
            if task is not None and record() is not task:
                record = entering.known(task)
            if record is not None and entries is not None:
                for entry in entries if type(entries) is list else (entries,):
                    if (entry[1] is record and entry[0] is kind) or entry is MANY:
                        put(primitive, mark, record)
                        if kind is GET or kind is DONE:
                            put(primitive, EXACT, kind is DONE or _needs_all_takers(primitive))
                        return
            frame: Any = getframe(2)
            if id(frame.f_code) in passing:
                frame, noted = _caller_of(frame)
                if not noted:
                    return
            if record is not None and entries is None and record.watched and frame is not None:
                put(primitive, WAKERS, (kind, record, "", frame.f_code, frame.f_lasti, FIRST))
            elif record is not None and type(entries) is tuple and record.watched:
                put(primitive, WAKERS, [entries, _act(kind, record, "", frame)])
            elif record is not None:
                entering.task(_list(primitive, entries), kind, record, frame)
            else:
                record = entering.stranger(_list(primitive, entries), kind, task, frame)
            put(primitive, mark, record)
            if kind is GET or kind is DONE:
                put(primitive, EXACT, kind is DONE or _needs_all_takers(primitive))
        except Exception:  # noqa: BLE001 - whatever it is, the program must not notice
            return

    return note


def _running() -> Any:
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None


def _caller_of(frame: FrameType | None) -> tuple[FrameType | None, bool]:
    """Who called for an act that this frame passes on, None if it was the loop itself; and whether it counts."""
    while frame is not None and id(frame.f_code) in PASSING:
        if id(frame.f_code) in UNNOTED:
            return None, False
        frame = frame.f_back if frame.f_code is not _RUN_HANDLE else None
    return frame, True


def _list(primitive: Any, entries: Any) -> Any:
    """The acts on a primitive, as a list on itself: a single act stands there alone."""
    if type(entries) is not list:
        entries = [] if entries is None else [entries]
        _put(primitive, WAKERS, entries)
    return entries


def _needs_all_takers(queue: Any) -> bool:
    if type(queue) is _QUEUE:
        return queue._unstuck_finisher is not NOBODY or queue._maxsize > 0
    return own(queue, FINISHER, NOBODY) is not NOBODY or own(queue, "_maxsize", 1) > 0


class Entering:
    """Who acted: the mark to leave, and the entry in a primitive's list."""

    def __init__(self) -> None:
        self.sites: dict[Any, int] = {}
        self.last: Any = NOBODY
        """The record of the task that was entered last: many primitives in a row are one task's."""
        self.recent: dict[int, TaskRecord] = {}
        """Records of tasks that acted, by id of the task: to be believed when it leads there."""
        self.thread = 0
        """The thread it runs in."""

    def task(self, entries: list[Any], kind: str, record: TaskRecord, frame: FrameType | None) -> None:
        """Enter a task that is not yet among them."""
        if not record.watched or len(entries) >= MOST_ACTS:
            entries[:] = [MANY]
        else:
            entries.append(_act(kind, record, "", frame))

    def known(self, task: Any) -> Any:
        """The record of the running task, which has acted; None when there is none."""
        record: Any = self.recent.get(id(task))
        if record is not None and record() is task:
            self.last, self.thread = record, _thread.get_ident()
            return record
        record = record_of(task)
        if record is None:  # an eager task that has yet to suspend, or one made behind our back
            return None
        if not hasattr(record, "watched"):
            _know_parent(record, task)
            record.watched = not self._comes_by_the_dozen(record, task)
            if record.watched:
                watch(task)
        if len(self.recent) >= _MOST_RECENT:
            self.recent.clear()
        self.recent[id(task)] = record
        self.last, self.thread = record, _thread.get_ident()
        return record

    def _comes_by_the_dozen(self, record: TaskRecord, task: Any) -> bool:
        try:
            site = id(record.code), record.lasti
        except AttributeError:
            site = id(type(task)), -1
        count = self.sites[site] = self.sites.get(site, 0) + 1
        if len(self.sites) > _MOST_SITES:
            self.sites.clear()
        return count > _MOST_OF_ONE_SITE

    def stranger(self, entries: list[Any], kind: str, task: Any, frame: FrameType | None) -> Any:
        """Enter what is no task, or none that is known; return the mark."""
        if task is not None:
            who = UNKNOWN_TASK
        else:
            who = CALLBACK if asyncio._get_running_loop() is not None else _thread_name()
        known = any(entry[0] is kind and entry[2] == who for entry in entries)
        if not known and len(entries) < 2 * MOST_ACTS:
            entries.append(_act(kind, None, who, frame))
        return BY_CALLBACK if who is CALLBACK else NOBODY


def _act(kind: str, record: Any, who: str, frame: FrameType | None) -> tuple[Any, ...]:
    if frame is None:
        return kind, record, who, None, -1, monotonic()
    return kind, record, who, frame.f_code, frame.f_lasti, monotonic()


def _thread_name() -> str:
    """This thread's name; ``threading.current_thread()`` would enlist a foreign thread."""
    threading = sys.modules.get("threading")
    known = getattr(threading, "_active", {}).get(getattr(threading, "get_ident", int)())
    return f"thread {known._name}" if known is not None else "a thread"


def _know_parent(record: TaskRecord, task: Any) -> None:
    """Note the parent of a gather's child, which stands nowhere but in the gather's callback on it."""
    if hasattr(record, "parent") or not hasattr(record, "code"):
        return
    for callback, _context in task._callbacks or ():
        function = getattr(callback, "__code__", None)
        if function is not None and function.co_qualname == "gather.<locals>._done_callback":
            cells = dict(zip(function.co_freevars, callback.__closure__, strict=True))
            for awaiting, _ in cells["outer"].cell_contents._callbacks or ():
                parent = getattr(awaiting, "__self__", None)
                if isinstance(parent, asyncio.Task):
                    record.parent = weakref.ref(parent)
