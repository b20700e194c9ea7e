"""Frozen pictures of tasks, resources and their waits: what leaves the judging step.

Laws:
- Plain strings, numbers and tuples: nothing here refers to the program's objects.
- ``as_record`` gives the shapes of the finding record (docs/findings/record.md); names only get added.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import source


@dataclass(frozen=True, slots=True)
class Place:
    """A source line. ``code`` is its text, stripped; empty when the source is not at hand."""

    file: str
    line: int
    function: str
    code: str

    @classmethod
    def at(cls, file: str, line: int, function: str) -> Place:
        """The place with its source text looked up."""
        return cls(file, line, function, source.line_at(file, line))

    def as_record(self) -> dict[str, Any]:
        """JSON shape."""
        return {"file": self.file, "line": self.line, "function": self.function, "code": self.code}


@dataclass(frozen=True, slots=True)
class Held:
    """A resource that a task holds, and where it took it (None when nobody saw)."""

    resource: str
    taken_at: Place | None


@dataclass(frozen=True, slots=True)
class TaskView:
    """A task as it stands in a finding. Times are seconds; ids are those of the record."""

    id: str
    name: str
    coro: str
    role: str
    waits_for: str | None
    waiting_s: float
    deadline_s: float | None
    holds: tuple[Held, ...]
    stack: tuple[Place, ...]
    created_at: Place | None
    trace_id: str | None = None
    span_id: str | None = None
    error: str | None = None
    """The type and text of the exception that it ended with."""

    def as_record(self) -> dict[str, Any]:
        """JSON shape. ``stack`` is outermost first."""
        record = {
            "id": self.id,
            "name": self.name,
            "coro": self.coro,
            "role": self.role,
            "waits_for": self.waits_for,
            "waiting_s": round(self.waiting_s, 3),
            "deadline_s": None if self.deadline_s is None else round(self.deadline_s, 3),
            "holds": [held.resource for held in self.holds],
            "held_at": {held.resource: held.taken_at.as_record() for held in self.holds if held.taken_at},
            "stack": [place.as_record() for place in self.stack],
            "created_at": self.created_at.as_record() if self.created_at else None,
            "trace_id": self.trace_id,
            "span_id": self.span_id,
        }
        return record | {"error": self.error} if self.error is not None else record


@dataclass(frozen=True, slots=True)
class ResourceView:
    """A lock, semaphore, queue, future or join as it stands in a finding."""

    id: str
    type: str
    name: str
    created_at: Place | None
    holders: tuple[str, ...]
    waiters: int
    units: int | None = None

    def as_record(self) -> dict[str, Any]:
        """JSON shape."""
        record = {
            "id": self.id,
            "type": self.type,
            "name": self.name,
            "created_at": self.created_at.as_record() if self.created_at else None,
            "holders": list(self.holders),
            "waiters": self.waiters,
        }
        if self.units is not None:
            record["units"] = self.units
        return record


@dataclass(frozen=True, slots=True)
class Edge:
    """``relation`` is waits, held_by or joins."""

    source: str
    target: str
    relation: str

    def as_record(self) -> dict[str, Any]:
        """JSON shape."""
        return {"from": self.source, "to": self.target, "relation": self.relation}


@dataclass(frozen=True, slots=True)
class EndedWait:
    """A wait for a lock, semaphore or pool that is over. ``type`` is the resource's; ids are those of a span."""

    type: str
    seconds: float
    trace_id: str | None = None
    span_id: str | None = None


@dataclass(frozen=True, slots=True)
class Lifespan:
    """A task that has ended, as a span. Times are seconds since the epoch; ids are those of the span it was made in."""

    id: str
    name: str
    coro: str
    start: float
    end: float
    outcome: str
    """``returned``, ``cancelled``, or the type of the exception that ended it."""
    trace_id: str | None = None
    span_id: str | None = None


@dataclass(frozen=True, slots=True)
class Vitals:
    """The process in numbers: how it is at ``time`` (seconds since the epoch), and what was since the last of these."""

    time: float
    tasks: dict[str, int]
    """Living tasks by state: running, ready, waiting."""
    waiters: dict[str, int]
    """Tasks that wait for what others hold, by the type of the resource."""
    ended_waits: tuple[EndedWait, ...]
    delays: dict[str, tuple[float, ...]]
    """By how many seconds each loop was late, sample by sample."""
    findings: dict[tuple[str, str], int]
    """Open findings by kind and verdict."""
    retracted: int
    agent_cpu: float
    """Processor seconds that the watcher's thread has spent."""
    lifespans: tuple[Lifespan, ...] = ()
    """Tasks that have ended, where they are wanted as spans."""
