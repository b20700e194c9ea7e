"""task-leak: tasks pile up from one place, or callbacks on one future, or timers for one call.

Laws:
- Judged is growth over windows of time, not a number: see ``trend``. A window is so long that a task which
  has lived through two of them has outlived ``UNSTUCK_STUCK_AFTER`` four times over.
- Counted are old tasks only, those older than two windows. A rising load of tasks that end, however fast it
  rises, has hardly any.
- Where the tasks that made them are still there, or none made them (a server's connections), it takes three
  times as long: sessions may last for long.
- Where there are as many connections as tasks of one place, or callbacks on one future, these are the sessions of
  users who come and stay: load, and no leak.
- A bounded number of tasks is looked at in a tick; the interpreter is handed back.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import Any

from ..connections import connections
from ..findings import SUSPECTED, Finding
from ..makers import is_programs
from ..pace import HAND_BACK
from ..piles import Callbacks, Pile, Timers
from ..snapshot import Place, TaskView
from ..stacks import chain, line_of
from ..state import State
from ..tracing import span_of
from ..trend import PATIENT, WINDOWS, Trend
from ..views import coroutine_name, place_of, task_id
from ..waits import wait_of
from .model import Sight

KIND = "task-leak"
_PER_TICK, _SAMPLE, _SHOWN, _MOST_SITES, _LINGER, _CHUNK = 2_000, 50, 3, 2_000, 3, 1_000
_Site = tuple[Any, int]


@dataclass(slots=True)
class _Tally:
    """The old tasks of one place, in one window."""

    site: _Site
    old: int = 0
    elder: int = 0
    """Those that were old a window ago."""
    sample: list[Any] = field(default_factory=list)
    """Weak references to some of them."""


class TaskLeaks:
    """Counts window by window."""

    kind = KIND
    lasting = False
    often = False

    def __init__(self, _state: State) -> None:
        self._left: list[Any] = []
        self._tallies: dict[tuple[int, int], _Tally] = {}
        self._trends: dict[tuple[int, int], Trend] = {}
        self._callbacks, self._timers = Callbacks(), Timers()
        self._began = 0.0
        self._connections = 0
        self._cutoff = self._cutoff_before = float("-inf")
        self._found: dict[Hashable, tuple[Finding, int]] = {}
        """What is told, and for how many windows more it is, should it stop growing."""

    def look(self, sight: Sight) -> Iterable[Finding]:
        """What piles up, as of the last window."""
        window = max(5 * sight.settings.interval, 2 * sight.settings.stuck_after)
        if not self._began:
            self._began = sight.now
        self._count(sight, window)
        if sight.now - self._began >= window and not self._left and not sight.final:
            self._end_window(sight, window)
        return [finding for finding, _ in self._found.values()]

    # -- one window ----------------------------------------------------------------------------------

    def _end_window(self, sight: Sight, window: float) -> None:
        before, self._connections = self._connections, connections(sight.state.loops)
        most = max(before, self._connections)
        found = self._leaks(sight, window, most)
        found += [
            _pile(pile, "callbacks", window) for pile in self._callbacks.end_window() if pile.trend.counts[-1] > most
        ]
        found += [_pile(pile, "timers", window) for pile in self._timers.look(list(sight.state.loops))]
        self._linger(found)
        self._began, self._tallies = sight.now, {}
        self._cutoff_before, self._cutoff = self._cutoff, sight.now - 2 * window
        self._left = list(sight.state.records)

    def _linger(self, found: list[Finding]) -> None:
        """A window without growth ends nothing yet."""
        rest = {subject: (finding, left - 1) for subject, (finding, left) in self._found.items() if left}
        self._found = rest | {finding.subject: (finding, _LINGER) for finding in found}

    def _count(self, sight: Sight, window: float) -> None:
        """The next share of this window's tasks; all are counted well before it is over."""
        share = max(_PER_TICK, int(len(sight.state.records) * 2 * sight.settings.interval / window) + 1)
        records, self._left = self._left[:share], self._left[share:]
        for start in range(0, len(records), _CHUNK):
            self._count_some(records[start : start + _CHUNK])
            time.sleep(HAND_BACK)

    def _count_some(self, records: list[Any]) -> None:
        tallies, cutoff, before, look = self._tallies, self._cutoff, self._cutoff_before, self._callbacks.look
        for record in records:
            task = record()
            born = getattr(record, "born", None)
            if task is None or born is None or born > cutoff or task.done():
                continue
            look(task)
            if task._fut_waiter is not None:
                look(task._fut_waiter)
            if not is_programs(record):
                continue
            key = (id(record.code), record.lasti)
            tally = tallies.get(key)
            if tally is None:
                tally = tallies[key] = _Tally((record.code, record.lasti))
            tally.old += 1
            tally.elder += born <= before
            if len(tally.sample) < _SAMPLE:
                tally.sample.append(record)

    def _leaks(self, sight: Sight, window: float, most: int) -> list[Finding]:
        trends, found = {}, list[Finding | None]()
        for key, tally in list(self._tallies.items())[:_MOST_SITES]:
            trend = trends[key] = self._trends.get(key) or Trend()
            trend.add(tally.old, (trend.counts[-1] if trend.counts else 0) - tally.elder)
            over = _made_by_those_gone(tally.sample)
            if trend.grows(WINDOWS if over else PATIENT) and tally.old > most:
                found.append(_leak(tally, trend, window, over, sight.now))
        self._trends = trends
        return [finding for finding in found if finding is not None]


