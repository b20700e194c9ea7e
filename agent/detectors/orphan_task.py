"""orphan-task: a task that nobody keeps, so that nobody can await or cancel it, nor learn how it ended.

Laws:
- A task counts as an orphan when at two ticks, one after the other, all references to it were of the kind
  that keeps it for nobody (``keepers``), and it has lived for two ticks. It is suspected: it may well do
  its work; but it may be collected half-way, and its error will go nowhere.
- A task that was collected half-way is a fact, told by asyncio itself: proven.
- What is cut off when the main task returns was not kept either, if what made it dropped it at once; a task
  that some variable kept until then is the program's own way of ending it.
- One finding for each place that makes tasks. What an installed package makes does not count, for the reader cannot
  change it; that such a task was collected half-way does.
- A bounded number of tasks is looked at in a tick, in turn.
"""

from __future__ import annotations

import functools
import gc
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any

from .. import keepers
from ..calibration import trusted
from ..findings import PROVEN, SUSPECTED, Finding
from ..hooks.orphans import KIND, Collected
from ..makers import is_applications
from ..mentions import drops_its_result
from ..snapshot import Place, TaskView
from ..stacks import chain, line_of
from ..state import State
from ..tracing import span_of
from ..views import coroutine_name, loop_name, place_of, task_id
from .model import Sight
from .tally import Tally

__all__ = ["KIND", "OrphanTasks"]
_PER_LOOK, _CLOSER_LOOKS, _MOST, _SHOWN = 1_000, 25, 300, 3
_LEAST = 2 if sys.version_info >= (3, 14) else 1
"""References that the future it awaits has of a task; those with more are looked at less often. A guess, no verdict."""
_LINGER = 30
"""Ticks that a finding stays open after its last orphan has ended: the next one is the same problem."""
_WEAK = "asyncio itself refers to tasks weakly: such a one may be collected half-way, and its error goes nowhere"
_HELP = "keep it until it is done: in a TaskGroup, or tasks.add(task); task.add_done_callback(tasks.discard)"

_Site = tuple[Any, int]
"""The code object and the offset of the instruction that made a task."""


@dataclass(frozen=True, slots=True)
class CutOff:
    """Tasks made at one place that nobody had kept when the main task returned."""

    site: _Site
    count: int
    views: tuple[TaskView, ...]
    loop: str


def _share(records: set[Any], start: int) -> list[Any]:
    """Some of the records. Between two calls into C another thread may make a task, or the collector end one."""
    try:
        return list(islice(records, start, start + _PER_LOOK))
    except RuntimeError:  # changed in between: a copy is one call
        return list(records)[start : start + _PER_LOOK]


