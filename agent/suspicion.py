"""Whether a wait that somebody could still end has nevertheless been left: who ended such waits is gone.

Laws:
- Idle is not stuck. Suspected is a wait only (1) in a loop in which nothing can ever happen again; or (2) if
  all who ever ended such a wait are known tasks that have ended, or are stuck themselves, and no bystander may
  come to the primitive, or start one of them again; or (3) if ``join()`` waits while the queue is empty and all
  who took from it wait for more.
- A callback, a thread, a task unknown, or tasks that come and go among those who acted: no suspicion.
- Where the last of them ended without an error, that may have been as it should: then the loop must have no
  connections and no threads beside it from which new ones could come.
- Suspicions hold each other up: who is stuck only because another one is, is judged with him, and goes with him.
- Called in the watcher's thread, on tasks parked for long; a conclusion is seen once more in the loop (``still``).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from . import quiet
from .acts import GET
from .attributes import own
from .bystanders import Bystanders, frozen
from .deadlines import ending
from .state import SITE, State
from .telltale import Reason, of_dead_loop, of_ended, of_unfinished
from .waits import Mode, Wait, primitive_wait
from .wakers import Waker, Wakers, primitives_of, wakers_for, wakers_of

_PAUSE_AFTER = 100
_JOIN = "asyncio.Queue.join"


@dataclass(slots=True, eq=False)
class _Case:
    """One task under suspicion; lives no longer than one look."""

    task: Any
    wait: Wait
    future: int
    wakers: Wakers
    things: set[int] = field(default_factory=set)
    """Ids of what a bystander must not come to: the primitive, and the code of those who have ended."""


def suspects(
    tasks: Iterable[Any], state: State, now: float | None = None, pause: Callable[[], None] = lambda: None
) -> dict[int, Reason]:
    """The reasons to suspect some of these tasks, which have been parked for long, by the task's id.

    ``pause`` is called now and then. ``now`` is monotonic seconds.
    """
    now = time.monotonic() if now is None else now
    cases = _cases(tasks, pause)
    loops = {id(case.task.get_loop()): case.task.get_loop() for case in cases}
    dead = {key for key, loop in loops.items() if loop.is_running() and quiet.quiet(loop)}
    lost = [case for case in cases if id(case.task.get_loop()) in dead]
    known = [case for case in cases if id(case.task.get_loop()) not in dead and _is_known(case)]
    others = _without_timeouts(known, pause)
    found = {id(case.task): replace(of_dead_loop(case.wait, case.wakers, now), future=case.future) for case in lost}
    for case in _left(others, [case.task for case in lost], state, pause):
        found[id(case.task)] = _reason(case, now)
    return found


def suspect(task: Any, state: State, now: float | None = None) -> Reason | None:
    """The reason to suspect this task alone."""
    return suspects([task], state, now).get(id(task))


def still(reason: Reason, task: Any) -> bool:
    """Whether what was concluded in another thread still holds; asked in the task's own loop."""
    wait = primitive_wait(task)
    if wait.mode is Mode.READY or id(task._fut_waiter) != reason.future:
        return False
    if reason.dead_loop:
        return quiet.quiet(task.get_loop())
    return [waker.since for waker in _concerning(wait).all] == [waker.since for waker in reason.wakers]


def _cases(tasks: Iterable[Any], pause: Callable[[], None]) -> list[_Case]:
    cases = []
    for count, task in enumerate(tasks):
        if count % _PAUSE_AFTER == 0:
            pause()
        future, wait = id(task._fut_waiter), primitive_wait(task)
        if wait.mode in (Mode.FREE, Mode.HELD) and wait.due is None:
            cases.append(_Case(task, wait, future, _concerning(wait)))
    return cases


def _is_known(case: _Case) -> bool:
    """Whether all who ever acted on the primitive are tasks that are known."""
    wakers = case.wakers
    known = wakers.complete and bool(wakers.all) and not (wakers.many or wakers.foreign)
    return known and not _is_owned(case.wait.resource)


