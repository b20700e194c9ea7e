"""Putting parked tasks to the proof, and what follows from it: stuck waits, holds of tasks that have ended.

Laws:
- The proof is made in the watcher's thread, which hands the interpreter back all the time; the instant that
  counts is atomic. A finding is begun in the loop's own thread, where its tasks are seen to stand where the
  proof left them.
- No reference to the program's objects outlives a step; those held meanwhile are told to the proof.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from .begun import Begun, begin
from .census import FREE, Census
from .confirm import Judgement
from .deadlines import ending
from .detectors import deadlock, held_by_finished, stuck
from .findings import PROVEN, SUSPECTED, Finding
from .graph import build
from .groups import endangered
from .judge import irreducible
from .leaves import MOST_CORE, Leaf, groups, leaves
from .pace import breathe, every
from .parking import is_parked_on_purpose
from .proof import MOST_MEMBERS, prove
from .prospects import Prospects
from .state import State, TaskRecord
from .suspecting import suspected
from .waits import Mode

_FEW_OBJECTS = 2_000
"""How far an island may grow while the allowance is overdrawn: a few tasks can lead to thousands that wait alike."""
_NODES_AT_A_TIME = 50
_ALL_TOGETHER = 2_000
"""Up to that many parked tasks are judged in one island; beyond, those due and whoever waits for tasks or locks."""


@dataclass(slots=True)
class _Told:
    """What belongs to an open finding: ids of its tasks, and of the things and places they wait for and at."""

    tasks: set[int] = field(default_factory=set)
    core: list[int] = field(default_factory=list)
    said: int = 0
    """How many tasks were said to wait when it was told last."""
    marks: set[tuple[str, Any]] = field(default_factory=set)

    def add(self, group: list[Leaf]) -> None:
        """These belong to it too."""
        self.tasks.update(id(leaf.task) for leaf in group)
        self.core = [*self.core, *(id(leaf.task) for leaf in group)][:MOST_CORE]
        self.marks |= _marks(group)


class Proving:
    """The judgement of waits that nobody owns. All methods run in the watcher's thread."""

    def __init__(self, state: State, interval: float, stuck_after: float) -> None:
        self.state, self.stuck_after = state, stuck_after
        self.prospects = Prospects(interval, stuck_after)
        self._told: dict[Hashable, _Told] = {}
        self._waits: dict[int, Any] = {}
        """During a look: the future that each task, by its id, awaited when it was proven."""

    def look(self, census: Census, watched: list[Finding]) -> Iterator[Begun]:
        """New findings, and open ones that have grown, each with a vigil over its core. ``watched`` are open.

        The census is emptied: its references would be one more holder of what is judged.
        """
        due = self.prospects.due(census.parked)
        census.parked = []
        if not due:
            return
        start = time.thread_time()
        subjects = {finding.subject for finding in watched}
        self._told = {subject: told for subject, told in self._told.items() if subject in subjects}
        suspicions, proven = _parties(watched, SUSPECTED), _parties(watched, PROVEN)
        proven.update(key for told in self._told.values() for key in told.tasks)
        tasks = self._together(due, census)
        census.joins, census.roots, census.queues = {}, {}, {}
        most = _FEW_OBJECTS if self.prospects.is_overdrawn else MOST_MEMBERS
        proof = prove(tasks, _moving, lambda: [tasks], breathe, most=most)
        closed = [task for task in proof.tasks if id(task) not in proven]
        self._waits = {id(task): wait for task, wait in zip(proof.tasks, proof.waits, strict=True)}
        del proof
        breathe()
        found = leaves(closed, self.state, breathe)
        yield from self._leaves(found)
        yield from self._knots(closed, {id(leaf.task) for leaf in found if leaf.wait.mode is Mode.FREE})
        del found
        if not self.prospects.is_overdrawn:
            told = {key for each in self._told.values() for key in each.tasks}
            old = [task for task in self._old(due) if id(task) not in told | proven | suspicions]
            yield from suspected(old, set(self._waits), self.state, breathe)
        self._waits = {}
        self.prospects.looked(time.thread_time() - start)

    def _together(self, due: list[TaskRecord], census: Census) -> list[Any]:
        """The tasks to judge in one island: all that are parked, or where these are too many those due."""
        few = self.prospects.is_overdrawn
        everybody = not few and len(self.state.records) <= _ALL_TOGETHER
        parked = [each for each in (list(self.state.records) if everybody else due) if _is_parked(each)]
        if not everybody and not few:
            parked += islice(census.joins.values(), _ALL_TOGETHER)
        tasks = {id(task): task for record in parked if (task := record()) is not None}
        return list(tasks.values())

    def _old(self, due: list[TaskRecord]) -> list[Any]:
        """The tasks due that have waited for long."""
        since = time.monotonic() - self.stuck_after
        records = [record for record in due if record.moved <= since]
        return [task for record in records if (task := record()) is not None]

    def _leaves(self, found: list[Leaf]) -> Iterator[Begun]:
        """Waits at the bottom, group by group."""
        first = {leaf.place: leaf for leaf in reversed(found)}
        meant = {place for place, leaf in first.items() if is_parked_on_purpose(leaf.task, leaf.resource)}
        for group in groups([leaf for leaf in found if leaf.place not in meant], breathe):
            subject = self._subject_of(group)
            told = self._told.setdefault(subject, _Told())
            if len(told.core) < MOST_CORE or len(told.tasks) + len(group) >= 2 * told.said:
                yield from self._describe(told, group, subject)
            told.add(group)

    def _subject_of(self, group: list[Leaf]) -> Hashable:
        """That of the open finding which the group belongs to, or a new one."""
        marks, kind = _marks(group), _detector(group).KIND
        for subject, told in self._told.items():
            if subject[0] == kind and told.marks & marks:  # type: ignore[index]
                return subject
        return kind, frozenset(id(leaf.task) for leaf in group[:MOST_CORE])

    def _describe(self, told: _Told, group: list[Leaf], subject: Hashable) -> Iterator[Begun]:
        before = [task for key in told.core if (task := self.state.task_by_id(key)) is not None]
        together = [*leaves(before, self.state, breathe), *group]
        told.said = len(told.tasks) + len(group)
        finding = _detector(group).describe(together, told.said, PROVEN, self.state, time.monotonic())
        breathe()
        yield from begin(replace(finding, subject=subject), [leaf.task for leaf in together[:MOST_CORE]], self._waits)

    def _knots(self, closed: list[Any], free: set[int]) -> Iterator[Begun]:
        """Circles that only the proof closes, such as of locks that were taken by hand; ``free`` need nobody."""
        roots = [task for task in closed if id(task) not in free]
        if not roots:
            return
        graph = build(roots, self.state, among=closed, pause=every(_NODES_AT_A_TIME))
        judgement = Judgement(graph, set(), irreducible(graph, likely=True))
        for finding in deadlock.closed(judgement, set(map(id, closed)), self.state, time.monotonic()):
            core = [graph.nodes[key].thing for key in finding.subject[1]]  # type: ignore[index]
            yield from begin(finding, core, self._waits)


def _parties(findings: list[Finding], verdict: str) -> set[int]:
    return {key for each in findings if each.verdict == verdict for key in each.subject[1]}  # type: ignore[index]


def _detector(group: list[Leaf]) -> Any:
    return held_by_finished if group[0].finished else stuck


def _marks(group: list[Leaf]) -> set[tuple[str, Any]]:
    loop = id(group[0].task.get_loop())
    places: set[tuple[str, Any]] = {(f"place {loop}", place) for place in {leaf.place for leaf in group}}
    return places | {("thing", thing) for thing in {id(leaf.resource) for leaf in group}}


def _moving(tasks: list[Any], pause: Callable[[], None]) -> list[Any]:
    """Those of the closed tasks that a timer may cancel, or the failure of a task that is not closed."""
    return [*ending(tasks, pause), *endangered(tasks, pause)]


def _is_parked(record: Any) -> bool:
    return getattr(record, "verdict", FREE) > FREE
