"""Who sets events, puts into and takes from queues, notifies conditions.

Laws:
- The bodies are CPython's own, with fewer calls inside: what that saves pays for the note. They stand in for
  the stdlib's exact classes only; a subclass gets the original, and the note after it.
- Where the interpreter's source is not the one known, the originals do all the work.
- An act is noted when it changed something, and costs one comparison of the running task with the mark: a
  weak reference, so that a reused address is nobody's.
- While the same actor acts on an event again and again, one act in eight is looked at.
- A mark that leads to nobody is either BY_CALLBACK's, or its task has ended and a callback acts now.
"""

from __future__ import annotations

import _thread
import asyncio
import functools
import sys
from collections.abc import Callable
from typing import Any

from ..acts import (
    BY_CALLBACK,
    CALLBACK,
    DONE,
    FINISHER,
    FIRST,
    GET,
    MANY,
    NOBODY,
    NOTIFIER,
    NOTIFY,
    PUT,
    PUTTER,
    REST,
    SET,
    SETTER,
    SHUTDOWN,
    TAKER,
)
from ..patching import Patches
from ..state import State
from . import queues_312, queues_313
from .bodies import has_known_bodies
from .noting import PASSING, Entering, Note, noter
from .tasks import fast_running_task, running_tasks

_SET = ("_value", "_waiters", "done", "set_result")
_NOTIFY = ("locked", "RuntimeError")
_TASK_DONE = ("_unfinished_tasks", "ValueError", "_finished", "set")


def install(patches: Patches, state: State) -> Note:
    """Hook Event, Condition and Queue; return the function that notes, for semaphores to use."""
    entering = Entering()
    note = noter(state, entering)
    patches.replace(asyncio.Condition, "notify", _notify(note))
    event: Any = asyncio.Event
    known = has_known_bodies(event, {"set": _SET})
    setting = _set if sys.version_info >= (3, 12) else _set_311
    patches.replace(event, "set", setting(note, entering, state) if known else _after(event.set, note, SETTER, SET))
    _install_queue(patches, note)
    return note


def _install_queue(patches: Patches, note: Note) -> None:
    queue: Any = asyncio.Queue
    queues: Any = queues_313 if hasattr(queue, "shutdown") else queues_312
    known = has_known_bodies(queue, queues.KNOWN)
    put, get = queue.put_nowait, queue.get_nowait
    patches.replace(queue, "put_nowait", queues.put_nowait(note) if known else _after(put, note, PUTTER, PUT))
    patches.replace(queue, "get_nowait", queues.get_nowait(note) if known else _after(get, note, TAKER, GET))
    known = has_known_bodies(queue, {"task_done": _TASK_DONE})
    done = _task_done(note) if known else _after(queue.task_done, note, FINISHER, DONE)
    patches.replace(queue, "task_done", done)
    if hasattr(queue, "shutdown"):
        patches.replace(queue, "shutdown", _after(queue.shutdown, note, PUTTER, SHUTDOWN))


def _after(original: Callable[..., Any], note: Note, mark: str, kind: str) -> Callable[..., Any]:
    """The original, then the note."""
    current = fast_running_task()

    @functools.wraps(original)
    def noted(self: Any, *args: Any, **kwargs: Any) -> Any:
        given = original(self, *args, **kwargs)
        try:
            last, task = getattr(self, mark), current()
            if last() is not task or (task is None and last is not BY_CALLBACK):
                note(self, mark, kind)
        except RecursionError:
            return given
        except (AttributeError, RuntimeError):  # made before the agent came; no loop in this thread
            note(self, mark, kind)
        return given

    return noted


def _notify(note: Note) -> Callable[..., Any]:
    """Where nobody waits there is nobody to wake: the original is asked only where somebody does."""
    plain: Any = asyncio.Condition
    original, current = plain.notify, fast_running_task()
    known = getattr(getattr(original, "__code__", None), "co_names", ())[:2] == _NOTIFY

    def notify(self: Any, n: int = 1) -> None:
        if known and not self._waiters and type(self) is plain:
            if not self.locked():
                raise RuntimeError("cannot notify on un-acquired lock")
        else:
            original(self, n)
        try:
            last, task = self._unstuck_notifier, current()
            if last() is not task or (task is None and last is not BY_CALLBACK):
                note(self, NOTIFIER, NOTIFY)
        except RecursionError:
            return
        except (AttributeError, RuntimeError):  # made before the agent came; no loop in this thread
            note(self, NOTIFIER, NOTIFY)

    return functools.wraps(original)(notify)


