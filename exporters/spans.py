"""From a finding's event to spans: each wait that is stuck is one, in the trace of the request that is stuck.

Laws:
- Pure, without opentelemetry. Times are seconds since the epoch; ids are hexadecimal.
- A wait is told twice: when it is found, as it is then (``unstuck.wait.ended`` false), and when it is over, as a second
  span with the same beginning that is linked to the first. A backend takes a span's end once, so it cannot be one.
- Tasks that work for no request make spans only in a finding in which nobody does.
- Names are few: what a span waits for by name is in its attributes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..agent.findings import PROVEN, Event, Finding
from ..agent.snapshot import Lifespan, TaskView
from . import names
from .logs import of_task

_WAITING = frozenset(
    ("deadlock", "stuck", "slow-wait", "pool-exhausted", "held-by-finished", "wrong-thread", "ignored-cancel")
)
_BLOCKED = "blocked-loop"
_TOLD = {"opened": False, "closed": True, "retracted": True}
"""Events that make spans, and whether the wait is over by then."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A span to be: a task's wait, from ``start`` to ``end``."""

    task: str
    name: str
    trace_id: str | None
    parent_id: str | None
    start: float
    end: float
    is_over: bool
    error: str | None
    """What is wrong, where something surely is."""
    attributes: Mapping[str, Any]
    awaits: tuple[str, ...] = ()
    """Ids of the tasks that hold what it waits for, or are what it waits for."""


def stretches(event: Event, since: Mapping[str, float]) -> Iterator[Stretch]:
    """The waits of an event, core tasks first. ``since``: when they began, by the task's id, where that was told."""
    finding, is_over = event.finding, _TOLD.get(event.event)
    if is_over is None or finding.happened:
        return
    traced = [task for task in finding.tasks if task.trace_id is not None]
    for task in traced or finding.tasks:
        seconds = _waiting(task, finding)
        if seconds is None:
            continue
        start = since.get(task.id, event.time - seconds)
        yield Stretch(
            task=task.id,
            name=_name(task, finding),
            trace_id=task.trace_id,
            parent_id=task.span_id,
            start=min(start, event.time),
            end=event.time,
            is_over=is_over,
            error=finding.title if finding.verdict == PROVEN and event.event != "retracted" else None,
            attributes=_attributes(event, task),
            awaits=tuple(_awaits(task, finding)),
        )


def lifetime(life: Lifespan) -> Stretch:
    """A task that has ended: a child of the span in which it was made."""
    attributes = {
        names.TASK_ID: life.id,
        names.TASK_NAME: life.name,
        names.TASK_CORO: life.coro,
        names.TASK_OUTCOME: life.outcome,
    }
    failed = life.outcome not in ("returned", "cancelled")
    error = life.outcome if failed else None
    name = f"task {life.coro.rpartition('<locals>.')[2]}"
    return Stretch(life.id, name, life.trace_id, life.span_id, life.start, life.end, True, error, attributes)


def _waiting(task: TaskView, finding: Finding) -> float | None:
    """For how long it has been in the wait that the finding is about; None when it is not in one."""
    if finding.kind == _BLOCKED:
        return finding.age_s
    if finding.kind not in _WAITING or (task.waits_for is None and task.role != "core"):
        return None
    return max(task.waiting_s, finding.age_s if task.role == "core" and not task.waiting_s else 0.0)


def _name(task: TaskView, finding: Finding) -> str:
    if finding.kind == _BLOCKED:
        return "blocked loop"
    resource = next((each for each in finding.resources if each.id == task.waits_for), None)
    return f"wait for {resource.type}" if resource is not None else "wait for task" if task.waits_for else "wait"


def _attributes(event: Event, task: TaskView) -> dict[str, Any]:
    finding = event.finding
    found: dict[str, Any] = {
        names.FINDING_ID: finding.id,
        names.FINDING_KIND: finding.kind,
        names.FINDING_VERDICT: finding.verdict,
        names.FINDING_TITLE: finding.title,
        names.WAIT_ENDED: _TOLD[event.event],
        **of_task(task, finding),
    }
    return found | ({names.TASK_OUTCOME: event.event} if _TOLD[event.event] else {})


def _awaits(task: TaskView, finding: Finding) -> Iterator[str]:
    """Along the edges: over a resource to who holds it, or straight to a joined task."""
    holders = {(edge.source, edge.target) for edge in finding.edges if edge.relation == "held_by"}
    seen = {task.id}
    for edge in finding.edges:
        if edge.source != task.id:
            continue
        targets = [edge.target] if edge.relation == "joins" else [to for at, to in sorted(holders) if at == edge.target]
        for target in targets:
            if target not in seen:
                seen.add(target)
                yield target
