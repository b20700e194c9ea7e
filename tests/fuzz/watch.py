"""The agent, driven by hand, and what it claims held against what happens.

Laws:
- The agent is the real one but for its thread: ``look`` does what the watcher does in one turn.
- Whatever the kind, a ``proven`` finding claims that each of its core tasks stays suspended on the very
  future it is suspended on now.
- A suspicion that nobody is left to end a wait may be wrong about what the adversary does, who reaches whatever can
  be reached. It must not be wrong about what the program itself comes to do, unless tasks were cancelled or collected.
- Claims refer to tasks and futures weakly; a task that is gone has not moved.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import gc
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

from unstuck.agent import api, census, prospects, watchdog
from unstuck.agent.config import KINDS, Settings
from unstuck.agent.findings import PROVEN, SUSPECTED, Event, Finding
from unstuck.agent.hooks import knot, noting
from unstuck.agent.state import OwnReference
from unstuck.agent.views import task_id

from .excuses import Log, watch_groups, watch_timeouts

_QUIET = {"blocked-loop"}
FACTS = {"never-awaited", "lost-error", "orphan-task", "task-leak"}
"""Kinds that tell what has happened, not that something never will."""


@dataclasses.dataclass(frozen=True)
class Member:
    """A task of a proven core, and where it was."""

    task: weakref.ref[Any]
    future: weakref.ref[Any] | None

    @classmethod
    def of(cls, task: Any) -> Member:
        future = task._fut_waiter
        return cls(weakref.ref(task), OwnReference(future) if isinstance(future, asyncio.Future) else None)

    def moved(self) -> bool:
        task = self.task()
        if task is None or self.future is None:
            return task is not None
        future = self.future()
        return future is None or future.done() or task._fut_waiter is not future


@dataclasses.dataclass
class Claim:
    """A proven finding."""

    finding: Any
    when: int
    core: tuple[Member, ...]

    def moved(self) -> bool:
        return any(member.moved() for member in self.core)

    def tells(self) -> str:
        """The claim in one line."""
        return f"{self.finding.kind} in round {self.when}: {told(self.finding)}"


def told(finding: Finding) -> str:
    """The core of a finding in one line, places by their lines in the program's source."""
    parts = []
    for task in finding.core:
        lines = [place.line for place in task.stack if place.file == FILE]
        parts.append(f"{task.coro} at lines {lines}, waits for {task.waits_for}")
    return "; ".join(parts)


FILE = "fuzzed_program.py"


STUCK_AFTER, EPOCH = 1.0, 1e6
LEFT = {"stuck", "held-by-finished"}
"""Kinds that are suspected where nobody seems to be left."""
HELD = {"deadlock"}
"""Kinds that trust whoever holds something to give it back, and nobody else to do so."""


