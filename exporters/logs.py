"""From a finding's event to log records: pure, without opentelemetry.

Laws:
- One record for each request that is stuck: the core tasks are grouped by the span that they work for. Tasks without
  one get a record only if no other core task has one. All records of an event bear the finding's id.
- The body is one line for people; attributes are for searching; the record as a whole is in one of them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..agent.findings import PROVEN, SUSPECTED, Event, Finding
from ..agent.sinks.places import waiting_place
from ..agent.snapshot import Place, TaskView
from . import names

Attributes = Mapping[str, Any]
Request = tuple[str | None, str | None]
_MOST_TEXT = 60_000
_MOST_NAMED = 20
_SEVERITIES = {PROVEN: "ERROR", SUSPECTED: "WARN"}


@dataclass(frozen=True, slots=True)
class Entry:
    """A log record. ``time`` is seconds since the epoch; ids are hexadecimal."""

    event_name: str
    time: float
    severity: str
    body: str
    attributes: Attributes
    trace_id: str | None = None
    span_id: str | None = None


def entries(event: Event, resent: bool = False) -> Iterator[Entry]:
    """The log records of an event; none for the end of what never lasted."""
    finding = event.finding
    if finding.happened and event.event not in ("opened", "updated"):
        return
    shared = _of_finding(event) | ({names.FINDING_RESENT: True} if resent else {})
    for (trace_id, span_id), tasks in _requests(finding).items():
        yield Entry(
            names.EVENT + event.event,
            event.time,
            severity(event),
            _body(event, tasks),
            {**shared, **_of_tasks(tasks, finding)},
            trace_id,
            span_id,
        )


def severity(event: Event) -> str:
    """By verdict; the end of a finding is information."""
    if event.event in ("closed", "retracted"):
        return "INFO"
    return _SEVERITIES.get(event.finding.verdict, "INFO")


def of_place(place: Place | None) -> Attributes:
    """The attributes of a source line."""
    if place is None:
        return {}
    return {names.CODE_FILE: place.file, names.CODE_LINE: place.line, names.CODE_FUNCTION: place.function}


def of_task(task: TaskView, finding: Finding) -> dict[str, Any]:
    """The attributes of a task and of its wait."""
    found: dict[str, Any] = {
        names.TASK_ID: task.id,
        names.TASK_NAME: task.name,
        names.TASK_ROLE: task.role,
        names.TASK_CORO: task.coro,
        **of_place(waiting_place(task.stack)),
    }
    if task.stack:
        found[names.CODE_STACKTRACE] = _stacktrace(task.stack)
    if task.error is not None:
        kind, _, message = task.error.partition(": ")
        found |= {names.EXCEPTION_TYPE: kind, names.EXCEPTION_MESSAGE: message}
    if task.waits_for is not None:
        found[names.WAIT_FOR] = waited_for(task, finding)
        holders = _holders(task, finding)
        if holders:
            found[names.WAIT_HELD_BY] = holders
    resource = next((each for each in finding.resources if each.id == task.waits_for), None)
    return found | ({names.RESOURCE_TYPE: resource.type} if resource is not None else {})


def waited_for(task: TaskView, finding: Finding) -> str:
    """The name of the resource or task that a task waits for."""
    known = {each.id: each.name for each in finding.tasks} | {each.id: each.name for each in finding.resources}
    return known.get(task.waits_for or "", task.waits_for or "")


def _holders(task: TaskView, finding: Finding) -> list[str]:
    ids = [edge.target for edge in finding.edges if edge.source == task.waits_for and edge.relation == "held_by"]
    known = {each.id: each.name for each in finding.tasks}
    return [known.get(each, each) for each in dict.fromkeys(ids)][:_MOST_NAMED]


def _requests(finding: Finding) -> dict[Request, list[TaskView]]:
    found: dict[Request, list[TaskView]] = {}
    for task in finding.core:
        found.setdefault((task.trace_id, task.span_id), []).append(task)
    if len(found) > 1:
        found.pop((None, None), None)
    return found or {(None, None): []}


def _of_finding(event: Event) -> dict[str, Any]:
    finding = event.finding
    found: dict[str, Any] = {
        names.FINDING_ID: finding.id,
        names.FINDING_KIND: finding.kind,
        names.FINDING_VERDICT: finding.verdict,
        names.FINDING_TITLE: finding.title,
        names.FINDING_VICTIMS: finding.victims,
        names.FINDING_NOTE: finding.note,
        names.FINDING_HELP: finding.help or None,
        names.FINDING_AGE: None if finding.happened else round(finding.age_s, 3),
        names.FINDING_TASKS: [task.name for task in finding.core[:_MOST_NAMED]],
        names.FINDING_RESOURCES: [each.name for each in finding.resources[:_MOST_NAMED]],
        names.LOOP: finding.loop or None,
        names.FINDING_RECORD: _record(event),
    }
    return {name: value for name, value in found.items() if value is not None and value != []}


def _of_tasks(tasks: list[TaskView], finding: Finding) -> Attributes:
    """Of the first of the request's tasks: the others are in the record."""
    return of_task(tasks[0], finding) if tasks else {}


def _record(event: Event) -> str | None:
    """The whole record; None where it would be too long for a backend."""
    text = json.dumps(_finite(event.as_record()), ensure_ascii=False, separators=(",", ":"))
    return text if len(text) <= _MOST_TEXT else None


def _finite(value: Any) -> Any:
    """The same without numbers that JSON lacks."""
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _body(event: Event, tasks: list[TaskView]) -> str:
    finding = event.finding
    over = {"closed": f"over after {finding.age_s:.1f} s: ", "retracted": f"retracted after {finding.age_s:.1f} s: "}
    told = [f"{finding.kind} [{finding.verdict}] {over.get(event.event, '')}{finding.title}"]
    told += [_told(task, finding) for task in tasks[:3]]
    if len(tasks) > 3:
        told.append(f"and {len(tasks) - 3} more")
    return " · ".join(told)


def _told(task: TaskView, finding: Finding) -> str:
    place = waiting_place(task.stack)
    where = f" at {place.file}:{place.line}" if place is not None else ""
    holders = _holders(task, finding)
    held = f", held by {', '.join(holders[:3])}" if holders else ""
    return f"{task.name}{where}" + (f" waits for {waited_for(task, finding)}{held}" if task.waits_for else "")


def _stacktrace(stack: Iterable[Place]) -> str:
    """As Python prints one."""
    lines = ["Stack (most recent call last):"]
    for place in stack:
        lines.append(f'  File "{place.file}", line {place.line}, in {place.function}')
        if place.code:
            lines.append(f"    {place.code}")
    return "\n".join(lines)[:_MOST_TEXT]
