"""Finding records read back: the one inverse of ``Event.as_record``.

Laws:
- ``event_of(event.as_record()).as_record() == event.as_record()``: nothing that a record says is lost. What a record
  does not say stays unknown: a finding's subject, and where each of several units of one resource was taken.
- A record comes from outside. Fields that are not known are passed over, as the schema promises; one that is missing
  or of another type refuses the record. ``event``, ``kind``, ``verdict`` and ``id`` are plain words; all other texts
  may hold anything, and whoever shows them escapes them.
- Who has a record before him and must show something calls ``finding_of`` and ``moment``, which never raise.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import Any

import msgspec

from ..agent.findings import Event, Finding
from ..agent.snapshot import Edge, Held, Place, ResourceView, TaskView

VERSION = 1
_WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
_EARLIEST, _LATEST = 0.0, 4e9


class NoRecord(ValueError):
    """What was read is no finding record of this version; the text says why, in one line."""


class _Edge(msgspec.Struct, rename={"source": "from", "target": "to"}):
    source: str
    target: str
    relation: str


class _Task(msgspec.Struct):
    id: str
    name: str
    coro: str
    role: str
    waits_for: str | None
    waiting_s: float
    deadline_s: float | None
    holds: tuple[str, ...]
    stack: tuple[Place, ...]
    created_at: Place | None
    held_at: dict[str, Place] = {}
    trace_id: str | None = None
    span_id: str | None = None
    error: str | None = None

    def view(self) -> TaskView:
        """The task as the agent saw it."""
        _be_finite("waiting_s of a task", self.waiting_s)
        if self.deadline_s is not None and math.isnan(self.deadline_s):
            raise NoRecord("no finding record: deadline_s of a task is no number")
        return TaskView(
            id=self.id,
            name=self.name,
            coro=self.coro,
            role=self.role,
            waits_for=self.waits_for,
            waiting_s=self.waiting_s,
            deadline_s=self.deadline_s,
            holds=tuple([Held(resource, self.held_at.get(resource)) for resource in self.holds]),
            stack=self.stack,
            created_at=self.created_at,
            trace_id=self.trace_id,
            span_id=self.span_id,
            error=self.error,
        )


class _Record(msgspec.Struct):
    time: str
    event: str
    id: str
    kind: str
    verdict: str
    title: str
    age_s: float
    pid: int
    loop: str
    tasks: tuple[_Task, ...]
    resources: tuple[ResourceView, ...]
    edges: tuple[_Edge, ...]
    victims: int
    note: str | None
    help: str
    happened: bool = False

    def finding(self) -> Finding:
        """The finding as it stood then."""
        _be_finite("age_s", self.age_s)
        return Finding(
            kind=_word("kind", self.kind),
            verdict=_word("verdict", self.verdict),
            title=self.title,
            id=_word("id", self.id),
            age_s=self.age_s,
            loop=self.loop,
            tasks=tuple(task.view() for task in self.tasks),
            resources=self.resources,
            edges=tuple(Edge(each.source, each.target, each.relation) for each in self.edges),
            victims=self.victims,
            note=self.note,
            help=self.help,
            happened=self.happened,
        )


def event_of(record: Any) -> Event:
    """The event that a record tells of. Raises NoRecord."""
    version = record.get("v") if isinstance(record, dict) else None
    if version is None:
        raise NoRecord("no finding record")
    if version != VERSION:
        told = version if isinstance(version, int | float) else "unknown"
        raise NoRecord(f"a record of version {told}; this unstuck reads version {VERSION}")
    try:
        read = msgspec.convert(record, _Record)
    except msgspec.ValidationError as wrong:
        raise NoRecord(f"no finding record: {_plain(str(wrong))}") from None
    return Event(_word("event", read.event), _seconds(read.time), read.finding(), read.pid)


def finding_of(record: Any) -> Finding:
    """The finding that a record tells of; of one that cannot be read what it is called, and why it cannot."""
    try:
        return event_of(record).finding
    except NoRecord as wrong:
        told = record if isinstance(record, dict) else {}
        texts = {name: told[name] for name in ("kind", "verdict", "id") if _is_word(told.get(name))}
        title = told.get("title")
        known = {"kind": "unknown", "verdict": "unknown"} | texts
        return Finding(title=title if isinstance(title, str) else "", note=f"cannot be shown: {wrong}", **known)


def moment(record: Any) -> float:
    """When the event of a record happened, in seconds since the epoch; 0 when it does not say."""
    try:
        return _seconds(record["time"])
    except (KeyError, TypeError, NoRecord):
        return 0.0


def _seconds(time: str) -> float:
    """Seconds since the epoch of an RFC 3339 time; UTC when it does not say."""
    try:
        moment = datetime.fromisoformat(time)
        seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise NoRecord("no finding record: its time is none") from None
    if not _EARLIEST <= seconds <= _LATEST:
        raise NoRecord("no finding record: its time is none of ours")
    return seconds


def _is_word(text: object) -> bool:
    return isinstance(text, str) and bool(_WORD.fullmatch(text))


def _word(field: str, text: str) -> str:
    if not _is_word(text):
        raise NoRecord(f"no finding record: its {field} is no plain word")
    return text


def _be_finite(field: str, number: float) -> None:
    if not math.isfinite(number):
        raise NoRecord(f"no finding record: {field} is no number")


def _plain(text: str) -> str:
    return text.replace("`", "").replace("$.", "")
