"""Putting parked tasks to the proof, and what follows from it: stuck waits, holds of tasks that have ended.

Laws:
- The proof is made in the watcher's thread, which hands the interpreter back all the time; the instant that
  counts is atomic. A finding is begun in the loop's own thread, where its tasks are seen to stand where the
  proof left them.
- No reference to the program's objects outlives a step; those held meanwhile are told to the proof.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from .census import FREE, HAND_BACK, Census
from .confirm import in_loop
from .deadlines import ending
from .detectors import stuck
from .findings import PROVEN, Finding
from .parking import is_parked_on_purpose
from .proof import Proof, prove
from .prospects import Prospects
from .state import State, TaskRecord
from .vigil import Vigil

_ALL_TOGETHER = 2_000
"""Up to that many parked tasks are judged in one island; beyond, those due and whoever waits for tasks or locks."""


class Proving:
    """The judgement of waits that nobody owns. All methods run in the watcher's thread."""

    def __init__(self, state: State, interval: float, stuck_after: float) -> None:
        self.state, self.stuck_after = state, stuck_after
        self.prospects = Prospects(interval)

    def look(self, census: Census, known: set[int]) -> Iterator[tuple[Finding, Vigil]]:
        """New findings, each with a vigil over its core. Tasks whose ids are ``known`` have one already."""
        due = self.prospects.due(census.parked)
        census.parked = []

        if not due:
            return
        start = time.thread_time()
        tasks = self._together(due, census)
        own = [tasks, census.joins, census.roots, *census.queues.values(), *list(self.state.blocked.values())]
        proof = prove(tasks, ending, lambda: own, _breathe)
        yield from self._tell(proof, known)
        self.prospects.looked(time.thread_time() - start)

    def _together(self, due: list[TaskRecord], census: Census) -> list[Any]:
        records = list(self.state.records)
        if len(records) > _ALL_TOGETHER:
            parked = [each for each in due if _is_parked(each)]
        else:
            parked = [each for each in records if _is_parked(each)]
        tasks = {id(task): task for record in parked if (task := record()) is not None}
        if len(records) > _ALL_TOGETHER:
            tasks.update(dict(list(census.joins.items())[:_ALL_TOGETHER]))
        return list(tasks.values())

    def _tell(self, proof: Proof, known: set[int]) -> Iterator[tuple[Finding, Vigil]]:
        leaves = [leaf for leaf in stuck.leaves(proof.tasks) if id(leaf.task) not in known]
        meant = [leaf for leaf in leaves if not is_parked_on_purpose(leaf.task, leaf.resource)]
        for group in stuck.groups(meant):
            for part in stuck.by_loop(group):
                finding = stuck.describe(part, PROVEN, self.state, time.monotonic())
                vigil = _begin(part)
                if vigil is not None:
                    yield finding, vigil


def _begin(group: list[stuck.Leaf]) -> Vigil | None:
    core = group[: stuck.MOST_CORE]
    waits = [leaf.task._fut_waiter for leaf in core]

    def step() -> Vigil | None:
        for leaf, wait in zip(core, waits, strict=True):
            if wait is None or leaf.task._fut_waiter is not wait or wait.done():
                return None
        return Vigil([leaf.task for leaf in core])

    vigil: Vigil | None = in_loop(core[0].task.get_loop(), step)
    return vigil


def _is_parked(record: Any) -> bool:
    return getattr(record, "verdict", FREE) > FREE


def _breathe() -> None:
    time.sleep(HAND_BACK)