def _made_by_those_gone(sample: list[Any]) -> bool:
    """Whether nearly all of these tasks have outlived the task that made them."""
    parents = [getattr(record, "parent", None) for record in sample]
    over = [parent is not None and ((task := parent()) is None or task.done()) for parent in parents]
    return bool(10 * sum(over) >= 9 * len(over))


def _leak(tally: _Tally, trend: Trend, window: float, over: bool, now: float) -> Finding | None:
    code, lasti = tally.site
    made = Place.at(code.co_filename, line_of(code, lasti), code.co_qualname)
    tasks = [(record, task) for record in tally.sample if (task := record()) is not None and not task.done()]
    views = tuple(_view(record, task, made, now) for record, task in tasks[:_SHOWN])
    waits = Counter(_waits(task) for _, task in tasks)
    if not views:
        return None
    (wait, often), *_ = waits.most_common(1)
    makers = "whoever made them is over" if over else "whoever made them still runs, or is no task"
    rate = _number(trend.rate(window))
    return Finding(
        kind=KIND,
        verdict=SUSPECTED,
        title=f"tasks pile up: {tally.old:,} old ones from one place, {rate} more a minute, and hardly one ends",
        age_s=max(now - record.born for record, _ in tasks),
        tasks=views,
        note=f"{often} of {len(tasks)} looked at wait in {wait}; {makers}",
        help="give each an end: a TaskGroup or cancel() in whoever starts them, and asyncio.timeout around their waits",
        subject=(KIND, "tasks", id(code), lasti),
    )


def _waits(task: Any) -> str:
    try:
        return wait_of(task).kind
    except Exception:  # noqa: BLE001 - it moved meanwhile
        return "something else"


def _view(record: Any, task: Any, made: Place, now: float) -> TaskView:
    return TaskView(
        id=task_id(task),
        name=task.get_name(),
        coro=coroutine_name(task),
        role="core",
        waits_for=None,
        waiting_s=max(0.0, now - record.moved),
        deadline_s=None,
        holds=(),
        stack=tuple(place_of(link) for link in chain(task.get_coro())),
        created_at=made,
        **span_of(task)._asdict(),
    )


def _pile(pile: Pile, what: str, window: float) -> Finding:
    count, rate = pile.trend.counts[-1], _number(pile.trend.rate(window, PATIENT if pile.rearmed else WINDOWS))
    code = pile.code
    where = "on one future" if what == "callbacks" else "for one and the same call"
    place = () if code is None else (Place.at(code.co_filename, code.co_firstlineno, code.co_qualname),)
    owner = pile.owner() if pile.owner is not None else None
    return Finding(
        kind=KIND,
        verdict=SUSPECTED,
        title=f"{what} pile up: {count:,} {where}, {rate} more a minute, and hardly one goes",
        loop=pile.loop,
        tasks=(_called(pile, what, place),),
        note=_note(pile, what, owner),
        help=_HELP[what],
        subject=(KIND, what, id(code) if code is not None else pile.name, id(owner)),
    )


_HELP = {
    "callbacks": "take each off again when its work is done: future.remove_done_callback(...), in a finally",
    "timers": "keep the handle and cancel() it before setting the next; set a repeating timer once",
}


def _note(pile: Pile, what: str, owner: Any) -> str | None:
    if what == "callbacks":
        name = owner.get_name() if hasattr(owner, "get_name") else ""
        return f"they are on task {name}" if name else "they are on a future that is awaited"
    return "they go off and are set again, each time more" if pile.rearmed else None


def _called(pile: Pile, what: str, place: tuple[Place, ...]) -> TaskView:
    return TaskView(
        id=f"{what}-{id(pile):x}",
        name=pile.name.rpartition("<locals>.")[2],
        coro=pile.name,
        role="core",
        waits_for=None,
        waiting_s=0.0,
        deadline_s=None,
        holds=(),
        stack=place,
        created_at=None,
    )


def _number(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}"
