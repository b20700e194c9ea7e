"""What there is to say about a finding, in plain text; how it is set out is ``page``'s business."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ..findings import Finding
from ..snapshot import Held, Place, ResourceView, TaskView
from .ownership import rows_of
from .places import bare, below_loop, code_of, own_frames, own_places, waiting_place, where
from .rows import Row
from .text import age, clean, count_of

_MOST_TASKS, _MOST_HOLDS, _MOST_NAMES = 6, 4, 3
_MOST_CALLS = 4


@dataclass(frozen=True, slots=True)
class Block:
    """One task: where it stands, who it is, its rows."""

    place: str
    who: str
    trace: str
    rows: tuple[Row, ...]


class Teller:
    """What there is to say about a finding, in plain text."""

    def __init__(self, finding: Finding) -> None:
        self.finding = finding
        self.tasks = {task.id: task for task in finding.tasks}
        self.resources = {resource.id: resource for resource in finding.resources}
        self.labels = {**_distinct(finding.tasks), **_distinct(finding.resources)}
        self.wanted = {task.waits_for for task in finding.tasks}
        self.told: set[str] = set()

    def headline(self, dot: str) -> str:
        """The first line. What must not be torn apart at a line's end has no-break spaces."""
        finding = self.finding
        span = [] if finding.happened else [age(finding.age_s)]
        rest = [f"{dot} {part}".replace(" ", "\xa0") for part in (*span, *self.behind())]
        return " ".join([f"{finding.kind} [{finding.verdict}]  {clean(finding.title)}", *rest])

    def behind(self) -> list[str]:
        """How many are merely queued, as part of a line; nothing when there are none."""
        count, them = self.finding.victims, "it" if len(self.finding.core) == 1 else "them"
        return [f"+{count_of(count, 'task')} behind {them}"] if count else []

    def shown(self) -> tuple[list[TaskView], int]:
        """The tasks to show, and how many more there are like them."""
        core = list(self.finding.core or self.finding.tasks)
        if self.finding.kind in ("slow-wait", "pool-exhausted"):  # those in the way are half of that story
            core += [task for task in self.finding.tasks if task not in core]
        return core[:_MOST_TASKS], len(core[_MOST_TASKS:])

    def block(self, task: TaskView) -> Block:
        """A task as it is shown: for a blocked loop its running frames, else what it holds and waits for."""
        blocked = self.finding.kind == "blocked-loop"
        here = waiting_place(task.stack)
        if (blocked or task.error) and task.stack:
            places = below_loop(task.stack)
            here = places[own_frames(places)[-1]]
        rows = rows_of(self.finding.kind, task)
        if rows is None:
            rows = (*self._calling(task, here), *self._holding(task, here), self._waiting(task, here))
        coro = clean(bare(task.coro))
        who = f"{self.labels[task.id]} ({coro})" if coro and coro != task.name else self.labels[task.id]
        trace = f"trace {clean(task.trace_id)}" if task.trace_id else ""
        return Block(where(here) if here else "", who, trace, rows)

    def _calling(self, task: TaskView, here: Place | None) -> Iterator[Row]:
        """The program's own lines on the way from the task's root to its wait, where no hold shows them anyway."""
        taken = [held.taken_at for held in task.holds]
        shown = {(place.file, place.line) for place in (here, *taken) if place is not None}
        own = [place for place in own_places(task.stack) if (place.file, place.line) not in shown]
        if len(own) > _MOST_CALLS:
            yield Row("", f"({count_of(len(own) - _MOST_CALLS, 'frame')} further out)")
        for place in own[-_MOST_CALLS:]:
            elsewhere = here is None or place.file != here.file
            yield Row(where(place) if elsewhere else str(place.line), code_of(place))

    def _holding(self, task: TaskView, here: Place | None) -> Iterator[Row]:
        """One row for each held resource that matters; what somebody waits for comes first."""
        ranked = sorted(task.holds, key=lambda held: held.resource not in self.wanted)
        for held in ranked[:_MOST_HOLDS]:
            yield self._held(held, here)
        if len(ranked) > _MOST_HOLDS:
            yield Row("", "", "holds", (f"{len(ranked) - _MOST_HOLDS} more",))

    def _held(self, held: Held, here: Place | None) -> Row:
        taken = held.taken_at
        facts = self._named(held.resource)
        if taken is None:
            return Row("", "", "holds", facts)
        if here is None or taken.file != here.file:  # a bare line number would be read as one of this file
            return Row("", code_of(taken), "holds", (*facts, f"taken at {where(taken)}"))
        return Row(str(taken.line), code_of(taken), "holds", facts)

    def _waiting(self, task: TaskView, here: Place | None) -> Row:
        facts = [*self._waited_for(task)]
        if task.waiting_s > self.finding.age_s + 1:
            facts.append(f"for {age(task.waiting_s)}")
        if task.deadline_s is not None:
            certain = math.isfinite(task.deadline_s)
            facts.append(f"times out in {age(task.deadline_s)}" if certain else "may end by a timeout")
        verb = "takes" if self.finding.kind == "lock-order" else "waits"
        return Row(str(here.line) if here else "", code_of(here) if here else "", verb, tuple(facts))

    def _waited_for(self, task: TaskView) -> Iterator[str]:
        resource = self.resources.get(task.waits_for or "")
        edges = [edge for edge in self.finding.edges if edge.source == task.id and edge.relation == "joins"]
        if resource is not None:
            yield from self._named(resource.id)
            if resource.holders:
                yield self._holders(resource, task)
        elif edges or task.waits_for in self.tasks:
            ids = dict.fromkeys([edge.target for edge in edges] or [str(task.waits_for)])
            noun = "thread" if all(key.startswith("thread-") for key in ids) else "task"
            yield f"for {noun if len(ids) == 1 else f'{noun}s'} {self._listing(ids)}"
        else:
            yield clean(task.waits_for or "here")

    def _holders(self, resource: ResourceView, task: TaskView) -> str:
        units = Counter(resource.holders)
        count = f"its {resource.units} units " if (resource.units or 1) > 1 else ""
        return f"{count}held by {self._listing(units, task.id)}"

    def _named(self, resource: str) -> tuple[str, ...]:
        """Its name, and where it was made when that was not said before."""
        view = self.resources.get(resource)
        if view is None or view.created_at is None or resource in self.told:
            return (self.labels.get(resource, clean(resource)),)
        self.told.add(resource)
        return self.labels[resource], f"made at {where(view.created_at)}"

    def _listing(self, ids: Iterable[str], me: str = "") -> str:
        """Names of tasks as one says them, those of the core first."""
        every = list(ids)
        known = [key for key in every if key in self.tasks]
        known.sort(key=lambda key: self.tasks[key].role != "core")
        names = ["itself" if key == me else self.labels[key] for key in known[:_MOST_NAMES]]
        more = len(every) - len(names)
        if more:
            names.append(f"{more} more" if names else f"{count_of(more, 'task')} not shown")
        return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"

    def footers(self) -> Iterator[tuple[str, str, str]]:
        """(label, text, what should stay on one line after it)."""
        if self.finding.note:
            yield "note", clean(self.finding.note), ""
        if self.finding.id:
            yield "id", self.finding.id, ""
        yield "help", clean(self.finding.help), f"(unstuck explain {self.finding.kind})"


def _distinct(views: Sequence[TaskView] | Sequence[ResourceView]) -> dict[str, str]:
    """A printable label by id, no two alike."""
    often = Counter(view.name for view in views)
    return {view.id: clean(view.name) + (f" ({view.id})" if often[view.name] > 1 else "") for view in views}