def _set(note: Note, entering: Entering, state: State) -> Callable[..., Any]:  # noqa: C901 - a call would cost
    current, first = fast_running_task(), _first(entering, state)

    def set(self: Any) -> None:
        if not self._value:
            self._value = True
            for waiter in self._waiters:
                if not waiter.done():
                    waiter.set_result(True)
            try:
                rest = self._unstuck_rest
                if rest:
                    self._unstuck_rest = rest - 1
                    return
                last, task = self._unstuck_setter, current()
                if last is NOBODY:
                    if not first(self, entering.last if task is not None else BY_CALLBACK, task):
                        note(self, SETTER, SET)
                elif last() is not task or (task is None and last is not BY_CALLBACK):
                    note(self, SETTER, SET)
                else:
                    self._unstuck_rest = REST
            except RecursionError:
                return
            except (AttributeError, RuntimeError):  # made before the agent came; no loop in this thread
                note(self, SETTER, SET)

    return functools.wraps(asyncio.Event.set)(set)


def _set_311(note: Note, entering: Entering, state: State) -> Callable[..., Any]:  # noqa: C901 - as above
    """For 3.11: see ``queues_312``."""
    running, thread, first = running_tasks(), _thread.get_ident, _first(entering, state)

    def set(self: Any) -> None:
        if not self._value:
            self._value = True
            for waiter in self._waiters:
                if not waiter.done():
                    waiter.set_result(True)
            try:
                rest = self._unstuck_rest
                if rest:
                    self._unstuck_rest = rest - 1
                    return
                last = self._unstuck_setter
                if last is NOBODY:
                    record = entering.last
                    task = record()
                    if task not in running or thread() != entering.thread or not first(self, record, task):
                        note(self, SETTER, SET)
                elif last() not in running and (running or last is not BY_CALLBACK):
                    note(self, SETTER, SET)
                else:
                    self._unstuck_rest = REST
            except RecursionError:
                return
            except AttributeError:
                note(self, SETTER, SET)

    return functools.wraps(asyncio.Event.set)(set)


def _first(entering: Entering, state: State) -> Callable[..., bool]:
    """What enters the first act on an event, by a task or a callback; False where that is not the usual case."""
    getframe, passing = sys._getframe, PASSING
    usual: Any = None

    def first(event: Any, record: Any, task: Any) -> bool:
        nonlocal usual
        if record() is not task:
            record = entering.known(task)
        if record is not None and event._unstuck_wakers is None and state.on:
            try:
                frame = getframe(2)
            except ValueError:  # called by C
                return False
            code = frame.f_code
            if code is usual or id(code) not in passing:
                usual = code
                event._unstuck_setter = record
                if record is BY_CALLBACK:
                    event._unstuck_wakers = (SET, None, CALLBACK, code, frame.f_lasti, FIRST)
                elif record.watched:
                    event._unstuck_wakers = (SET, record, "", code, frame.f_lasti, FIRST)
                else:
                    event._unstuck_wakers = MANY
                return True
        return False

    return first


def _task_done(note: Note) -> Callable[..., Any]:
    current = fast_running_task()

    def task_done(self: Any) -> None:
        if self._unfinished_tasks <= 0:
            raise ValueError("task_done() called too many times")
        self._unfinished_tasks -= 1
        if self._unfinished_tasks == 0:
            self._finished.set()
        try:
            last, task = self._unstuck_finisher, current()
            if last() is not task or (task is None and last is not BY_CALLBACK):
                note(self, FINISHER, DONE)
        except RecursionError:
            return
        except (AttributeError, RuntimeError):
            note(self, FINISHER, DONE)

    return functools.wraps(asyncio.Queue.task_done)(task_done)
