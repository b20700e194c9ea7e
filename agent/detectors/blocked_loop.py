"""blocked-loop: a callback or a task's step has kept the loop's thread for too long.

Laws:
- Seen from the watcher's thread alone: which handle is the loop running? The loop is never asked.
- The handle is remembered weakly. The same handle at every look means that the loop has not turned.
- A machine that does not run us is not a blocked loop: between two looks only the usual time counts,
  or what the loop's thread spent on its processor, if that was more. A runnable thread that gets no
  processor is starved: only what it spent counts. A program in a debugger is not blocked either.
- A loop that was idle, and whose thread has not spent a nanosecond since, is idle still: there is nothing to look at.
"""

from __future__ import annotations

import asyncio
import threading
import time
import weakref
from dataclasses import dataclass
from types import FrameType
from typing import Any

from ..attributes import is_a
from ..findings import SUSPECTED, Finding
from ..processor import counts_finely, cpu_ns, is_runnable
from ..snapshot import Place, TaskView
from ..standing import current_frames
from ..state import State
from ..threads.reading import may_wait, thread_wait
from ..tracing import span_of
from ..views import coroutine_name, created_at, loop_name, task_id

KIND = "blocked-loop"
_RUN = asyncio.Handle._run.__code__
_RUN_ONCE = asyncio.BaseEventLoop._run_once.__code__  # type: ignore[attr-defined]
_MOST_FRAMES = 1000
_DEBUGGERS = frozenset({"bdb", "pdb", "pydevd", "debugpy"})


@dataclass(slots=True)
class _Spell:
    """One handle's uninterrupted run, as far as it was seen."""

    handle: weakref.ref[Any]
    looked: float
    cpu: float
    blocked: float = 0.0
    subject: tuple[str, int, int] | None = None


@dataclass(frozen=True, slots=True)
class _Sleep:
    """A loop of asyncio's that was idle, and what its thread had spent before that; no thread if it does not run."""

    loop: weakref.ref[Any]
    key: int
    thread: int | None
    native: int | None
    spent: int | None

    def lasts(self) -> bool:
        """Whether the loop is as it was, and rightly so: there is nothing that it should be running by now."""
        loop: Any = self.loop()
        if loop is None or loop._thread_id != self.thread or loop._ready:
            return False
        timers = loop._scheduled
        if timers and timers[0]._when <= loop.time():
            return False
        return self.thread is None or (self.spent is not None and cpu_ns(self.native) == self.spent)


class LoopWatch:
    """Watches the loops of this process. ``look`` is called every ``period`` seconds."""

    def __init__(self, state: State, after: float) -> None:
        self.state, self.after = state, after
        self.period = after / 2
        self._spells: dict[int, _Spell] = {}
        self._asleep: list[_Sleep] = []

    def rests(self) -> bool:
        """Whether a look would see what the last one saw: all loops idle, with nothing to run."""
        known = len(self._asleep) == len(self.state.loops) and not self._spells
        return known and all(each.lasts() for each in self._asleep)

    def look(self, now: float) -> tuple[list[Finding], list[tuple[str, int, int]]]:
        """New findings, and the subjects of those that are over. ``now`` is monotonic seconds."""
        loops = list(self.state.loops)
        sleeps = [_sleep(loop) for loop in loops]  # before it is seen whether they do
        frames = current_frames()
        frames.pop(threading.get_ident(), None)  # our own frame in our own local would be a cycle at each look
        gone = self._spells.keys() - set(map(id, loops))
        found, over = list[Finding](), [spell.subject for key in gone if (spell := self._spells.pop(key)).subject]
        for loop in loops:
            frame = frames.get(getattr(loop, "_thread_id", None) or 0)
            finding, ended = self._look_at(loop, frame, now)
            found += [finding] if finding else []
            over += [ended] if ended else []
        self._asleep = [each for each in sleeps if each is not None and each.key not in self._spells]
        return found, over

    def stalled(self, loop: Any) -> float:
        """For how many seconds, as far as was seen, the loop has been running one and the same callback."""
        spell = self._spells.get(id(loop))
        return spell.blocked if spell is not None else 0.0

    def forget(self) -> list[tuple[str, int, int]]:
        """End all spells, as at shutdown; the subjects of those that had been reported."""
        subjects = [spell.subject for spell in self._spells.values() if spell.subject]
        self._spells.clear()
        self._asleep = []
        return subjects

    def _look_at(self, loop: Any, frame: FrameType | None, now: float) -> tuple[Finding | None, Any]:
        thread = getattr(loop, "_thread_id", None)
        handle = _running_handle(frame)
        spell = self._spells.get(id(loop))
        if spell is not None and handle is not None and spell.handle() is handle:
            self._lengthen(spell, thread, now)
            if spell.blocked >= self.after and spell.subject is None and not _in_debugger(frame):
                spell.subject = (KIND, id(loop), id(handle))
                return _describe(loop, frame, self.state, spell), None
            return None, None
        ended = spell.subject if spell is not None else None
        if handle is None:
            self._spells.pop(id(loop), None)
        else:
            self._spells[id(loop)] = _Spell(weakref.ref(handle), now, _thread_cpu(thread))
        return None, ended

    def _lengthen(self, spell: _Spell, thread: Any, now: float) -> None:
        cpu = _thread_cpu(thread)
        gap, worked = now - spell.looked, cpu - spell.cpu
        starved = worked < 0.3 * gap and _is_runnable(thread)
        spell.blocked += worked if starved else max(min(gap, 1.5 * self.period), worked)
        spell.looked, spell.cpu = now, cpu


