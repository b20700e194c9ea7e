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
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .candidates import Candidates, Joined, flat, whom
from .hooks.tasks import adopt
from .resources import holder_ids
from .state import OwnReference, Queued, State, TaskRecord
from .waits.glance import Glance, glance
from .waits.reading import JOINABLE, Gathering

CHUNK = 2_000
_CLOSER_LOOKS = 2_000
_FEW = 1_000
HAND_BACK = 50e-6
"""Seconds of sleep between chunks: a sleep of 0 would take the interpreter again before anybody else wakes."""
UNSEEN, FREE, LOOSE, OWNED, JOIN, QUEUED = range(6)
"""Verdicts. OWNED: a hook told what is waited for; QUEUED: no hook did, it was read."""
_VERDICTS = {Glance.OUTSIDE: FREE, Glance.FREE: LOOSE, Glance.HELD: QUEUED, Glance.JOIN: JOIN}


class Queue(NamedTuple):
    """A lock or semaphore that somebody is blocked on. ``waiter`` is the longest waiter's id, ``since`` monotonic."""

    resource: Any
    waiter: int
    since: float
    holders: tuple[int, ...]


@dataclass(slots=True)
class Census:
    """What one pass saw. Refers to live tasks; it never leaves the tick."""

    tasks: int = 0
    joins: dict[int, Any] = field(default_factory=dict)
    """Parked tasks that wait for other tasks, by id."""
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
        self._looks = self._ticks = 0
        self._joined: dict[int, Joined] = {}
        """Task id to whom it joins, where the future that it awaits does not tell."""

    def take(self, now: float) -> Census:
        """One pass. ``now`` is monotonic seconds."""
        self._adopt_strangers()
        records = list(self.state.records)
        census, self._looks = Census(len(records)), _CLOSER_LOOKS
        queued: set[int] = set()
        for chunk in _chunks(records):
            self._pass(chunk, now, census, queued)
        _keep_only(queued, self.state.queued)
        _keep_only(census.joins, self._joined)
        self._find_roots(census)
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
        joins = census.joins
        for record in records:
            task = record()
            if task is None:
                continue
            try:
                future = task._fut_waiter
                if record.witness == id(future):
                    verdict = record.verdict
                    if verdict == UNSEEN:
                        verdict = self._look_at(task, future, record, census)
                    if verdict < JOIN:
                        continue
                    if verdict == JOIN:
                        joins[id(task)] = task
                        continue
                    if self._is_queued(task, future):
                        queued.add(id(task))
                        continue
            except AttributeError:
                if not self._is_new(record, task):
                    continue
                record.born = now
            record.witness, record.moved, record.verdict = id(future), now, UNSEEN

    def _look_at(self, task: Any, future: Any, record: Any, census: Census) -> int:
        verdict: int = self._classify(task, future, record.moved)
        record.verdict = verdict
        if verdict > FREE:
            census.parked.append(record)
        return verdict

    def _is_new(self, record: Any, task: Any) -> bool:
        """Whether this is the first look at a task whose creation was noted."""
        if not hasattr(task, "_fut_waiter"):
            return False  # some object that the program registered as a task
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

    def _classify(self, task: Any, future: Any, since: float) -> int:
        if future is None:
            return UNSEEN  # running, about to run, or done
        if isinstance(future, JOINABLE):
            return JOIN
        if id(task) in self.state.blocked:
            return OWNED
        if not self._looks:
            return UNSEEN
        self._looks -= 1
        kind, wait = glance(task, future)
        if wait is not None and kind is Glance.HELD:
            self.state.queued[id(task)] = Queued(OwnReference(wait.resource), since, OwnReference(future))
        elif wait is not None and (joined := whom(wait, future)) is not None:
            self._joined[id(task)] = joined
        return _VERDICTS[kind]

    def _find_roots(self, census: Census) -> None:
        self._find_queues(census.queues)
        candidates = Candidates(census.joins, self.state)
        for key, queue in census.queues.items():
            if any(map(candidates.waits, queue.holders)):
                candidates.add(key, queue.resource, queue.holders)
        for chunk in _chunks(list(census.joins.items())):
            for key, task in chunk:
                future = task._fut_waiter
                if not isinstance(future, asyncio.Task):
                    self._add_join(candidates, key, task, future)
                elif candidates.waits(id(future)):
                    candidates.add(key, task, (id(future),))
        census.roots = candidates.left()

    def _add_join(self, candidates: Candidates, key: int, task: Any, future: Any) -> None:
        joined = self._joined.get(key)
        needs = flat(future) if isinstance(future, Gathering) else []
        if needs and all(isinstance(need, asyncio.Task) for need in needs):
            candidates.add(key, task, map(id, needs))
        elif joined is not None and joined.future() is future:
            candidates.add(key, task, joined.tasks())
        else:
            candidates.add_unknown(key, task)

    def _find_queues(self, queues: dict[int, Queue]) -> None:
        for chunk in _chunks(list(self.state.blocked.items())):
            for key, (known, since) in chunk:
                resource = known()
                # entered in the order of time: the first is the longest waiter
                if resource is not None and id(resource) not in queues:
                    queues[id(resource)] = Queue(resource, key, since, holder_ids(resource))
        for chunk in _chunks(list(self.state.queued.items())):
            for key, wait in chunk:
                resource = wait.resource()
                if resource is not None and id(resource) not in queues:
                    queues[id(resource)] = Queue(resource, key, wait.since, holder_ids(resource))


def _chunks(things: list[Any]) -> Iterator[list[Any]]:
    """The things, chunk by chunk, with the interpreter handed back after each."""
    for start in range(0, len(things), CHUNK):
        yield things[start : start + CHUNK]
        time.sleep(HAND_BACK)


def _keep_only(living: Container[int], notes: dict[int, Any]) -> None:
    for key in [key for key in notes if key not in living]:
        del notes[key]