class OrphanTasks:
    """Looks for tasks that nobody keeps, and tells what became of some."""

    kind = KIND
    lasting = False
    often = False

    def __init__(self, state: State) -> None:
        self.state = state
        self._looks = 0
        self._suspects: dict[int, Any] = {}
        self._orphans: dict[int, Any] = {}
        self._open: dict[_Site, tuple[Finding, float]] = {}
        self._views: dict[int, TaskView] = {}
        self._views_before = self._views  # a look may fall between a task's weak references and its last word
        self._tally = Tally()
        state.on_end = self.at_end

    def look(self, sight: Sight) -> Iterable[Finding]:
        """The places that make orphans, and those of tasks that were lost for good."""
        self._count_facts()
        if not sight.final and trusted():
            self._looks += 1
            self._find(sight, sight.now - 1.5 * sight.settings.interval)
            self._describe(sight.now)
        latest = sight.now - _LINGER * sight.settings.interval
        self._open = {site: entry for site, entry in self._open.items() if entry[1] >= latest}
        return [*(finding for finding, _ in self._open.values()), *self._tally.news(sight.now, sight.final)]

    # -- those that live -----------------------------------------------------------------------------

    def _find(self, sight: Sight, born_by: float) -> None:
        """Bring suspects and orphans up to date: both are weak references by id."""
        self._orphans = {key: each for key, each in self._orphans.items() if _lives(each)}
        fresh = [each for each in self._candidates(born_by) if id(each) not in self._orphans]
        fresh = [each for each in fresh if id(each) not in self._suspects]
        roots = sight.census.roots
        unkept = keepers.unkept(
            [*self._suspects.values(), *fresh],
            lambda task: roots.get(id(task)) is task,
        )
        found = {id(each): each for each in unkept}
        moving = {key: each for key, each in self._suspects.items() if key not in found and _runs(each)}
        room = max(0, _MOST - len(self._orphans))
        confirmed = [key for key in found if key in self._suspects][:room]
        self._orphans |= {key: found.pop(key) for key in confirmed}
        self._suspects = dict([*(moving | found).items()][:_MOST])

    def _candidates(self, born_by: float) -> list[Any]:
        """Of this look's share of the tasks those that are old enough, without most of those that are surely kept."""
        records = self.state.records
        start = self._looks % (1 + len(records) // _PER_LOOK) * _PER_LOOK
        share = [
            each
            for each in _share(records, start)
            if getattr(each, "born", born_by + 1) <= born_by and is_applications(each)
        ]
        surplus = keepers.surplus(share)
        few = [each for each, count in zip(share, surplus, strict=True) if count <= _LEAST]
        more = [each for each, count in zip(share, surplus, strict=True) if count > _LEAST]
        stride = 1 + len(more) // _CLOSER_LOOKS
        return [*few[:_MOST], *more[self._looks % stride :: stride]]

    def _describe(self, now: float) -> None:
        sites: dict[_Site, list[Any]] = {}
        for record in self._orphans.values():
            sites.setdefault((record.code, record.lasti), []).append(record)
        self._views, self._views_before = {}, self._views
        for site, records in sites.items():
            records.sort(key=lambda each: float(each.born))
            views = _views(records[:_SHOWN], now)
            if views:
                self._views |= views
                self._open[site] = _finding(site, tuple(views.values()), len(records), now - records[0].born), now

    # -- those that are no more ----------------------------------------------------------------------

    def at_end(self, loop: Any) -> None:
        """In the loop's thread, which stands still: the main task has returned, and what is left will be cancelled."""
        if not trusted():
            return
        queued = _queued(loop)
        records = [each for each in list(self.state.records) if _lives(each, loop) and is_applications(each)]
        sites: dict[_Site, list[Any]] = {}
        for record in keepers.unkept(records, lambda task: queued.get(id(task), 0), ready=True):
            if drops_its_result(record.code, record.lasti) and (record.code, record.lasti) not in self._open:
                sites.setdefault((record.code, record.lasti), []).append(record)
        for site, group in sites.items():
            views = _views(group[:_SHOWN], None)
            self.state.facts[KIND].append(CutOff(site, len(group), tuple(views.values()), loop_name(loop)))

    def _count_facts(self) -> None:
        facts = self.state.facts[KIND]
        while facts:
            fact = facts.popleft()
            if isinstance(fact, Collected):
                seen = self._views.get(fact.key) or self._views_before.get(fact.key)
                view = seen if seen is not None and seen.name == fact.name else _remains(fact)
                subject = (KIND, "collected", fact.coro, view.created_at)
                self._tally.add(subject, functools.partial(_collected, fact, view, subject))
            else:
                subject = (KIND, "cut off", *fact.site)
                for _ in range(fact.count):
                    self._tally.add(subject, functools.partial(_cut_off, fact, subject))


def _lives(record: Any, loop: Any = None) -> bool:
    task = record()
    return task is not None and not task.done() and (loop is None or task.get_loop() is loop)


def _runs(record: Any) -> bool:
    """Whether the task is running, or about to: then it is judged another time."""
    task = record()
    return task is not None and not task.done() and task._fut_waiter is None


def _queued(loop: Any) -> dict[int, int]:
    """How often each task is referred to by the loop's queue of what to run next."""
    found: dict[int, int] = {}
    for handle in list(getattr(loop, "_ready", ())):
        callback = handle._callback
        wrapped = gc.get_referents(callback)[:1] if type(callback).__name__ == "TaskStepMethWrapper" else ()
        for each in wrapped or [getattr(callback, "__self__", None)]:
            found[id(each)] = found.get(id(each), 0) + 1
    return found


def _views(records: list[Any], now: float | None) -> dict[int, TaskView]:
    views = {}
    for record in records:
        task = record()
        if task is not None and not task.done():
            views[id(task)] = _view(task, record, now)
    return views


def _view(task: Any, record: Any, now: float | None) -> TaskView:
    return TaskView(
        id=task_id(task),
        name=task.get_name(),
        coro=coroutine_name(task),
        role="core",
        waits_for=None,
        waiting_s=0.0 if now is None else max(0.0, now - record.moved),
        deadline_s=None,
        holds=(),
        stack=tuple(place_of(link) for link in chain(task.get_coro())),
        created_at=Place.at(record.code.co_filename, line_of(record.code, record.lasti), record.code.co_qualname),
        **span_of(task)._asdict(),
    )


def _remains(fact: Collected) -> TaskView:
    """What is known of a task that was gone before it was looked at."""
    return TaskView(
        id=f"task-{fact.key:x}",
        name=fact.name,
        coro=fact.coro,
        role="core",
        waits_for=None,
        waiting_s=0.0,
        deadline_s=None,
        holds=(),
        stack=tuple(Place.at(*spot) for spot in fact.stood),
        created_at=Place.at(*fact.made_at) if fact.made_at is not None else None,
    )


def _finding(site: _Site, views: tuple[TaskView, ...], count: int, age: float) -> Finding:
    many = count > 1
    number = f"{count:,} or more" if count >= _MOST else f"{count:,}"
    return Finding(
        kind=KIND,
        verdict=SUSPECTED,
        title=f"{number} tasks run that nobody keeps" if many else "a task runs that nobody keeps",
        age_s=age,
        tasks=views,
        note=f"nobody can await or cancel {'them' if many else 'it'}; {_WEAK}",
        help=_HELP,
        subject=(KIND, *site),
    )


def _collected(fact: Collected, view: TaskView, subject: object, count: int) -> Finding:
    weakly = "asyncio refers to tasks weakly; what this one waited for was collected with it"
    file, line, _ = fact.defined or ("", 0, "")
    defined = f"; {fact.coro} is defined at line {line} of {file}" if file and not view.stack else ""
    times = f", and so were {count - 1:,} more like it" if count > 1 else ""
    return Finding(
        kind=KIND,
        verdict=PROVEN,
        title=f"task {view.name} was collected before it was done, since nobody kept it{times}",
        loop=fact.loop,
        tasks=(view,),
        note=weakly + defined,
        help=_HELP,
        subject=subject,
        happened=True,
    )


def _cut_off(fact: CutOff, subject: object, count: int) -> Finding:
    whose = f"{count:,} tasks were cut off" if count > 1 else "a task was cut off"
    return Finding(
        kind=KIND,
        verdict=SUSPECTED,
        title=f"{whose} half-way when the main task returned: nobody had kept {'them' if count > 1 else 'it'}",
        loop=fact.loop,
        tasks=fact.views,
        note="asyncio.run() cancels what is left when the main coroutine is over",
        help="await it before the main coroutine returns: in a TaskGroup, or keep the tasks and gather them",
        subject=subject,
        happened=True,
    )
