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
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .hooks.knot import holder_ids
from .hooks.tasks import adopt
from .state import State, TaskRecord
from .waits.glance import Glance, glance
from .waits.reading import JOINABLE, Gathering

CHUNK = 2_000
_CLOSER_LOOKS = 2_000
_FEW = 1_000
HAND_BACK = 50e-6
"""Seconds of sleep between chunks: a sleep of 0 would take the interpreter again before anybody else wakes."""
UNSEEN, FREE, LOOSE, OWNED, JOIN = range(5)
_VERDICTS = {Glance.OUTSIDE: FREE, Glance.FREE: LOOSE, Glance.HELD: OWNED, Glance.JOIN: JOIN}


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

    def take(self, now: float) -> Census:
        """One pass. ``now`` is monotonic seconds."""
        self._adopt_strangers()
        records = list(self.state.records)
        census, self._looks = Census(len(records)), _CLOSER_LOOKS
        for chunk in _chunks(records):
            self._pass(chunk, now, census)
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

    def _pass(self, records: list[Any], now: float, census: Census) -> None:
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
                        verdict = record.verdict = self._classify(task, future)
                        if verdict > FREE:
                            census.parked.append(record)
                    if verdict == JOIN:
                        joins[id(task)] = task
                    continue
            except AttributeError:
                if not hasattr(task, "_fut_waiter"):
                    continue  # some object that the program registered as a task
                if not isinstance(record, TaskRecord):
                    self._adopt(record, task)
                    continue
                self.state.note_loop(task.get_loop())
            record.witness, record.moved, record.verdict = id(future), now, UNSEEN

    def _adopt(self, plain: Any, task: Any) -> None:
        self.state.records.discard(plain)
        adopt(self.state, task)

    def _classify(self, task: Any, future: Any) -> int:
        if future is None:
            return UNSEEN  # running, about to run, or done
        if isinstance(future, JOINABLE):
            return JOIN
        if id(task) in self.state.blocked:
            return OWNED
        if not self._looks:
            return UNSEEN
        self._looks -= 1
        return _VERDICTS[glance(task, future)]

    def _find_roots(self, census: Census) -> None:
        joins, roots, blocked = census.joins, census.roots, self.state.blocked
        self._find_queues(census.queues)
        for key, queue in census.queues.items():
            if any(holder in blocked or holder in joins for holder in queue.holders):
                roots[key] = queue.resource
        for chunk in _chunks(list(joins.items())):
            for key, task in chunk:
                future = task._fut_waiter
                if not isinstance(future, asyncio.Task):
                    if _may_be_stuck(future, joins, blocked):
                        roots[key] = task
                elif id(future) in joins or id(future) in blocked:
                    roots[key] = task

    def _find_queues(self, queues: dict[int, Queue]) -> None:
        for chunk in _chunks(list(self.state.blocked.items())):
            for key, (known, since) in chunk:
                resource = known()
                # entered in the order of time: the first is the longest waiter
                if resource is not None and id(resource) not in queues:
                    queues[id(resource)] = Queue(resource, key, since, holder_ids(resource))


def _chunks(things: list[Any]) -> Iterator[list[Any]]:
    """The things, chunk by chunk, with the interpreter handed back after each."""
    for start in range(0, len(things), CHUNK):
        yield things[start : start + CHUNK]
        time.sleep(HAND_BACK)


def _may_be_stuck(future: Any, joins: dict[int, Any], blocked: dict[int, Any]) -> bool:
    """Whether somebody this future, which is no task, stands for is parked too; yes if it does not tell."""
    if not isinstance(future, Gathering):
        return True
    return any(id(child) in joins or id(child) in blocked or isinstance(child, Gathering) for child in future._children)
