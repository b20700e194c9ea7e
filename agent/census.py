"""The cheap pass over all tasks: who has not moved since the last look?

Laws:
- One attribute read and one comparison a task; a closer look (its await chain) once per wait, a bounded
  number a tick.
- Runs in the watcher's thread and hands the interpreter back every few hundred microseconds.
- The witness of progress is the identity of the future a task waits on. A reused address can make a task
  look parked that is not; that costs a closer look and nothing else, for every conclusion is confirmed.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .candidates import Candidates, whom
from .hooks.tasks import adopt
from .joins import Joins
from .lines import Lines, Queue
from .pace import HAND_BACK as HAND_BACK
from .state import OwnReference, Queued, State, TaskRecord
from .waits.glance import Glance, glance
from .waits.reading import JOINABLE

CHUNK = 4_000
_CLOSER_LOOKS = 2_000
_FEW = 1_000
UNSEEN, FREE, LOOSE, OWNED, JOIN, QUEUED = range(6)
"""Verdicts. OWNED: a hook told what is waited for; QUEUED: no hook did, it was read."""
_VERDICTS = {Glance.OUTSIDE: FREE, Glance.FREE: LOOSE, Glance.HELD: QUEUED, Glance.JOIN: JOIN}


@dataclass(slots=True)
class Census:
    """What one pass saw. Refers to live tasks; it never leaves the tick."""

    tasks: int = 0
    joins: Mapping[int, TaskRecord] = field(default_factory=dict)
    """The records of parked tasks that wait for other tasks, by the task's id."""
    queues: dict[int, Queue] = field(default_factory=dict)
    """What tasks are blocked on, by id."""
    parked: list[TaskRecord] = field(default_factory=list)
    """Tasks found parked just now on something that the loop itself does not end."""
    roots: dict[int, Any] = field(default_factory=dict)
    """Where a deadlock may be: joining tasks whose target is parked too, resources whose holder is."""


class Taker:
    """Takes the census, tick by tick; its memory is in the records."""

    def __init__(self, state: State) -> None:
        self.state = state
        self._lines, self._joins = Lines(state), Joins(state)
        self._looks = self._ticks = 0

    def take(self, now: float) -> Census:
        """One pass. ``now`` is monotonic seconds."""
        self._adopt_strangers()
        records, queued = list(self.state.records), set[int]()
        census, self._looks = Census(len(records), self._joins.records), _CLOSER_LOOKS
        for chunk in _chunks(records):
            self._pass(chunk, now, census, queued)
        del records  # what is long and young makes the collector slow
        _keep_only(queued, self.state.queued)
        census.queues = self._lines.look(now, _breathe)
        census.roots = self._roots(census.queues)
        return census

    def _adopt_strangers(self) -> None:
        """Since 3.14 a task made by ``asyncio.Task(...)`` itself passes no hook: look for such, now and then."""
        self._ticks += 1
        if sys.version_info < (3, 14) or (len(self.state.records) > _FEW and self._ticks % 30):
            return
        known = {id(task) for task in self.state.tasks()}
        for loop in list(self.state.loops):
            for task in asyncio.all_tasks(loop):
                if id(task) not in known:
                    adopt(self.state, task)

    def _pass(self, records: list[Any], now: float, census: Census, queued: set[int]) -> None:
        for record in records:
            task = record()
            try:
                future = task._fut_waiter
                if record.witness == id(future):
                    verdict = record.verdict
                    if not verdict:  # UNSEEN
                        verdict = self._look_at(task, future, record, census)
                    if verdict < QUEUED:
                        continue
                    if self._is_queued(task, future):
                        queued.add(id(task))
                        continue
                elif record.verdict == JOIN:
                    self._joins.leave(id(task))
            except AttributeError:
                if not self._is_new(record, task):
                    continue
                record.born = now
            record.witness, record.moved, record.verdict = id(future), now, UNSEEN

    def _look_at(self, task: Any, future: Any, record: Any, census: Census) -> int:
        verdict: int = self._classify(task, future, record)
        record.verdict = verdict
        if verdict > FREE:
            census.parked.append(record)
        return verdict

    def _is_new(self, record: Any, task: Any) -> bool:
        """Whether this is the first look at a task whose creation was noted."""
        if not hasattr(task, "_fut_waiter"):
            return False  # it has died, or is some object that the program registered as a task
        if not isinstance(record, TaskRecord):
            self._adopt(record, task)
            return False
        self.state.note_loop(task.get_loop())
        return True

    def _is_queued(self, task: Any, future: Any) -> bool:
        """Whether the note is of this very wait, not of another one on a future that had this address before."""
        note = self.state.queued.get(id(task))
        return note is not None and note.future() is future

    def _adopt(self, plain: Any, task: Any) -> None:
        self.state.records.discard(plain)
        adopt(self.state, task)

    def _classify(self, task: Any, future: Any, record: Any) -> int:
        if future is None:
            return UNSEEN  # running, about to run, or done
        if isinstance(future, JOINABLE):
            self._joins.enter(record, task, future, None)
            return JOIN
        if id(task) in self.state.blocked:
            return OWNED
        if not self._looks:
            return UNSEEN
        self._looks -= 1
        kind, wait = glance(task, future)
        if kind is Glance.HELD and wait is not None:
            self.state.queued[id(task)] = Queued(OwnReference(wait.resource), record.moved, OwnReference(future))
        elif kind is Glance.JOIN:
            self._joins.enter(record, task, future, whom(wait, future) if wait is not None else None)
        return _VERDICTS[kind]

    def _roots(self, queues: dict[int, Queue]) -> dict[int, Any]:
        candidates = Candidates(self._joins.records, self.state)
        for key, queue in queues.items():
            if any(map(candidates.waits, queue.holders)):
                candidates.add(key, queue.resource, queue.holders)
        self._joins.nominate(candidates)
        return candidates.left()


def _chunks(things: list[Any]) -> Iterator[list[Any]]:
    """The things, chunk by chunk, with the interpreter handed back after each."""
    for start in range(0, len(things), CHUNK):
        yield things[start : start + CHUNK]
        _breathe()


def _breathe() -> None:
    time.sleep(HAND_BACK)


def _keep_only(living: Container[int], notes: dict[int, Any]) -> None:
    for key in [key for key in notes if key not in living]:
        del notes[key]
