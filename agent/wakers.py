"""Who has ended waits on a primitive before, and what became of them: the hooks' notes read back.

Laws:
- Only what acted is known. Who could act and never did is not in here (``interest`` looks for those).
- A primitive from before the agent came has wakers that nobody saw: ``complete`` is False.
- Tasks are referred to weakly; the rest is frozen.
"""

from __future__ import annotations

import asyncio
import os
from collections import defaultdict
from dataclasses import dataclass
from types import CodeType
from typing import Any

from .acts import (
    CALLBACK,
    DONE,
    GET,
    MANY,
    NOTIFY,
    PUT,
    RELEASE,
    SET,
    SHUTDOWN,
    UNKNOWN_TASK,
    WAKERS,
    Act,
    End,
)
from .attributes import own
from .snapshot import Place
from .stacks import line_of
from .state import SITE, TaskRecord
from .waits import Wait
from .waits.reading import callbacks
from .waits.rows import find_code

_WAKING = {
    "asyncio.Event": (SET,),
    "anyio.Event": (SET,),
    "asyncio.Condition": (NOTIFY,),
    "asyncio.Barrier": (NOTIFY,),
    "asyncio.Semaphore": (RELEASE,),
    "asyncio.BoundedSemaphore": (RELEASE,),
    "asyncio.Queue.get": (PUT, SHUTDOWN),
    "asyncio.Queue.put": (GET, SHUTDOWN),
    "asyncio.Queue.join": (DONE, GET),
}
"""The kinds of acts that end, or help to end, each kind of wait."""
_LIBRARY = os.path.dirname(asyncio.__file__)
_A_FLOW = 3
"""So many tasks of one place, some after others' end, come and go."""


@dataclass(frozen=True, slots=True)
class Waker:
    """One actor: its first act of this kind, and its end when it has ended."""

    kind: str
    name: str
    site: tuple[CodeType, int] | None
    """Code and offset of the instruction that called for the act; None when the loop itself made the call."""
    since: float
    """Monotonic time of the first act."""
    end: End | None
    """How it ended; None while it lives, or where nobody saw its end."""
    record: TaskRecord | None
    """None for what is no task, or for a task that nobody saw being created."""

    @property
    def place(self) -> Place | None:
        """Where the act was called for."""
        if self.site is None:
            return None
        code, lasti = self.site
        return Place.at(code.co_filename, line_of(code, lasti), code.co_qualname)

    @property
    def task(self) -> Any:
        """The task while it lives, or None."""
        task = self.record() if self.record is not None else None
        return task if task is not None and not task.done() else None

    @property
    def starter(self) -> CodeType | None:
        """The code that has to run for such a task to begin: its coroutine's.

        None where anybody might start one: it was not created by a task, or runs one of asyncio's own coroutines.
        """
        task, code = self.task, getattr(self.record, "code", None)
        if _is_library(code) or not (hasattr(self.record, "parent") or (task is not None and _is_main(task))):
            return None
        code = getattr(task.get_coro(), "cr_code", None) if task is not None else getattr(self.end, "code", None)
        return None if _is_library(code) else code

    @property
    def parent(self) -> Any:
        """The task that created this one, while it lives, or None."""
        parent = getattr(self.record, "parent", None)
        task = parent() if parent is not None else None
        return task if task is not None and not task.done() else None


@dataclass(frozen=True, slots=True)
class Wakers:
    """All actors of the kinds asked for."""

    all: tuple[Waker, ...] = ()
    many: bool = False
    """There were more than could be listed, or they come and go by the dozen from one place."""
    complete: bool = False
    """Whether the hooks were there from the primitive's beginning."""

    @property
    def living(self) -> tuple[Waker, ...]:
        """The tasks that have not ended."""
        return tuple(each for each in self.all if each.task is not None)

    @property
    def ended(self) -> tuple[Waker, ...]:
        """The tasks that have ended."""
        return tuple(each for each in self.all if each.record is not None and each.task is None)

    @property
    def foreign(self) -> tuple[Waker, ...]:
        """Callbacks, threads, and tasks that nobody knows."""
        return tuple(each for each in self.all if each.record is None)


def wakers_for(wait: Wait) -> Wakers:
    """Who has ended such waits before; nobody for a wait of a kind whose wakers are not noted."""
    kinds = _WAKING.get(wait.kind, ())
    return wakers_of(primitives_of(wait)[-1], *kinds) if kinds else Wakers()


def primitives_of(wait: Wait) -> tuple[Any, ...]:
    """The object waited on and, innermost, the one of asyncio's that it is made of."""
    inner = getattr(wait.resource, "_event", None) if wait.kind == "anyio.Event" else None
    return (wait.resource,) if inner is None else (wait.resource, inner)


def wakers_of(primitive: Any, *kinds: str) -> Wakers:
    """Who acted on the primitive; with ``kinds``, in one of these ways."""
    if isinstance(primitive, asyncio.Barrier):
        primitive = primitive._cond  # type: ignore[attr-defined]
    notes = vars(primitive) if hasattr(primitive, "__dict__") else {}
    entries = notes.get(WAKERS) or ()
    acts = [Act(*entry) for entry in (list(entries) if isinstance(entries, list) else [entries] if entries else ())]
    found = tuple(_waker(act) for act in acts if act != MANY and (not kinds or act.kind in kinds))
    return Wakers(found, MANY in acts or _come_and_go(found), notes.get(SITE) is not None)


def _is_main(task: Any) -> bool:
    done = find_code("asyncio.base_events:_run_until_complete_cb")
    return any(own(each, "__code__") is done for each in callbacks(task))


def _is_library(code: CodeType | None) -> bool:
    return code is None or code.co_filename.startswith(_LIBRARY)


def _waker(act: Act) -> Waker:
    site = (act.code, act.lasti) if act.code is not None else None
    end = getattr(act.record, "end", None)
    return Waker(act.kind, _name(act, end), site, act.when, end, act.record)


def _name(act: Act, end: End | None) -> str:
    if act.record is None:
        return act.who
    if end is not None:
        return end.name
    task = act.record()
    return str(task.get_name()) if task is not None else "a task"


def _come_and_go(wakers: tuple[Waker, ...]) -> bool:
    """Whether some of one place began to act after others of it had ended."""
    by_site: dict[Any, list[Waker]] = defaultdict(list)
    for waker in wakers:
        code = getattr(waker.record, "code", None)
        if code is not None:
            by_site[id(code), getattr(waker.record, "lasti", -1), waker.kind].append(waker)
    return any(len(group) >= _A_FLOW and _overlap_little(group) for group in by_site.values())


def _overlap_little(group: list[Waker]) -> bool:
    ends = [waker.end.when for waker in group if waker.end is not None]
    return bool(ends) and max(waker.since for waker in group) > min(ends)


__all__ = ["CALLBACK", "UNKNOWN_TASK", "Waker", "Wakers", "primitives_of", "wakers_for", "wakers_of"]
