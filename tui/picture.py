"""One process as it was last heard of: a plain model that frames are applied to.

Laws:
- The only inputs are frames, from a socket or from a file; no clock is read, so the same frames give the same picture.
- Nothing grows without bound: what is gone is forgotten, ended findings are kept to the last MOST_ENDED.
- When the process is gone the picture stays as it was, with ``ended``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple

from ..agent import wire

MOST_ENDED = 500
MOST_DELAYS = 600
Record = dict[str, Any]
"""A finding record (docs/findings/record.md)."""


class Edge(NamedTuple):
    """``source`` waits for ``target`` (waits, joins), or is held by it (held_by). Ids of tasks and resources."""

    source: str
    target: str
    relation: str


class Picture:
    """What is known of one process."""

    def __init__(self, greeting: wire.Greeting) -> None:
        self.greeting = greeting
        self.time = 0.0
        """When the last update was made, by the process's clock; 0 before the first."""
        self.health: wire.Health | None = None
        self.complete = False
        self.lost = 0
        self.ended = False
        """The process has gone; set by whoever noticed."""
        self.tasks: dict[str, wire.Task] = {}
        self.resources: dict[str, wire.Resource] = {}
        self.loops: dict[str, wire.Loop] = {}
        self.delays: dict[str, deque[float]] = {}
        """The last samples of how late each loop's timers were, in seconds."""
        self.details: dict[str, wire.Detail] = {}
        self.findings: dict[str, Record] = {record["id"]: record for record in greeting.findings}
        """What is open, by id, oldest first."""
        self.past: deque[Record] = deque(maxlen=MOST_ENDED)
        """What was closed or retracted, oldest first."""

    @property
    def pid(self) -> int:
        """The process id."""
        return self.greeting.pid

    def apply(self, frame: wire.Told) -> None:
        """Take in what the process says. Answers and greetings change nothing."""
        if isinstance(frame, wire.Update):
            self._update(frame)
        elif isinstance(frame, wire.Detail):
            self._detail(frame)

    def note(self, record: Record) -> None:
        """Take in one event of a finding."""
        if record["event"] in ("opened", "updated"):
            self.findings[record["id"]] = record
        else:
            self.findings.pop(record["id"], None)
            self.past.append(record)

    def edges(self) -> Iterator[Edge]:
        """The wait-for graph: who waits for which resource or task, and who holds what is waited for."""
        for task in self.tasks.values():
            for target in dict.fromkeys((*filter(None, [task.on]), *task.joins)):
                yield Edge(task.id, target, "joins" if target.startswith("task-") else "waits")
        for resource in self.resources.values():
            for holder in dict.fromkeys(resource.holders):
                yield Edge(resource.id, holder, "held_by")

    def oldest_wait(self) -> wire.Task | None:
        """The task that has been in its present wait for longest."""
        waiting = (task for task in self.tasks.values() if task.state == "waiting")
        return min(waiting, key=lambda task: task.since, default=None)

    def _update(self, update: wire.Update) -> None:
        self.time, self.health, self.complete = update.time, update.health, update.complete
        self.lost += update.lost
        for key in update.gone:
            self.tasks.pop(key, None)
            self.details.pop(key, None)
        self.tasks.update((task.id, task) for task in update.tasks)
        for key in update.over:
            self.resources.pop(key, None)
        self.resources.update((resource.id, resource) for resource in update.resources)
        self._loops(update.loops)
        for record in update.events:
            self.note(record)

    def _loops(self, loops: tuple[wire.Loop, ...]) -> None:
        self.loops = {loop.id: loop for loop in loops}
        self.delays = {key: self.delays.get(key, deque(maxlen=MOST_DELAYS)) for key in self.loops}
        for loop in loops:
            self.delays[loop.id].extend(loop.delays)

    def _detail(self, detail: wire.Detail) -> None:
        if detail.gone:
            self.details.pop(detail.id, None)
        else:
            self.details[detail.id] = detail
