"""What a thread is blocked on, read from its topmost frames.

Laws:
- What is not recognised is FREE, and so is every wait with a timeout: it will end by itself.
- Nobody is asked: no method of a future or lock that could itself wait for a lock is called.
- A thread that is about to take a lock and one that has just got it look alike from outside; who holds the lock
  tells them apart (``holders``).
"""

from __future__ import annotations

import _thread
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Any

from ..bytecode import Path
from ..waits.model import Mode, Wait
from .code import taken_path
from .frames import lookup, stdlib_local, title_of

LOCKS: tuple[type, ...] = (_thread.LockType, _thread.RLock)
_MOST = 6
_WAITER = Path("fast", "waiter", ())
"""The lock that ``Condition.wait`` makes for itself, for somebody to release: a wait without a timeout."""
_ENDED = ("CANCELLED", "CANCELLED_AND_NOTIFIED", "FINISHED")
RUNNING = Wait("running", Mode.FREE)


def is_done(job: Any) -> bool:
    """Whether a future of ``concurrent.futures`` is done; its own ``done()`` would take its lock."""
    return getattr(job, "_state", None) in _ENDED


def may_wait(frame: FrameType) -> bool:
    """Whether a thread with this topmost frame may be blocked on something that is read here."""
    code = frame.f_code
    return code.co_qualname in _INNERMOST or taken_path(code, frame.f_lasti) is not None


def thread_wait(frame: FrameType) -> Wait:
    """What the thread with this topmost frame waits for."""
    path = taken_path(frame.f_code, frame.f_lasti)
    if frame.f_code.co_qualname == "Condition.wait":
        if path != _WAITER:  # on its way in or out
            return RUNNING
    elif path is not None:
        lock = lookup(frame, path)
        return Wait(f"threading.{kind_of(lock)}", Mode.HELD, lock) if isinstance(lock, LOCKS) else RUNNING
    found, inner = RUNNING, ""
    current: FrameType | None = frame
    for _ in range(_MOST):
        title = title_of(current) if current is not None else ""
        row = _ROWS.get(title)
        if current is None or row is None or inner not in row.inner:
            return found
        found, inner, current = row.read(current), title, current.f_back
    return found


def kind_of(lock: Any) -> str:
    """Lock or RLock."""
    return "Lock" if isinstance(lock, _thread.LockType) else "RLock"


@dataclass(frozen=True, slots=True)
class _Row:
    """A function of the standard library that waits; ``inner`` is what it has called to do so."""

    read: Callable[[FrameType], Wait]
    inner: tuple[str, ...] = ("threading:Condition.wait",)


def _named(kind: str) -> Callable[[FrameType], Wait]:
    """A wait that anybody may end."""
    wait = Wait(kind, Mode.FREE)
    return lambda _frame: wait


def _result(frame: FrameType) -> Wait:
    job = stdlib_local(frame, "self")
    if stdlib_local(frame, "timeout") is not None or is_done(job):
        return Wait("concurrent.futures.Future", Mode.FREE, job)
    return Wait("concurrent.futures.Future", Mode.ALL, job, (job,))


def _wait(frame: FrameType) -> Wait:
    mode = {"FIRST_COMPLETED": Mode.ANY, "FIRST_EXCEPTION": Mode.FAIL_FAST, "ALL_COMPLETED": Mode.ALL}.get(
        stdlib_local(frame, "return_when"), Mode.FREE
    )
    return _many("concurrent.futures.wait", mode, stdlib_local(frame, "fs"), stdlib_local(frame, "timeout"))


def _as_completed(frame: FrameType) -> Wait:
    pending, timeout = stdlib_local(frame, "pending"), stdlib_local(frame, "timeout")
    return _many("concurrent.futures.as_completed", Mode.ANY, pending, timeout)


def _many(kind: str, mode: Mode, jobs: Any, timeout: Any) -> Wait:
    every = tuple(jobs) if isinstance(jobs, set | frozenset | list | tuple) else ()
    pending = tuple(job for job in every if not is_done(job))
    ends = mode is not Mode.ALL and len(pending) < len(every)
    if timeout is not None or not pending or ends:
        return Wait(kind, Mode.FREE)
    return Wait(kind, mode, None, pending)


def _join(frame: FrameType) -> Wait:
    thread = stdlib_local(frame, "self")
    if stdlib_local(frame, "timeout") is not None or not isinstance(thread, threading.Thread):
        return Wait("threading.Thread.join", Mode.FREE)
    return Wait("threading.Thread.join", Mode.ALL, thread, (thread,))


_CONDITION, _EVENT = "threading:Condition.wait", "threading:Event.wait"
_ENTER, _TURN = "threading:Barrier._enter", "threading:Barrier._wait"
_ROWS = {
    _CONDITION: _Row(_named("threading.Condition"), ("",)),
    _EVENT: _Row(_named("threading.Event")),
    "threading:Condition.wait_for": _Row(_named("threading.Condition")),
    "threading:Semaphore.acquire": _Row(_named("threading.Semaphore")),
    "threading:Barrier._wait": _Row(_named("threading.Barrier"), ("threading:Condition.wait_for",)),
    "threading:Barrier._enter": _Row(_named("threading.Barrier"), (_CONDITION, "threading:Condition.wait_for")),
    "threading:Barrier.wait": _Row(
        _named("threading.Barrier"), ("threading:Barrier._wait", "threading:Barrier._enter")
    ),
    "threading:Thread._wait_for_tstate_lock": _Row(_named("threading.Thread.join"), ("",)),  # up to 3.12
    "threading:Thread.join": _Row(_join, ("", "threading:Thread._wait_for_tstate_lock")),
    "queue:Queue.get": _Row(_named("queue.Queue.get")),
    "queue:Queue.put": _Row(_named("queue.Queue.put")),
    "queue:Queue.join": _Row(_named("queue.Queue.join")),
    "concurrent.futures._base:Future.result": _Row(_result),
    "concurrent.futures._base:Future.exception": _Row(_result),
    "concurrent.futures._base:wait": _Row(_wait, (_EVENT,)),
    "concurrent.futures._base:as_completed": _Row(_as_completed, (_EVENT,)),
}
_INNERMOST = {title.partition(":")[2] for title, row in _ROWS.items() if "" in row.inner}
