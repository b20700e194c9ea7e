"""ignored-cancel: a task was cancelled some time ago and is still there.

Laws:
- Cancelled is a task whose cancellation was asked for and not taken back: what ``asyncio.timeout`` and groups
  cancel and ``uncancel`` themselves is none, nor what a group forgets to take back (``hooks.groups``), nor one
  that has not been delivered yet.
- A task that handles the CancelledError cleans up. That is its right as long as it moves, or waits for what
  will end by itself; standing still for ``stuck_after`` is told. What it waits for may be other tasks, such as
  one that it shields: if these move, or will by themselves, it does not stand still.
- A task that was seen handling no CancelledError has swallowed it. It is told ``stuck_after`` later, wherever
  it is by then. A task whose frames cannot be read to the end is taken to be cleaning up.
- Who merely waits for another task that is being cancelled does what he should; the other one is told.
- Tasks are looked at in turn, a bounded number a tick, those known to be cancelled each time. It is suspected
  at most, and closed when the task ends or the cancellation is taken back.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from ..attributes import own
from ..crowd import behind
from ..deadlines import own_deadline
from ..findings import SUSPECTED, Finding
from ..snapshot import TaskView
from ..stacks import chain, chain_of
from ..state import State
from ..tracing import span_of
from ..views import coroutine_name, created_at, loop_name, place_of, task_id
from ..waits import wait_of
from ..waits.reading import callbacks, closed_over, future_wait
from ..waits.rows import find_code
from .model import Sight

KIND = "ignored-cancel"
_PER_LOOK, _MOST_KNOWN, _CLOSER_LOOKS = 2_000, 10_000, 100
_SHOWN = 3
_MOST_CONTEXTS, _MOST_PARTIES = 20, 100
_PASSES_CANCELLATION_ON = "let CancelledError through: catch Exception instead of BaseException, or raise it again"
_HELP = {
    True: f"{_PASSES_CANCELLATION_ON}; where going on is meant, call asyncio.current_task().uncancel()",
    False: "bound the clean-up with asyncio.timeout, so that it ends even if what it waits for never comes",
}


@dataclass(slots=True)
class _Cancelled:
    """What was seen of a cancelled task. Times are monotonic seconds."""

    task: weakref.ref[Any]
    since: float
    still: float
    free: float | None = None
    """Since when it is known to handle no CancelledError any more."""
    witness: tuple[Any, ...] = ()


class IgnoredCancels:
    """Follows the tasks that were cancelled and are not done."""

    kind = KIND
    lasting = False
    often = False

    def __init__(self, state: State) -> None:
        self.state = state
        self._share: Iterator[Any] = iter(())
        self._known: dict[int, _Cancelled] = {}
        self._turn: Iterator[int] = iter(())
        self._overdue: dict[int, bool] = {}
        """Whom to tell, and whether he goes on, or stands still in his clean-up."""

    def look(self, sight: Sight) -> Iterable[Finding]:
        """The tasks that ignore their cancellation now, one finding for each coroutine function and way to do so."""
        self._known = {key: each for key, each in self._known.items() if self._task(each) is not None}
        self._find(sight.now)
        old = sight.now - sight.settings.interval  # most tasks that are cancelled are done by then
        for key in self._next():
            if self._known[key].since <= old:
                self._follow(key, sight.now, sight.settings.stuck_after)
        self._overdue = {key: goes_on for key, goes_on in self._overdue.items() if key in self._known}
        groups: dict[tuple[str, bool, int], list[_Cancelled]] = {}
        for key, goes_on in self._overdue.items():
            each = self._known[key]
            groups.setdefault((KIND, goes_on, _root(each)), []).append(each)
        return [_describe(subject, group, sight) for subject, group in groups.items()]

    def _find(self, now: float) -> None:
        """Look for newly cancelled tasks among this look's share of all."""
        share = list(islice(self._share, _PER_LOOK))
        if len(share) < _PER_LOOK:
            self._share = iter(list(self.state.records))
            share += islice(self._share, _PER_LOOK - len(share))
        for record in share:
            task = record()
            try:
                if task is None or not task.cancelling():  # nearly all
                    continue
            except AttributeError:  # some object that the program registered as a task
                continue
            if self._is_cancelled(task) and not task.done() and len(self._known) < _MOST_KNOWN:
                self._known.setdefault(id(task), _Cancelled(weakref.ref(task), now, now))

    def _is_cancelled(self, task: Any) -> bool:
        asked = task.cancelling()
        return bool(asked and asked > self.state.left_over.get(task, 0))

    def _task(self, known: _Cancelled) -> Any:
        """The task, if it is still to end."""
        task = known.task()
        return task if task is not None and not task.done() and self._is_cancelled(task) else None

    def _next(self) -> list[int]:
        """The known ones whose turn it is."""
        turn = list(islice(self._turn, _CLOSER_LOOKS))
        if len(turn) < _CLOSER_LOOKS:
            self._turn = iter(list(self._known))
            turn += islice(self._turn, _CLOSER_LOOKS - len(turn))
        return [key for key in dict.fromkeys(turn) if key in self._known]

    def _follow(self, key: int, now: float, after: float) -> None:
        each = self._known[key]
        task = each.task()
        told = self._overdue.pop(key, None)
        if task is None or not _is_suspended(task) or _waits_for_cancelled(task):
            each.still = now
            if told and self._task(each) is not None:
                self._overdue[key] = told  # between two waits
        elif each.free is None and _cleans_up(task):
            parties = _parties(task)
            witness = tuple(map(_witness, parties))
            if witness != each.witness:
                each.witness, each.still = witness, now
            if now - each.still >= after and all(own_deadline(party, {}) is None for party in parties):
                self._overdue[key] = False
        else:
            each.free = each.free or now
            if now - each.free >= after:
                self._overdue[key] = True


