"""Findings: one problem each, with a stable id, and their life: opened, updated, closed or retracted.

Laws:
- The id is a fingerprint of kind, code sites and resource sites, so it is the same in the next tick, the
  next process and the next release of the same code, wherever that is installed; a second finding of that
  fingerprint that is open at the same time gets an ordinal.
- A finding is opened once, however often a detector reports it. Which report belongs to which open
  finding is decided by ``subject``, the identity of what is stuck.
- A proven or suspected finding whose tasks moved by themselves is retracted, and counted: the agent
  measures its own false positives. One that ended by cancellation, or that never claimed to last, is closed.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from .snapshot import Edge, Place, ResourceView, TaskView

PROVEN, SUSPECTED, POTENTIAL = "proven", "suspected", "potential"
_UPDATE_EVERY = 60.0
_LIBRARY = os.path.dirname(os.path.dirname(asyncio.__file__))
_PARTS = ("asyncio/", "concurrent/", "threading.py", "queue.py", "contextlib.py")
_WAITING = tuple(os.path.join(_LIBRARY, part) for part in _PARTS)


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem as seen at one moment. Times are seconds since the epoch; ``age_s`` seconds."""

    kind: str
    verdict: str
    title: str
    id: str = ""
    age_s: float = 0.0
    loop: str = ""
    tasks: tuple[TaskView, ...] = ()
    resources: tuple[ResourceView, ...] = ()
    edges: tuple[Edge, ...] = ()
    victims: int = 0
    note: str | None = None
    help: str = ""
    subject: Hashable = None
    """What is stuck, by identity in this process: never leaves it."""
    happened: bool = False
    """A fact that does not last and cannot end, such as a lost error: its age and its end mean nothing."""

    @property
    def core(self) -> tuple[TaskView, ...]:
        """The tasks that form the problem."""
        return tuple(task for task in self.tasks if task.role == "core")

    def fingerprint(self) -> str:
        """Twelve hex digits over kind, the core's code sites and the resources' creation sites."""
        sites = {(self.kind, task.coro, *_innermost(task)) for task in self.core}
        made = {(each.type, _site(each.created_at)) for each in self.resources if each.created_at}
        text = repr((self.kind, sorted(sites), sorted(made)))
        return hashlib.blake2s(text.encode(), digest_size=6).hexdigest()


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened to a finding: ``event`` is opened, updated, closed or retracted."""

    event: str
    time: float
    finding: Finding
    pid: int = field(default_factory=os.getpid)

    def as_record(self) -> dict[str, Any]:
        """The finding record, version 1."""
        finding = self.finding
        record = {
            "v": 1,
            "time": datetime.fromtimestamp(self.time, UTC).isoformat(timespec="milliseconds"),
            "event": self.event,
            "id": finding.id,
            "kind": finding.kind,
            "verdict": finding.verdict,
            "title": finding.title,
            "age_s": round(finding.age_s, 3),
            "pid": self.pid,
            "loop": finding.loop,
            "tasks": [task.as_record() for task in finding.tasks],
            "resources": [resource.as_record() for resource in finding.resources],
            "edges": [edge.as_record() for edge in finding.edges],
            "victims": finding.victims,
            "note": finding.note,
            "help": finding.help,
        }
        return record | {"happened": True} if finding.happened else record


def _innermost(task: TaskView) -> tuple[str, int]:
    """The program's own innermost place: the standard library's lines differ from one Python to the next."""
    own = [place for place in task.stack if not place.file.startswith(_WAITING)]
    return _site(own[-1]) if own else ("", 0)


def _site(place: Place) -> tuple[str, int]:
    """A line, with no more of the path than stays when the program is installed elsewhere."""
    return "/".join(place.file.replace(os.sep, "/").split("/")[-2:]), place.line


@dataclass(slots=True)
class _Open:
    finding: Finding
    since: float
    told: float


def _later(finding: Finding, before: Finding, age_s: float) -> Finding:
    """An open finding as it is seen now. A task that is on its way out has left its spans: they stay as first seen."""
    spans = {(task.id, task.name): task for task in before.tasks if task.trace_id is not None}
    tasks = finding.tasks
    if spans:
        known = [spans.get((task.id, task.name), task) for task in tasks]
        tasks = tuple(
            replace(task, trace_id=first.trace_id, span_id=first.span_id)
            if task.trace_id in (None, first.trace_id)
            else task
            for task, first in zip(tasks, known, strict=True)
        )
    return replace(finding, id=before.id, age_s=age_s, tasks=tasks)


class Ledger:
    """The open findings of this process, and how many were retracted."""

    def __init__(self) -> None:
        self._open: dict[Hashable, _Open] = {}
        self.retracted = 0

    def open_findings(self) -> tuple[Finding, ...]:
        """What is open now, oldest first."""
        return tuple(entry.finding for entry in self._open.values())

    def open_events(self, now: float) -> list[Event]:
        """The same as they would have been told when they were last told."""
        wall = time.time() - now
        return [Event("opened", wall + entry.told, entry.finding) for entry in list(self._open.values())]

    def report(self, findings: Iterable[Finding], now: float, news: bool = False) -> list[Event]:
        """Enter what a detector sees now; the events are what has changed. ``news``: an open finding has grown."""
        events = []
        for finding in findings:
            entry = self._open.get(finding.subject)
            if entry is None:
                entry = self._begin(finding, now)
                events.append(Event("opened", time.time(), entry.finding))
            elif news or finding.verdict != entry.finding.verdict or now - entry.told >= _UPDATE_EVERY:
                entry.told = now
                entry.finding = _later(finding, entry.finding, max(finding.age_s, now - entry.since))
                events.append(Event("updated", time.time(), entry.finding))
            else:
                entry.finding = _later(finding, entry.finding, entry.finding.age_s)
        return events

    def is_told(self, subject: Hashable, now: float) -> bool:
        """Whether it is open, and not yet to be told again."""
        entry = self._open.get(subject)
        return entry is not None and now - entry.told < _UPDATE_EVERY

    def refresh(self, subject: Hashable, now: float, victims: Callable[[], int]) -> list[Event]:
        """An open finding stands as it was: tell so, with its age and victims, once a minute."""
        entry = self._open.get(subject)
        if entry is None or now - entry.told < _UPDATE_EVERY:
            return []
        entry.finding = replace(entry.finding, age_s=entry.finding.age_s + now - entry.told, victims=victims())
        entry.told = now
        return [Event("updated", time.time(), entry.finding)]

    def end(self, subject: Hashable, now: float, retracted: bool = False, note: str | None = None) -> list[Event]:
        """The problem is over. Give the event, or none when no such finding is open."""
        entry = self._open.pop(subject, None)
        if entry is None:
            return []
        self.retracted += retracted
        over = replace(entry.finding, age_s=entry.finding.age_s + now - entry.told, note=note)
        return [Event("retracted" if retracted else "closed", time.time(), over)]

    def _begin(self, finding: Finding, now: float) -> _Open:
        taken = {entry.finding.id for entry in self._open.values()}
        base = name = finding.fingerprint()
        ordinal = 2
        while name in taken:
            name, ordinal = f"{base}-{ordinal}", ordinal + 1
        entry = _Open(replace(finding, id=name), now - finding.age_s, now)
        self._open[finding.subject] = entry
        return entry
