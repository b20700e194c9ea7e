"""Finding records read back: from the JSON of a file or a socket to the frozen finding that the agent told.

Law: a record of another version of the agent is read as far as it goes; what is missing is empty, never an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ..agent.findings import Event, Finding
from ..agent.snapshot import Edge, Held, Place, ResourceView, TaskView

Json = Mapping[str, Any]


def event_of(record: Json) -> Event:
    """The event that a record tells of."""
    return Event(_text(record, "event") or "opened", moment(record), finding_of(record), int(record.get("pid") or 0))


def moment(record: Json) -> float:
    """When the event of a record happened, in seconds since the epoch; 0 when it does not say."""
    try:
        return datetime.fromisoformat(record["time"]).timestamp()
    except (KeyError, TypeError, ValueError):
        return 0.0


def finding_of(record: Json) -> Finding:
    """The finding of a record."""
    return Finding(
        kind=_text(record, "kind"),
        verdict=_text(record, "verdict"),
        title=_text(record, "title"),
        id=_text(record, "id"),
        age_s=_number(record.get("age_s")) or 0.0,
        loop=_text(record, "loop"),
        tasks=tuple(_task(each) for each in record.get("tasks") or ()),
        resources=tuple(_resource(each) for each in record.get("resources") or ()),
        edges=tuple(Edge(each["from"], each["to"], each["relation"]) for each in record.get("edges") or ()),
        victims=int(record.get("victims") or 0),
        note=record.get("note"),
        help=_text(record, "help"),
    )


def _task(record: Json) -> TaskView:
    taken = record.get("held_at") or {}
    return TaskView(
        id=_text(record, "id"),
        name=_text(record, "name"),
        coro=_text(record, "coro"),
        role=_text(record, "role") or "core",
        waits_for=record.get("waits_for"),
        waiting_s=_number(record.get("waiting_s")) or 0.0,
        deadline_s=_number(record.get("deadline_s")),
        holds=tuple(Held(each, _place(taken.get(each))) for each in record.get("holds") or ()),
        stack=tuple(place for each in record.get("stack") or () if (place := _place(each))),
        created_at=_place(record.get("created_at")),
        trace_id=record.get("trace_id"),
        span_id=record.get("span_id"),
        error=record.get("error"),
    )


def _resource(record: Json) -> ResourceView:
    return ResourceView(
        id=_text(record, "id"),
        type=_text(record, "type"),
        name=_text(record, "name"),
        created_at=_place(record.get("created_at")),
        holders=tuple(record.get("holders") or ()),
        waiters=int(record.get("waiters") or 0),
        units=record.get("units"),
    )


def _place(record: Json | None) -> Place | None:
    if not record:
        return None
    return Place(_text(record, "file"), int(record.get("line") or 0), _text(record, "function"), _text(record, "code"))


def _text(record: Json, name: str) -> str:
    value = record.get(name)
    return value if isinstance(value, str) else ""


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None
