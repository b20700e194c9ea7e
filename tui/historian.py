"""Puts a history together from the events of a recording, in the order of time, in bounded memory."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass

from ..agent.findings import Event
from .growing import GrowingCase, GrowingLife
from .history import GONE, OPEN, History, Process, rank

MOST_CASES, MOST_OPEN, MOST_PROCESSES = 5000, 10_000, 10_000
MOST_PACKED = 1 << 28
"""Bytes of all packed pictures together."""
_FINGERPRINT = re.compile(r"([0-9a-f]{12})-\d+")


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
        self._cases: dict[tuple[str, str], GrowingCase] = {}
        self._ranks: dict[int, dict[tuple[str, str], None]] = {}
        self._open: dict[tuple[int, str], tuple[GrowingCase, GrowingLife]] = {}
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

    def _entry(self, event: Event) -> tuple[GrowingCase, GrowingLife] | None:
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

    def _begin(self, event: Event) -> tuple[GrowingCase, GrowingLife] | None:
        case = self._case(event)
        if case is None:
            return None
        life = GrowingLife.begun(event)
        case.begin(life)
        self._open[event.pid, life.id] = case, life
        if len(self._open) > MOST_OPEN:
            del self._open[next(iter(self._open))]
        return case, life

    def _leave(self, case: GrowingCase, life: GrowingLife) -> None:
        self._open.pop((life.pid, life.id), None)
        case.end(life)

    def _case(self, event: Event) -> GrowingCase | None:
        finding = event.finding
        match = _FINGERPRINT.fullmatch(finding.id)
        key = finding.kind, match[1] if match else finding.id
        case = self._cases.get(key)
        if case is None and self._make_room(rank(finding.verdict)):
            case = self._cases[key] = GrowingCase(key, event.time, finding.happened, rank=rank(finding.verdict))
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

    def _rank(self, case: GrowingCase) -> None:
        """Keep the case under the strongest verdict that it ever had."""
        strongest = min(case.rank, rank(case.verdict))
        if strongest != case.rank and case.key in self._ranks[case.rank]:
            del self._ranks[case.rank][case.key]
            self._ranks.setdefault(strongest, {})[case.key] = None
            case.rank = strongest

    def _pack(self, case: GrowingCase, line: bytes) -> None:
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
