"""A recording on the screens: each process that wrote to it as a picture, as it was at one moment.

Laws:
- The pictures are put together from the same frames that a living process sends, so every screen shows them.
- A recording knows of tasks only what its findings tell: those of the findings that were open then, nothing else.
- At most MOST_PROCESSES are kept, those that were heard of last.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ..agent import wire
from ..agent.findings import Event
from ..agent.sinks.places import waiting_place
from ..agent.snapshot import Place, TaskView
from .picture import Picture
from .recorded import Reading, events
from .records import event_of
from .report.words import Clock
from .scene import RECORDED, Scene, Shot
from .source import Still

MOST_PROCESSES = 100


class Replay(Still):
    """Where the screens get a recording from."""

    def troubles(self) -> list[str]:
        """Why there is nothing to see."""
        return [] if self.scene().shots else ["nothing was recorded"]


def replay(files: Iterable[str], clock: Clock, until: float | None = None) -> Replay:
    """The recording as it was at a time in seconds since the epoch, by default at its end."""
    shots = (
        Shot.of(picture, state=RECORDED, note=f"as it was at {clock.time(picture.time)} UTC")
        for picture in pictures(files, until)
    )
    return Replay(Scene(tuple(shots)))


def pictures(files: Iterable[str], until: float | None = None) -> list[Picture]:
    """The processes as they were at that time, in the order in which they were heard of first."""
    kept: dict[int, _Kept] = {}
    for event, _ in events(files, Reading()):
        process = kept.get(event.pid)
        if process is None:
            process = kept[event.pid] = _Kept.met(event)
            if len(kept) > MOST_PROCESSES:
                del kept[min(kept, key=lambda pid: kept[pid].last)]
        process.take(event, until)
    return [each.finished(until) for each in kept.values() if until is None or each.first <= until]


@dataclass(slots=True)
class _Kept:
    picture: Picture
    first: float
    last: float

    @classmethod
    def met(cls, event: Event) -> _Kept:
        hello = wire.Greeting(wire.VERSION, "", event.pid, command=(f"process {event.pid}",))
        return cls(Picture(hello), event.time, event.time)

    def take(self, event: Event, until: float | None) -> None:
        self.last = event.time
        if until is None or event.time <= until:
            self.picture.note(event.as_record())

    def finished(self, until: float | None) -> Picture:
        """With the tasks and resources of what is open, as one update of the process would bring them."""
        told = [event_of(record) for record in self.picture.findings.values()]
        lasting = [event for event in told if not event.finding.happened]
        tasks = {task.id: task for event in lasting for task in _tasks(event)}
        resources = {each.id: each for event in lasting for each in _resources(event)}
        loops = {event.finding.loop: None for event in lasting if event.finding.loop}
        running = sum(task.state == "running" for task in tasks.values())
        self.picture.apply(
            wire.Update(
                time=self.last if until is None else min(self.last, until),
                health=wire.Health(len(tasks), running, 0, len(tasks) - running, 0.0, self._retracted()),
                complete=True,
                tasks=tuple(tasks.values()),
                resources=tuple(resources.values()),
                loops=tuple(wire.Loop(id, "", True, sum(t.loop == id for t in tasks.values())) for id in loops),
            )
        )
        for event in lasting:
            for task in event.finding.tasks:
                self.picture.apply(_detail(task))
        return self.picture

    def _retracted(self) -> int:
        return sum(record["event"] == "retracted" for record in self.picture.past)


def _tasks(event: Event) -> Iterator[wire.Task]:
    finding = event.finding
    types = {resource.id: resource.type for resource in finding.resources}
    for task in finding.tasks:
        joins = tuple(edge.target for edge in finding.edges if (edge.source, edge.relation) == (task.id, "joins"))
        waits = types.get(task.waits_for or "", "task" if task.waits_for else "")
        yield wire.Task(
            id=task.id,
            name=task.name,
            coro=task.coro,
            loop=finding.loop,
            state="running" if finding.kind == "blocked-loop" else "waiting",
            since=event.time - task.waiting_s,
            wait=waits,
            on=task.waits_for,
            due=None if task.deadline_s is None else event.time + task.deadline_s,
            made=_spot(task.created_at),
            at=_spot(waiting_place(task.stack)),
            joins=joins,
        )


def _resources(event: Event) -> Iterator[wire.Resource]:
    for each in event.finding.resources:
        waits = [task.waiting_s for task in event.finding.tasks if task.waits_for == each.id]
        yield wire.Resource(
            id=each.id,
            type=each.type,
            name=each.name,
            made=_spot(each.created_at),
            holders=each.holders,
            waiters=each.waiters,
            oldest=event.time - max(waits) if waits else None,
            used=len(each.holders) if each.units is not None else None,
            total=each.units,
        )


def _detail(task: TaskView) -> wire.Detail:
    stack = tuple(wire.Place(place.file, place.line, place.function, place.code) for place in task.stack)
    holds = tuple(held.resource for held in task.holds)
    return wire.Detail(task.id, stack=stack, holds=holds, trace_id=task.trace_id, span_id=task.span_id)


def _spot(place: Place | None) -> wire.Spot | None:
    return wire.Spot(place.file, place.line, place.function) if place is not None else None
