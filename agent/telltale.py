"""A suspicion in words: who could have ended the wait, and what became of him.

Law: exact, short, and of what was seen only; names and texts of the program as they are, places as a person
would name them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .acts import DONE, GET, NOTIFY, PUT, RELEASE, SET
from .source import short
from .waits import Wait
from .wakers import Waker, Wakers

_MOST = 3
_ROLES = {
    "asyncio.Event": "setter",
    "anyio.Event": "setter",
    "asyncio.Condition": "notifier",
    "asyncio.Barrier": "party",
    "asyncio.Semaphore": "releaser",
    "asyncio.BoundedSemaphore": "releaser",
    "asyncio.Queue.get": "producer",
    "asyncio.Queue.put": "consumer",
    "asyncio.Queue.join": "worker",
}
_DID = {SET: "set it", PUT: "put", GET: "took", DONE: "reported", NOTIFY: "notified", RELEASE: "released it"}
_TOGETHER = "let both run in one TaskGroup, which cancels the waiting side when the other fails"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a wait is suspected to last for ever."""

    note: str
    """One sentence, without a full stop."""
    help: str | None = None
    """What to do, where that follows from the reason; else the general help of the kind of wait is meant."""
    wakers: tuple[Waker, ...] = ()
    resource: int | None = None
    """Id of what is waited for; None for a bare wait."""
    dead_loop: bool = False
    """Nothing can happen in the loop any more."""
    future: int | None = None
    """Id of the future that the task awaits."""


def of_dead_loop(wait: Wait, wakers: Wakers, now: float) -> Reason:
    """Nothing is left in the loop."""
    dead = "nothing can happen in this loop any more: no timer, no descriptor, no signal and no thread is left"
    who = "" if wakers.many or wakers.foreign or not wakers.ended else f"; {_who(wait, wakers, now)}"
    return Reason(dead + who, None, wakers.all, _key(wait), dead_loop=True)


def of_ended(wait: Wait, wakers: Wakers, now: float) -> Reason:
    """All who ended such waits have ended, or are stuck themselves."""
    failed = any(waker.end is not None and waker.end.how == "raised" for waker in wakers.ended)
    return Reason(
        _who(wait, wakers, now),
        f"catch what may fail there, or {_TOGETHER}" if failed else None,
        wakers.all,
        _key(wait),
    )


def of_unfinished(wait: Wait, wakers: Wakers, now: float) -> Reason:
    """The queue is empty, and task_done() was called less often than put()."""
    count = wait.resource._unfinished_tasks
    items = "an item was" if count == 1 else f"{count} items were"
    takers = [waker for waker in wakers.all if waker.kind == GET]
    finishers = {waker.record for waker in wakers.all if waker.kind == DONE}
    careless = [waker for waker in takers if waker.record not in finishers] or takers
    told = _listed(f"{waker.name} took{_at(waker)} and {_fate(waker, now)}" for waker in careless)
    note = f"the queue is empty, but {items} taken and never reported done: {told}"
    return Reason(note, "call task_done() in a finally after every get()", wakers.all, _key(wait))


def _who(wait: Wait, wakers: Wakers, now: float) -> str:
    role = _ROLES.get(wait.kind, "waker")
    kinds = (GET, DONE) if wait.kind == "asyncio.Queue.join" else ()
    known = {waker.record: waker for waker in wakers.all if not kinds or waker.kind in kinds}
    last_first = sorted(known.values(), key=lambda waker: -(waker.end.when if waker.end else now))
    if len(last_first) == 1:
        return f"its only {role} {_told(last_first[0], now)}"
    roles = "parties" if role == "party" else f"{role}s"
    return f"none of its {len(last_first)} {roles} is left: {_listed(_told(waker, now) for waker in last_first)}"


def _told(waker: Waker, now: float) -> str:
    end = waker.end
    did = _DID.get(waker.kind, "acted")
    if end is None or end.how != "raised":
        return f"{waker.name} {_fate(waker, now)}" + (f" (it {did}{_at(waker)})" if waker.place else "")
    return f"{waker.name} {_fate(waker, now)}"


def _fate(waker: Waker, now: float) -> str:
    end = waker.end
    if waker.task is not None:
        return "is stuck too"
    if end is None:
        return "has ended"
    if end.how != "raised":
        return f"{'was cancelled' if end.how == 'cancelled' else 'returned'} {_ago(now - end.when)}"
    where = f" at {short(end.place[0])}:{end.place[1]}" if end.place else ""
    return f"ended {_ago(now - end.when)}{where} with {end.error}"


def _at(waker: Waker) -> str:
    return f" at {short(waker.place.file)}:{waker.place.line}" if waker.place else ""


def _ago(seconds: float) -> str:
    if seconds < 9.95:
        return f"{max(0.0, seconds):.1f} s ago"
    whole = round(seconds)
    for unit, name in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if whole >= 2 * unit:
            return f"{whole // unit} {name} ago"
    return f"{whole} s ago"


def _listed(texts: Iterable[str]) -> str:
    told = list(texts)
    more = [f"{len(told) - _MOST} more"] if len(told) > _MOST else []
    return "; ".join(told[:_MOST] + more)


def _key(wait: Wait) -> int | None:
    return id(wait.resource) if wait.resource is not None else None
