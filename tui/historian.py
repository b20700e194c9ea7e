"""Puts a history together from the events of a recording, in the order of time, in bounded memory."""

from __future__ import annotations

import re
import zlib
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from ..agent.findings import Event
from .history import CLOSED, GONE, HAPPENED, OPEN, RETRACTED, Case, History, Life, Process, rank

MOST_CASES, MOST_OPEN, MOST_PROCESSES = 5000, 10_000, 10_000
MOST_LIVES = 200
"""Lives that are kept of one case: half of them the first, half the last."""
MOST_PACKED = 1 << 28
"""Bytes of all packed pictures together."""
_MOST_VERDICTS, _MOST_NAMES, _LONGEST_NAME = 8, 3, 200
_FINGERPRINT = re.compile(r"([0-9a-f]{12})-\d+")


@dataclass(slots=True)
class _Life:
    """A life as it grows."""

    pid: int
    id: str
    opened: float
    whole: bool
    happened: bool
    verdicts: list[tuple[float, str]]
    who: tuple[str, ...]
    traces: tuple[str, ...]
    last: float
    age_s: float = 0.0
    outcome: str = OPEN
    updates: int = 0
    victims: int = 0
    note: str | None = None

    @classmethod
    def begun(cls, event: Event) -> _Life:
        finding = event.finding
        tasks = finding.core or finding.tasks
        life = cls(
            pid=event.pid,
            id=finding.id,
            opened=event.time,
            whole=event.event == "opened",
            happened=finding.happened,
            verdicts=[(event.time, finding.verdict)],
            who=_few(task.name for task in tasks),
            traces=_few(task.trace_id for task in tasks),
            last=event.time,
        )
        life.take(event)
        return life

    def take(self, event: Event) -> None:
        finding = event.finding
        self.last, self.age_s = max(self.last, event.time), finding.age_s
        self.victims = max(self.victims, finding.victims)
        if finding.verdict != self.verdicts[-1][1] and len(self.verdicts) < _MOST_VERDICTS:
            self.verdicts.append((event.time, finding.verdict))
        if event.event in (CLOSED, RETRACTED):
            self.outcome, self.note = event.event, finding.note
        elif event.event != "opened":
            self.updates += 1

    @property
    def verdict(self) -> str:
        return min((verdict for _, verdict in self.verdicts), key=rank)

    def frozen(self) -> Life:
        return Life(
            pid=self.pid,
            id=self.id,
            verdict=self.verdict,
            opened=self.opened,
            last=self.last,
            age_s=self.age_s,
            outcome=HAPPENED if self.happened and self.outcome != RETRACTED else self.outcome,
            whole=self.whole,
            verdicts=tuple(self.verdicts),
            updates=self.updates,
            victims=self.victims,
            note=self.note,
            who=self.who,
            traces=self.traces,
        )