def _is_suspended(task: Any) -> bool:
    """Whether it waits for something; not one that is about to run, or to be told of its cancellation."""
    future = getattr(task, "_fut_waiter", None)
    return future is not None and not future.done() and not task._must_cancel and task.get_loop().is_running()


def _parties(task: Any) -> list[Any]:
    """The task, and the unfinished tasks that it waits for, directly or through others."""
    found, todo, seen = [task], [wait_of(task)], {id(task)}
    while todo and len(seen) < _MOST_PARTIES:
        for need in todo.pop().needs[:_MOST_PARTIES]:
            if id(need) not in seen and not need.done():
                seen.add(id(need))
                is_task = isinstance(need, asyncio.Task)
                found += [need] * is_task
                todo.append(wait_of(need) if is_task else future_wait(need))
    return found


def _witness(task: Any) -> tuple[int, int]:
    """What changes when the task moves."""
    links = chain(task.get_coro())
    return id(getattr(task, "_fut_waiter", None)), links[-1].lasti if links else -1


def _cleans_up(task: Any) -> bool:
    """Whether one of its frames handles a CancelledError, or may do so."""
    read = chain_of(task)
    return not read.complete or any(_is_by_cancellation(link.handled()) for link in read.links)


def _is_by_cancellation(error: BaseException | None) -> bool:
    """Whether this is a CancelledError, or was raised while one was handled."""
    for _ in range(_MOST_CONTEXTS):
        if error is None or isinstance(error, asyncio.CancelledError):
            return error is not None
        error = error.__context__
    return True


def _waits_for_cancelled(task: Any) -> bool:
    needs = [each for each in wait_of(task).needs if not each.done()]
    return any(isinstance(each, asyncio.Task) and each.cancelling() for each in needs)


def _root(known: _Cancelled) -> int:
    task = known.task()
    coro = None if task is None else task.get_coro()
    return id(getattr(coro, "cr_code", type(coro)))


def _describe(subject: tuple[str, bool, int], group: list[_Cancelled], sight: Sight) -> Finding:
    group.sort(key=lambda each: each.since)
    shown = [(task, each) for each in group[:_SHOWN] if (task := each.task()) is not None]
    tasks = [task for task, _each in shown]
    goes_on = subject[1]
    return Finding(
        kind=KIND,
        verdict=SUSPECTED,
        title=_title(len(group), goes_on),
        age_s=sight.now - group[0].since,
        loop=loop_name(tasks[0].get_loop()) if tasks else "",
        tasks=tuple(_view(task, each, sight) for task, each in shown),
        victims=len(behind(tasks, sight.state)),
        note=_note(tasks),
        help=_HELP[goes_on],
        subject=subject,
    )


def _title(count: int, goes_on: bool) -> str:
    if count == 1:
        return "a task was cancelled and goes on" if goes_on else "a cancelled task stands still in its clean-up"
    return f"{count:,} tasks were cancelled and {'go on' if goes_on else 'stand still in their clean-up'}"


def _note(tasks: list[Any]) -> str | None:
    parts = []
    if any(map(_ends_the_run, tasks)):
        parts.append("asyncio.run() waits for it to end, so the process does not")
    often = max((task.cancelling() for task in tasks), default=0)
    if often > 1:
        parts.append(f"cancelled {often:,} times")
    return "; ".join(parts) or None


def _ends_the_run(task: Any) -> bool:
    """Whether the loop runs until this task is done, by itself or as one of those that the end of the run cancels."""
    last = find_code("asyncio.base_events:_run_until_complete_cb")
    gather = find_code("asyncio.tasks:gather._done_callback")
    for callback in callbacks(task):
        code = getattr(callback, "__code__", None)
        if code is last:
            return True
        outer = closed_over(callback, "outer") if code is gather else None
        if outer is not None and any(own(each, "__code__") is last for each in callbacks(outer)):
            return True
    return False


def _view(task: Any, known: _Cancelled, sight: Sight) -> TaskView:
    return TaskView(
        id=task_id(task),
        name=task.get_name(),
        coro=coroutine_name(task),
        role="core",
        waits_for=None,
        waiting_s=sight.now - known.since,
        deadline_s=None,
        holds=(),
        stack=tuple(place_of(link) for link in chain(task.get_coro())),
        created_at=created_at(sight.state, task),
        **span_of(task)._asdict(),
    )
