"""Who joins whom: tasks that wait for other tasks, noted when the wait is first seen and kept while it lasts.

Laws:
- A wait that goes on costs nothing here: the census enters it once, and takes it out when its task has moved.
- The notes are ids and weak references. A note of a task that has died is no more than a closer look in vain, and is
  swept out now and then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import chain, islice
from typing import Any

from .candidates import Candidates, Joined, flat
from .state import State, TaskRecord
from .waits.reading import Gathering

_SWEPT = 1_000


class Joins:
    """All joining tasks of the process. Called in the watcher's thread."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.records: dict[int, TaskRecord] = {}
        """By the task's id."""
        self._awaited: dict[int, set[int]] = {}
        """Id of a task to the ids of those who plainly await it."""
        self._awaits: dict[int, int] = {}
        """The same the other way round."""
        self._others: dict[int, Joined | None] = {}
        """The rest: whom each joins, where the future that it awaits does not tell."""
        self._share: Iterator[tuple[int, TaskRecord]] = iter(())

    def enter(self, record: TaskRecord, task: Any, future: Any, joined: Joined | None) -> None:
        """The task has begun to wait for others."""
        key = id(task)
        self.leave(key)
        self.records[key] = record
        if isinstance(future, asyncio.Task):
            self._awaits[key] = id(future)
            self._awaited.setdefault(id(future), set()).add(key)
        else:
            self._others[key] = joined

    def leave(self, key: int) -> None:
        """The task of that id has moved."""
        self.records.pop(key, None)
        self._others.pop(key, None)
        target = self._awaits.pop(key, None)
        if target is not None:
            self._awaited[target].discard(key)
            if not self._awaited[target]:
                del self._awaited[target]

    def nominate(self, candidates: Candidates) -> None:
        """Enter those of whom it cannot be said that whom they need can move."""
        self._sweep()
        for key in self._of_those_who_wait():
            task = self._task(key)
            if task is not None and isinstance(task._fut_waiter, asyncio.Task):
                candidates.add(key, task, (id(task._fut_waiter),))
        for key, joined in self._others.items():
            task = self._task(key)
            if task is not None:
                _nominate(candidates, key, task, joined)

    def _sweep(self) -> None:
        """Take out the dead among this turn's share."""
        share = list(islice(self._share, _SWEPT))
        if len(share) < _SWEPT:
            self._share = iter(list(self.records.items()))
        for key, record in share:
            if record() is None and self.records.get(key) is record:
                self.leave(key)

    def _of_those_who_wait(self) -> Iterator[int]:
        """Who plainly awaits a task that waits for others itself."""
        waiting = [self._awaited.keys() & each.keys() for each in (self.records, self.state.blocked, self.state.queued)]
        return chain.from_iterable(map(self._awaited.__getitem__, set[int]().union(*waiting)))

    def _task(self, key: int) -> Any:
        return self.records[key]()


def _nominate(candidates: Candidates, key: int, task: Any, joined: Joined | None) -> None:
    future = task._fut_waiter
    needs = flat(future) if isinstance(future, Gathering) else []
    if needs and all(isinstance(need, asyncio.Task) for need in needs):
        candidates.add(key, task, map(id, needs))
    elif joined is not None and joined.future() is future:
        candidates.add(key, task, joined.tasks())
    else:
        candidates.add_unknown(key, task)