@dataclass(slots=True)
class _Case:
    """A case as it grows."""

    key: tuple[str, str]
    first: float
    happened: bool
    times: int = 0
    open: int = 0
    retracted: int = 0
    last: float = 0.0
    rank: int = 0
    """Under which the historian keeps it."""
    standing: Counter[str] = field(default_factory=Counter)
    """Lives by their strongest verdict, without those that were retracted."""
    early: list[_Life] = field(default_factory=list)
    late: deque[_Life] = field(default_factory=lambda: deque(maxlen=MOST_LIVES // 2))
    title: str = ""
    pictured: _Life | None = None
    weight: tuple[bool, int, float] = (False, 0, 0.0)
    packed: bytes | None = None

    def begin(self, life: _Life) -> None:
        self.times += 1
        self.open += 1
        self.standing[life.verdict] += 1
        (self.early if len(self.early) < MOST_LIVES // 2 else self.late).append(life)

    def take(self, life: _Life, event: Event) -> None:
        self.standing[life.verdict] -= 1
        life.take(event)
        self.standing[life.verdict] += 1

    def end(self, life: _Life) -> None:
        self.open -= 1
        if life.outcome == RETRACTED:
            self.retracted += 1
            self.standing[life.verdict] -= 1
            if life is self.pictured:
                self.weight = (False, *self.weight[1:])

    @property
    def verdict(self) -> str:
        standing = [verdict for verdict, count in self.standing.items() if count > 0]
        return min(standing or self.standing, key=rank)

    def tells_more(self, life: _Life, event: Event) -> bool:
        """Whether this event gives a better picture: a heavier verdict, then an older one. Ends give none."""
        if self.pictured is not None and life.outcome != OPEN:
            return False
        weight = (life.outcome != RETRACTED, -rank(event.finding.verdict), event.finding.age_s)
        if self.pictured is not None and weight < self.weight:
            return False
        self.weight, self.pictured, self.title = weight, life, event.finding.title
        return True

    def frozen(self) -> Case:
        kind, name = self.key
        return Case(
            id=name,
            kind=kind,
            verdict=self.verdict,
            title=self.title,
            age_s=self.pictured.age_s if self.pictured else 0.0,
            happened=self.happened,
            times=self.times,
            open=0 if self.happened else self.open,
            retracted=self.retracted,
            first=self.first,
            last=self.last,
            lives=tuple(life.frozen() for life in (*self.early, *self.late)),
            packed=self.packed,
        )


@dataclass(slots=True)
class _Process:
    first: float
    last: float
    records: int = 0
    findings: int = 0


class Historian:
    """Takes events, one at a time and in the order of time, and gives the history."""

    def __init__(self) -> None:
        self.records = 0
        self._began: float | None = None
        self._ended: float | None = None
        self._cases: dict[tuple[str, str], _Case] = {}
        self._ranks: dict[int, dict[tuple[str, str], None]] = {}
        self._open: dict[tuple[int, str], tuple[_Case, _Life]] = {}
        self._processes: dict[int, _Process] = {}
        self._packed = self._left_out = 0

    def take(self, event: Event, line: bytes) -> None:
        """Enter an event. ``line`` is its record, as it was written."""
        self.records += 1
        self._began = event.time if self._began is None else min(self._began, event.time)
        self._ended = event.time if self._ended is None else max(self._ended, event.time)
        self._note_process(event)
        entry = self._entry(event)
        if entry is None:
            return
        case, life = entry
        case.last = max(case.last, event.time)
        self._rank(case)
        if case.tells_more(life, event):
            self._pack(case, line)
        if life.outcome != OPEN:
            self._leave(case, life)

    def history(self) -> History:
        """What is known so far."""
        cases = [case.frozen() for case in self._cases.values()]
        cases.sort(key=lambda case: (not case.counts, rank(case.verdict), case.first))
        every = self._processes.items()
        processes = (Process(pid, each.first, each.last, each.records, each.findings) for pid, each in every)
        return History(self._began, self._ended, self.records, tuple(processes), tuple(cases), self._left_out)

    def _entry(self, event: Event) -> tuple[_Case, _Life] | None:
        """The life that the event belongs to, with the event entered; None when its case finds no room."""
        entry = self._open.get((event.pid, event.finding.id))
        if entry is not None and event.event == "opened":
            entry[1].outcome = GONE
            self._leave(*entry)
            entry = None
        if entry is None:
            return self._begin(event)
        entry[0].take(entry[1], event)
        return entry

    def _begin(self, event: Event) -> tuple[_Case, _Life] | None:
        case = self._case(event)
        if case is None:
            return None
        life = _Life.begun(event)
        case.begin(life)
        self._open[event.pid, life.id] = case, life
        if len(self._open) > MOST_OPEN:
            del self._open[next(iter(self._open))]
        return case, life

    def _leave(self, case: _Case, life: _Life) -> None:
        self._open.pop((life.pid, life.id), None)
        case.end(life)

    def _case(self, event: Event) -> _Case | None:
        finding = event.finding
        match = _FINGERPRINT.fullmatch(finding.id)
        key = finding.kind, match[1] if match else finding.id
        case = self._cases.get(key)
        if case is None and self._make_room(rank(finding.verdict)):
            case = self._cases[key] = _Case(key, event.time, finding.happened, rank=rank(finding.verdict))
            self._ranks.setdefault(case.rank, {})[key] = None
        self._left_out += case is None and event.event == "opened"
        return case

    def _make_room(self, wanted: int) -> bool:
        """Where there are too many cases, the oldest of the weakest verdict gives way to a stronger one."""
        if len(self._cases) < MOST_CASES:
            return True
        weakest = max(rank for rank, keys in self._ranks.items() if keys)
        if weakest <= wanted:
            return False
        key = next(iter(self._ranks[weakest]))
        del self._ranks[weakest][key]
        self._packed -= len(self._cases.pop(key).packed or b"")
        self._left_out += 1
        return True

    def _rank(self, case: _Case) -> None:
        """Keep the case under the strongest verdict that it ever had."""
        strongest = min(case.rank, rank(case.verdict))
        if strongest != case.rank and case.key in self._ranks[case.rank]:
            del self._ranks[case.rank][case.key]
            self._ranks.setdefault(strongest, {})[case.key] = None
            case.rank = strongest

    def _pack(self, case: _Case, line: bytes) -> None:
        packed = zlib.compress(line, 1)
        more = len(packed) - len(case.packed or b"")
        if self._packed + more <= MOST_PACKED:
            self._packed += more
            case.packed = packed

    def _note_process(self, event: Event) -> None:
        process = self._processes.get(event.pid)
        if process is None:
            if len(self._processes) >= MOST_PROCESSES:
                return
            process = self._processes[event.pid] = _Process(event.time, event.time)
        process.last = max(process.last, event.time)
        process.records += 1
        process.findings += event.event == "opened"


def _few(texts: Iterable[str | None]) -> tuple[str, ...]:
    """The first few different ones of those that say something."""
    few: dict[str, None] = {}
    for text in texts:
        if text and len(few) < _MOST_NAMES:
            few[text[:_LONGEST_NAME]] = None
    return tuple(few)