def _without_timeouts(cases: list[_Case], pause: Callable[[], None]) -> list[_Case]:
    """Those whose wait has no end of its own; in a dead loop there is no timer that could make one."""
    timed = set(map(id, ending([case.task for case in cases], pause)))
    return [case for case in cases if id(case.task) not in timed]


def _concerning(wait: Wait) -> Wakers:
    """Those who matter for the wait: for a join, everybody who ever acted on the queue."""
    return wakers_of(wait.resource) if wait.kind == _JOIN else wakers_for(wait)


# -- who could have ended it is gone -----------------------------------------------------------------------


def _left(cases: list[_Case], stuck: list[Any], state: State, pause: Callable[[], None]) -> list[_Case]:
    """The cases in which nobody is left to end the wait; the tasks in ``stuck`` are beyond doubt."""
    cases = _fixpoint(cases, stuck, state, _is_left)
    for case in cases:
        case.things = {*map(id, primitives_of(case.wait)), *_starters(case.wakers)}
    bystanders = Bystanders(state, {thing for case in cases for thing in case.things}, pause)

    def is_out_of_reach(case: _Case, behind: dict[int, Any]) -> bool:
        return _is_left(case, behind) and bystanders.who_reaches(case.things, set(behind)) is None

    return _fixpoint(cases, stuck, state, is_out_of_reach)


def _fixpoint(
    cases: list[_Case], stuck: list[Any], state: State, holds: Callable[[_Case, dict[int, Any]], bool]
) -> list[_Case]:
    """The most cases that hold if all of them are stuck."""
    while cases:
        behind = frozen([*stuck, *(case.task for case in cases)], state)
        kept = [case for case in cases if holds(case, behind)]
        if len(kept) == len(cases):
            break
        cases = kept
    return cases


def _is_left(case: _Case, behind: dict[int, Any]) -> bool:
    """Whether all who could end the wait are known, and have ended or are stuck."""
    wakers = case.wakers
    if any(id(waker.task) not in behind for waker in wakers.living) or None in _starters(wakers):
        return False
    if case.wait.kind == _JOIN and not _is_begun(case.wait.resource, wakers):
        return False
    return _is_unfinished(case.wait) or _ended_badly(wakers) or not _more_may_come(case.task.get_loop())


def _is_owned(resource: Any) -> bool:
    """Whether it is a semaphore whose units are held and given back: only one made without any carries signals."""
    site = own(resource, SITE)
    return isinstance(resource, asyncio.Semaphore) and (site is None or site[2] != 0)


def _is_begun(queue: Any, wakers: Wakers) -> bool:
    """Whether somebody has ever taken from the queue that is to be finished."""
    return queue._unfinished_tasks > 0 and any(waker.kind == GET for waker in wakers.all)


def _is_unfinished(wait: Wait) -> bool:
    """Whether it is the end of the work that is waited for, and only its report is missing."""
    return wait.kind == _JOIN and not own(wait.resource, "_queue", (None,))


def _ended_badly(wakers: Wakers) -> bool:
    """Whether the last of them to end failed, and none is left that could be meant to be idle."""
    ends = [waker.end for waker in wakers.ended if waker.end is not None]
    return not wakers.living and bool(ends) and max(ends, key=lambda end: end.when).how == "raised"


def _more_may_come(loop: Any) -> bool:
    try:
        return bool(quiet.descriptors(loop) or quiet.threads(loop))
    except Exception:  # noqa: BLE001 - what cannot be read may bring anything
        return True


def _starters(wakers: Wakers) -> set[Any]:
    """Ids of the code that would have to run for one of them to begin anew; None among them where that is unknown."""
    return {waker.starter and id(waker.starter) for waker in wakers.all}


def _reason(case: _Case, now: float) -> Reason:
    tell = of_unfinished if _is_unfinished(case.wait) else of_ended
    return replace(tell(case.wait, case.wakers, now), future=case.future)


__all__ = ["Reason", "Waker", "still", "suspect", "suspects"]