def _sleep(loop: Any) -> _Sleep | None:
    """The loop's sleep, should it be asleep; None where that could not be told from a short turn."""
    if not isinstance(loop, asyncio.BaseEventLoop) or not counts_finely():
        return None
    thread: int | None = loop._thread_id  # type: ignore[attr-defined]
    native = _native(thread)
    return _Sleep(weakref.ref(loop), id(loop), thread, native, cpu_ns(native))


def _running_handle(frame: FrameType | None) -> Any:
    """The handle whose callback this thread is running, or None: it is idle, or runs no asyncio loop."""
    for _ in range(_MOST_FRAMES):
        if frame is None or frame.f_code is _RUN_ONCE:  # idle; what is further out is another loop's
            return None
        if frame.f_code is _RUN:
            found = frame.f_locals
            handle = found.get("self")
            if type(found) is dict:  # up to 3.12: leave nothing on the frame
                found.clear()
            return handle
        frame = frame.f_back
    return None


def _thread_cpu(thread: Any) -> float:
    """Processor seconds of a thread, 0 where that cannot be asked."""
    try:
        return time.clock_gettime(time.pthread_getcpuclockid(thread))
    except (AttributeError, OSError, TypeError):
        return 0.0


def _is_runnable(thread: Any) -> bool:
    return is_runnable(_native(thread))


def _native(thread: Any) -> int | None:
    """The kernel's id of a thread."""
    return getattr(threading._active.get(thread), "native_id", None)  # type: ignore[attr-defined]


def _in_debugger(frame: FrameType | None) -> bool:
    while frame is not None:
        if str(frame.f_globals.get("__name__", "")).partition(".")[0] in _DEBUGGERS:
            return True
        frame = frame.f_back
    return False


_HELP = {
    "concurrent.futures": "await asyncio.wrap_future(future) instead of blocking the loop until it is done; "
    "if what completes it needs this loop, it never will",
    "threading.Thread": "await asyncio.to_thread(thread.join) instead",
    "threading.": "hold a thread's lock for moments only and never across an await; between tasks use asyncio.Lock",
    "": "move the call off the loop: await asyncio.to_thread(...), or use the library's async version",
}
"""The way out by the beginning of the kind of wait that the thread is in."""


def _help(frame: FrameType | None) -> str:
    wait = thread_wait(frame) if frame is not None and may_wait(frame) else None
    kind = wait.kind if wait is not None else ""
    return next(text for start, text in _HELP.items() if kind.startswith(start))


def _describe(loop: Any, frame: FrameType | None, state: State, spell: _Spell) -> Finding:
    stack, help_text = [], _help(frame)
    while frame is not None and frame.f_code is not _RUN:
        stack.append(Place.at(frame.f_code.co_filename, frame.f_lineno or 0, frame.f_code.co_qualname))
        frame = frame.f_back
    stack.reverse()
    task = _current_task(loop) or _task_of(spell.handle())
    return Finding(
        kind=KIND,
        verdict=SUSPECTED,
        title="the loop has not turned",
        age_s=spell.blocked,
        loop=loop_name(loop),
        tasks=(_culprit(task, tuple(stack), spell, state),),
        note=None if task is not None else "a plain callback, not a task",
        help=help_text,
        subject=spell.subject,
    )


def _culprit(task: Any, stack: tuple[Place, ...], spell: _Spell, state: State) -> TaskView:
    return TaskView(
        id=task_id(task) if task is not None else f"callback-{id(spell.handle()):x}",
        name=task.get_name() if task is not None else "callback",
        coro=coroutine_name(task) if task is not None else (stack[0].function if stack else ""),
        role="core",
        waits_for=None,
        waiting_s=0.0,
        deadline_s=None,
        holds=(),
        stack=stack,
        created_at=created_at(state, task) if task is not None else None,
        **span_of(task)._asdict(),
    )


def _task_of(handle: Any) -> Any:
    """The task whose step a handle is: its step may have ended while it was looked at."""
    owner = getattr(getattr(handle, "_callback", None), "__self__", None)
    return owner if is_a(owner, asyncio.Task) else None


def _current_task(loop: Any) -> Any:
    try:
        return asyncio.current_task(loop)
    except RuntimeError:
        return None
