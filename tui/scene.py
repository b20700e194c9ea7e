"""Scenes: what the dashboard shows at one moment, frozen.

Laws:
- A ``Shot`` is one process at one moment; a ``Scene`` is those that are watched. Nothing of it changes afterwards, so
  it may cross from thread to thread.
- Time is the shot's own: what is frozen, or has ended, grows no older.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from itertools import chain, repeat
from typing import Any

from ..agent import wire
from . import words
from .behind import behind
from .picture import Picture, Record

LIVE, SILENT, ENDED, RECORDED = "live", "silent", "ended", "recorded"
VERDICTS = ("proven", "suspected", "potential")
_NO_HEALTH = wire.Health(0, 0, 0, 0, 0.0, 0)


@dataclass(frozen=True, slots=True)
class Vitals:
    """What the system says of a process: processors busy for it, bytes of memory; None where it does not say."""

    cpu: float | None = None
    memory: int | None = None
    agent: float | None = None
    """Processors busy for the agent alone."""
    cpus: tuple[float, ...] = ()
    """The last of ``cpu``, oldest first."""


@dataclass(frozen=True)
class Shot:
    """One process at one moment. ``state`` is live, silent (no news for a while), ended, or recorded in a file."""

    greeting: wire.Greeting
    time: float = 0.0
    health: wire.Health = _NO_HEALTH
    complete: bool = False
    tasks: Mapping[str, wire.Task] = field(default_factory=dict)
    resources: Mapping[str, wire.Resource] = field(default_factory=dict)
    loops: Mapping[str, wire.Loop] = field(default_factory=dict)
    delays: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    details: Mapping[str, wire.Detail] = field(default_factory=dict)
    findings: Mapping[str, Record] = field(default_factory=dict)
    past: tuple[Record, ...] = ()
    vitals: Vitals = Vitals()
    state: str = LIVE
    note: str = ""
    """Why it is not live."""

    @classmethod
    def of(cls, picture: Picture, vitals: Vitals = Vitals(), state: str = LIVE, note: str = "") -> Shot:
        """The picture as it is now, for keeping."""
        return cls(
            picture.greeting,
            picture.time,
            picture.health or _NO_HEALTH,
            picture.complete,
            dict(picture.tasks),
            dict(picture.resources),
            dict(picture.loops),
            {loop: tuple(samples) for loop, samples in picture.delays.items()},
            dict(picture.details),
            dict(picture.findings),
            tuple(picture.past),
            vitals,
            state,
            note,
        )

    @property
    def pid(self) -> int:
        """The process id."""
        return self.greeting.pid

    @property
    def command(self) -> str:
        """The command line, as one types it."""
        return words.called(self.greeting.command) or f"process {self.pid}"

    @cached_property
    def marks(self) -> dict[str, tuple[str, bool]]:
        """The worst verdict on each task of an open finding, and whether it is of the core."""
        found: dict[str, tuple[str, bool]] = {}
        for record in sorted(self.findings.values(), key=_badness, reverse=True):
            found.update(dict.fromkeys(self.behind.get(record["id"], ()), (record["verdict"], False)))
            for task in record["tasks"]:
                found[task["id"]] = (record["verdict"], task["role"] == "core")
        return found

    @cached_property
    def behind(self) -> dict[str, tuple[str, ...]]:
        """The tasks behind each open finding, by its id, where that can be seen; a recording names a few only."""
        if not self.complete or self.state == RECORDED:
            return {}
        return behind(self.findings.values(), self.tasks, self.resources)

    def victims(self) -> dict[str, int]:
        """How many tasks are behind each open finding, by its id."""
        return {id: self.victims_of(record) for id, record in self.findings.items()}

    def victims_of(self, record: Record) -> int:
        """How many tasks are behind a finding now, or were when it ended."""
        found = self.behind.get(record["id"]) if is_open(record) else None
        return int(record["victims"]) if found is None else len(found)

    @cached_property
    def held(self) -> dict[str, tuple[str, ...]]:
        """The resources that somebody waits for, by who holds them."""
        found: dict[str, list[str]] = {}
        for resource in self.resources.values():
            for holder in dict.fromkeys(resource.holders):
                found.setdefault(holder, []).append(resource.id)
        return {holder: tuple(ids) for holder, ids in found.items()}

    def age_of(self, record: Record) -> float:
        """For how long a finding has been, or had been when it ended, in seconds."""
        age = float(record["age_s"])
        if not is_open(record) or not self.time:
            return age
        return age + max(0.0, self.time - moment(record))

    def name_of(self, id: str) -> str:
        """A task or resource by its name."""
        thing = self.tasks.get(id) or self.resources.get(id)
        return thing.name if thing is not None else id


Row = tuple[Shot, Any]
"""A task, resource or finding, after the process it belongs to. A plain tuple: there are many of them."""


def key_of(row: Row) -> tuple[int, str]:
    """What a row is, among all processes."""
    shot, item = row
    return shot.pid, item["id"] if isinstance(item, dict) else item.id


@dataclass(frozen=True, slots=True)
class Scene:
    """The processes that are watched. ``only``: the one that is looked at; None: all of them."""

    shots: tuple[Shot, ...] = ()
    only: int | None = None

    def narrowed(self, pid: int | None) -> Scene:
        """The same, looking at one of them or at all."""
        return replace(self, only=pid)

    @property
    def seen(self) -> tuple[Shot, ...]:
        """Those that are looked at."""
        one = tuple(shot for shot in self.shots if shot.pid == self.only)
        return one or self.shots

    @property
    def several(self) -> bool:
        """Whether a row must say which process it belongs to."""
        return len(self.seen) > 1

    def shot(self, pid: int) -> Shot | None:
        """The process with that pid."""
        return next((shot for shot in self.shots if shot.pid == pid), None)

    def tasks(self) -> list[Row]:
        """All tasks."""
        return list(chain.from_iterable(zip(repeat(shot), shot.tasks.values()) for shot in self.seen))

    def resources(self) -> list[Row]:
        """All resources that somebody waits for."""
        return list(chain.from_iterable(zip(repeat(shot), shot.resources.values()) for shot in self.seen))

    def findings(self) -> list[Row]:
        """The open findings, the worst first, and then those that ended, the last first."""
        still = [(shot, record) for shot in self.seen for record in shot.findings.values()]
        over = [(shot, record) for shot in self.seen for record in shot.past]
        still.sort(key=lambda row: (_badness(row[1]), -row[0].age_of(row[1])))
        over.sort(key=lambda row: moment(row[1]), reverse=True)
        return still + over

    def verdicts(self) -> dict[str, int]:
        """How many findings are open, by verdict."""
        counts = dict.fromkeys(VERDICTS, 0)
        for shot in self.seen:
            for record in shot.findings.values():
                counts[record["verdict"]] = counts.get(record["verdict"], 0) + 1
        return counts


def moment(record: Record) -> float:
    """When the event of a record happened, in seconds since the epoch; 0 when it does not say."""
    try:
        return datetime.fromisoformat(record["time"]).timestamp()
    except (KeyError, TypeError, ValueError):
        return 0.0


def is_open(record: Record) -> bool:
    """Whether the finding still stands."""
    return record["event"] in ("opened", "updated")


def _badness(record: Record) -> int:
    return VERDICTS.index(record["verdict"]) if record["verdict"] in VERDICTS else len(VERDICTS)


def pairs(scene: Scene) -> Iterator[tuple[Shot, Record]]:
    """Each open finding with its process."""
    for shot in scene.seen:
        for record in shot.findings.values():
            yield shot, record