class Watch:
    """Listens to the agent during one program."""

    name = "fuzz"
    turns, loop = 0, None
    undisturbed = True
    """Until the adversary comes."""

    def attach(self, agent: Any) -> None:
        """This is the agent to listen to."""
        self.agent = agent
        self.begin(lambda: 0, None)

    def begin(self, rounds: Callable[[], int], loop: Any) -> None:
        """Forget the last program."""
        self.agent.pipeline.forget()
        self.rounds, self.loop, self.log = rounds, loop, Log(rounds)
        self.undisturbed = True
        self.claims, self.failures, self.notes = list[Claim](), list[str](), Counter[str]()
        self.suspected: dict[Any, int] = {}
        self.said: dict[str, set[str]] = {PROVEN: set(), SUSPECTED: set()}

    def time(self) -> float:
        """The agent's clock: the loop's, but no two looks are at one time."""
        return EPOCH + self.turns * 1e-6 + (self.loop.now if self.loop is not None else 0.0)

    def look(self) -> None:
        """One turn of the watcher."""
        self.turns += 1
        pipeline, known = self.agent.pipeline, len(self.claims)
        self.agent.watchdog._serve_knots()
        pipeline.look_at_loops()
        pipeline.tick()
        for part, why in pipeline.failed.items():
            self.failures.append(f"broken: {part}: {why}")
        pipeline.failed.clear()
        if len(self.claims) > known:
            self.log.foreseen = True
            gc.collect()
            self.log.foreseen = False

    def collected(self, phase: str, info: dict[str, int]) -> None:
        """The collector has been at work."""
        self.log.collect(phase, info)

    # the sink

    def write(self, event: Event) -> None:
        finding = event.finding
        if finding.kind in FACTS:
            return
        self.said.setdefault(finding.verdict, set()).update(task.id for task in finding.tasks)
        if finding.verdict == SUSPECTED and event.event in ("opened", "retracted"):
            self.suspicion(event)
        if finding.verdict != PROVEN:
            return
        if event.event == "retracted":
            self.retracted(finding)
        elif event.event in ("opened", "updated") and self.claim_of(finding) is None:
            self.claim(finding)

    def close(self) -> None:
        pass

    def suspicion(self, event: Event) -> None:
        finding = event.finding
        self.notes[f"{finding.kind} suspected, {event.event}"] += 1
        if event.event == "opened":
            self.suspected[finding.subject] = self.rounds()
        elif finding.kind in LEFT and self.undisturbed and self.log.disturbed < self.suspected[finding.subject]:
            self.failures.append(f"suspected wrongly until round {self.rounds()}: {finding.kind}, {told(finding)}")

    def claim(self, finding: Any) -> None:
        tasks = {task_id(task): task for task in asyncio.all_tasks(self.loop)}
        core = [tasks.get(view.id) for view in finding.core]
        if None in core or not core:
            self.failures.append(f"unknown core: {finding.kind} {[view.id for view in finding.core]}")
            return
        members = tuple(Member.of(task) for task in core)
        self.claims.append(Claim(finding, self.rounds(), members))

    # the judgement

    def check(self) -> None:
        """Compare the claims with what has happened."""
        self.log.expire()
        self.log.follow()
        for claim in list(self.claims):
            if claim.moved():
                self.claims.remove(claim)
                if not self.excuse(claim):
                    self.failures.append(f"moved in round {self.rounds()}: {claim.tells()}")

    def claim_of(self, finding: Any) -> Claim | None:
        return next((claim for claim in self.claims if claim.finding.subject == finding.subject), None)

    def retracted(self, finding: Any) -> None:
        claim = self.claim_of(finding)
        if claim is not None and not self.excuse(claim):
            self.claims.remove(claim)
            self.failures.append(f"retracted in round {self.rounds()}: {claim.tells()}")

    def excuse(self, claim: Claim) -> bool:
        """Whether something was done from outside that explains why a claim no longer holds."""
        if self.log.gone & {task.id for task in claim.finding.core}:
            return True
        findings = [claim.finding, *(each.finding for each in self.claims)]
        parties = {task.id for finding in findings for task in finding.tasks}
        held = {each.id for finding in findings if finding.kind in HELD for each in finding.resources}
        return bool(parties & self.log.killed_since(claim.when) or held & self.log.given_since(claim.when))


@contextlib.contextmanager
def watching() -> Iterator[Watch]:
    """The agent switched on, without its thread."""
    settings = Settings(interval=1e-9, stuck_after=STUCK_AFTER, sinks=(), detect=frozenset(KINDS) - _QUIET)
    watch = Watch()
    with (
        mock.patch.multiple(watchdog.Watchdog, start=lambda *_: None, stop=lambda *_: None),
        mock.patch.object(census.time, "sleep", lambda _: None),
        mock.patch.object(census.time, "monotonic", watch.time),
        mock.patch.object(knot, "monotonic", watch.time),
        mock.patch.object(noting, "monotonic", watch.time),
        mock.patch.object(prospects, "ALLOWANCE", 1e12),
        mock.patch.object(prospects, "SAVED", 1e12),
    ):
        api.install(settings, sinks=[watch])
        watch.attach(api.current())
        gc.callbacks.append(watch.collected)
        try:
            with watch_groups(lambda: watch.log), watch_timeouts(lambda: watch.log):
                yield watch
        finally:
            gc.callbacks.remove(watch.collected)
            api.uninstall()
