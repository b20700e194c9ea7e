"""The cheap pass over all tasks: who has not moved since the last look?

Laws:
- One attribute read and one comparison a task; a closer look (its await chain) once per wait, a bounded
  number a tick.
- Runs in the watcher's thread and hands the interpreter back every few hundred microseconds.
- The witness of progress is the identity of the future a task waits on. A reused address can make a task
  look parked that is not; that costs a closer look and nothing else, for every conclusion is confirmed.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from .hooks.knot import holder_ids
from .hooks.tasks import adopt
from .state import State, TaskRecord
from .waits import Mode, wait_of
from .waits.reading import JOINABLE, Gathering

UNSEEN, FREE, OWNED, JOIN, DEEP_JOIN = range(5)
_CHUNK = 2_000
_CLOSER_LOOKS = 1_000


@dataclass(slots=True)
class Census:
    """What one pass saw. Refers to live tasks; it never leaves the tick."""

    tasks: int = 0
    parked: dict[int, int] = field(default_factory=dict)
    """Verdict by task id, for parked tasks that wait for other tasks."""
    roots: dict[int, Any] = field(default_factory=dict)
    """Where a deadlock may be: joining tasks whose target is parked too, resources whose holder is."""
    loops: dict[int, Any] = field(default_factory=dict)


class Taker:
    """Takes the census, tick by tick; its memory is in the records."""

    def __init__(self, state: State) -> None:
        self.state = state

    def take(self, now: float) -> Census:
        """One pass. ``now`` is monotonic seconds."""
        census, joins = Census(), list[tuple[Any, Any]]()
        records, self._looks = list(self.state.records), _CLOSER_LOOKS
        for start in range(0, len(records), _CHUNK):
            self._pass(records[start : start + _CHUNK], now, census, joins)
            time.sleep(0)  # hand the interpreter back
        self._find_roots(census, joins)
        return census

    def _pass(self, records: list[Any], now: float, census: Census, joins: list[tuple[Any, Any]]) -> None:
        blocked = self.state.blocked
        for record in records:
            task = record()
            if task is None:
                continue
            census.tasks += 1
            future = task._fut_waiter
            witness = id(future) if future is not None else 0
            try:
                if record.witness != witness:
                    record.witness, record.moved, record.verdict = witness, now, UNSEEN
                    continue
            except AttributeError:
                self._first_sight(record, task, witness, now)
                continue
            verdict = record.verdict
            if verdict == FREE or not witness:
                continue
            if verdict == UNSEEN:
                verdict = record.verdict = OWNED if id(task) in blocked else self._classify(task, future)
            if verdict in (OWNED, JOIN, DEEP_JOIN):
                census.parked[id(task)] = verdict
                if verdict != OWNED:
                    joins.append((task, future))

    def _first_sight(self, record: Any, task: Any, witness: int, now: float) -> None:
        if not isinstance(record, TaskRecord):
            self.state.records.discard(record)
            adopt(self.state, task)
            return
        record.witness, record.moved, record.verdict = witness, now, UNSEEN
        loop = task.get_loop()
        if self.state.owns(loop):
            self.state.loops.add(loop)

    def _classify(self, task: Any, future: Any) -> int:
        if isinstance(future, JOINABLE):
            return JOIN
        if not self._looks:
            return UNSEEN
        self._looks -= 1
        wait = wait_of(task)
        if wait.mode is Mode.HELD:
            return OWNED
        return FREE if wait.mode in (Mode.FREE, Mode.READY) else DEEP_JOIN

    def _find_roots(self, census: Census, joins: list[tuple[Any, Any]]) -> None:
        parked, roots = census.parked, census.roots
        seen: set[int] = set()
        for key, (resource, _since) in list(self.state.blocked.items()):
            if id(resource) not in seen and key in parked:
                seen.add(id(resource))
                if any(holder in parked for holder in holder_ids(resource)):
                    roots[id(resource)] = resource
        for task, future in joins:
            if parked.get(id(task)) == DEEP_JOIN or _may_be_stuck(future, parked):
                roots[id(task)] = task


def _may_be_stuck(future: Any, parked: dict[int, int]) -> bool:
    if isinstance(future, Gathering):
        return any(id(child) in parked or isinstance(child, Gathering) for child in future._children)
    return id(future) in parked
