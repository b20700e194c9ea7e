"""One tick, start to end: look, judge, confirm, find, tell.

Laws:
- A glimpse from the watcher's thread only nominates; a deadlock is told after its loop has confirmed it.
- A loop is asked about a knot when that may be news (``nominations``), not again while the finding is open.
- A detector that fails is switched off and said so once; the others go on, the program never notices.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Collection, Hashable, Iterable
from typing import Any

from . import actions, pace
from .census import CHUNK, Census, Taker
from .config import Settings
from .confirm import Judgement, confirm, in_loop, judge
from .crowd import behind
from .detectors import blocked_loop, deadlock, held_by_finished, looking, pool_exhausted, slow_wait, stuck
from .detectors.model import Detector, Over, Sight, is_frequent
from .exports import Exports
from .findings import PROVEN, Event, Finding, Ledger
from .lines import Queue
from .nominations import Nominations
from .pace import HAND_BACK
from .proving import Proving
from .serving import Server, Subject
from .sinks import Sink
from .sinks.stderr import render
from .state import State
from .vigil import Outcome, Vigil

_DEADLOCKS = deadlock.KIND
_PROMPT = 0.1
"""Seconds for which who looks at us may be kept waiting, as far as it is in our hands."""


class Pipeline:
    """From the state to the sinks. All methods run in the watcher's thread."""

    def __init__(self, state: State, settings: Settings, sinks: list[Sink], complain: Callable[[str], None]) -> None:
        self.state, self.settings, self.sinks, self.complain = state, settings, sinks, complain
        self.ledger = Ledger()
        self.taker = Taker(state)
        self.loop_watch = blocked_loop.LoopWatch(state, settings.blocked_loop_after)
        self.period = min(
            settings.interval, self.loop_watch.period if self._wants(blocked_loop.KIND) else settings.interval
        )
        """Seconds between two looks of the watcher while there is a loop."""
        self.nominations = Nominations(settings.interval, settings.stuck_after)
        self.proving = Proving(state, settings.interval, settings.stuck_after)
        self.slow_waits = slow_wait.SlowWaits(state)
        self.detectors = looking(settings.detect, state)
        self.failed: dict[str, str] = {}
        self.server = next((sink for sink in sinks if isinstance(sink, Server)), None)
        """Who answers dashboards; None without a socket."""
        if self.server is not None:
            self.server.watch(self._subject())
        self.exports = Exports(sinks, self._subject)
        self.census = Census()
        self._vigils: dict[Hashable, Vigil] = {}
        self._is_answering, self._answered = False, 0.0

    def tick(self) -> None:
        """The regular look at everything."""
        with pace.meanwhile(self._answer):
            self._tick()

    def _tick(self) -> None:
        self._guard("census", self._take_census)
        self._breathe()
        self._guard("findings", self.reconcile)
        self._guard(_DEADLOCKS, self._judge_all)
        self._breathe()
        self._look([each for each in self.detectors if not each.often])
        self._breathe()
        if self._wants(stuck.KIND) or self._wants(held_by_finished.KIND):
            self._guard(stuck.KIND, self._prove)
        self.census = Census(self.census.tasks)  # refers to tasks no longer: somebody may be counting references

    def look_at_loops(self) -> None:
        """The frequent look at what the loops' threads are doing."""
        if self._rest():
            return
        if self._wants(blocked_loop.KIND):
            self._guard(blocked_loop.KIND, self._look_at_loops)
        self._look([each for each in self.detectors if each.often])

    def _rest(self) -> bool:
        """Whether all loops rest, so that there is nothing to see."""
        try:
            watched = self._wants(blocked_loop.KIND) and self.loop_watch.rests()
            return watched and all(each.rests() for each in self.detectors if is_frequent(each))
        except Exception:  # noqa: BLE001 - whatever it is, the looks will meet it again, and tell
            return False

    def serve(self) -> None:
        """Answer whoever looks at this process through its socket."""
        server = self.server
        if server is not None:
            self._guard("sink socket", server.serve)
            if "sink socket" in self.failed:
                self.server = None
                self._guard("closing the socket", server.disown)

    def _breathe(self) -> None:
        """In the middle of a tick, which of many tasks may take long: let the loop go on, and whoever looks at us."""
        if self.census.tasks > CHUNK:
            time.sleep(HAND_BACK)
        if self.server is not None and self.server.is_watched:
            self.serve()

    def _answer(self) -> None:
        """The same within a step that takes long. Who has just connected does not wait for its end either."""
        if self.server is not None and not self._is_answering and time.monotonic() - self._answered > _PROMPT:
            self._is_answering = True
            self.serve()
            self._is_answering, self._answered = False, time.monotonic()

    def measure(self) -> None:
        """Look at what is exported as numbers, where somebody exports."""
        self._guard("metrics", self.exports.measure)

    def pause(self) -> None:
        """The process is about to fork."""
        self._guard("exports", self.exports.pause)

    def rest(self) -> None:
        """Nothing is looked at for a while: nobody shall wait at the socket."""
        if self.server is not None:
            self._guard("sink socket", self.server.disown)

    def knots(self, keys: Iterable[int]) -> None:
        """Some task's wait may just have closed a knot: ask its loop at once."""
        self._guard(_DEADLOCKS, lambda: self._ask_about(keys))

    def reconcile(self) -> None:
        """Close or retract the deadlocks whose tasks are no longer where they were found; update the others."""
        now = time.monotonic()
        for subject, vigil in list(self._vigils.items()):
            outcome = vigil.look()
            if outcome is not Outcome.STILL:
                self._dismiss(subject)
                self._tell(self.ledger.end(subject, now, retracted=outcome is Outcome.MOVED))
            else:
                self._tell(self.ledger.refresh(subject, now, functools.partial(self._victims, vigil)))

    def _victims(self, vigil: Vigil) -> int:
        return len(behind(vigil.tasks(), self.state))

    def finish(self) -> None:
        """The agent leaves, or the process ends: end what is open."""
        self._guard("findings", self.reconcile)
        self._look(self.detectors, final=True)
        now = time.monotonic()
        for subject in self.loop_watch.forget():
            self._tell(self.ledger.end(subject, now))
        for finding in self.ledger.open_findings():
            self._tell(self.ledger.end(finding.subject, now, note="still so when the agent was switched off"))
            self._dismiss(finding.subject)
        self._guard("metrics", functools.partial(self.exports.measure, is_last=True))
        for sink in self.sinks:
            self._guard(f"sink {sink.name}", sink.close)

    def forget(self) -> None:
        """Drop everything that was the parent's, in a forked child."""
        self.ledger, self._vigils = Ledger(), {}
        self.detectors = looking(self.settings.detect, self.state)
        self.loop_watch.forget()
        self._guard("exports", self.exports.disown)
        if self.server is not None:
            self._guard("sink socket", self.server.disown)

    def _subject(self) -> Subject:
        return Subject(
            self.state,
            self.settings,
            self.complain,
            lambda: self.ledger.open_events(time.monotonic()),
            lambda: self.ledger.retracted,
            lambda: self.failed,
            self.loop_watch.stalled,
            actions.cancel,
        )

    def _wants(self, kind: str) -> bool:
        return kind in self.settings.detect

    # -- the steps ---------------------------------------------------------------------------------

    def _take_census(self) -> None:
        self.census = self.taker.take(time.monotonic())

    def _judge_all(self) -> None:
        now = time.monotonic()
        hopeless = {task.id for each in self.ledger.open_findings() if each.verdict == PROVEN for task in each.tasks}
        overdue = {key: queue for key, queue in self._overdue(now).items() if f"task-{key:x}" not in hopeless}
        told = {key for key in self.slow_waits.standing(overdue) if self.ledger.is_told((slow_wait.KIND, key), now)}
        late = {key: queue for key, queue in overdue.items() if id(queue.resource) not in told}
        waiters = [task for key in late if (task := self.state.task_by_id(key)) is not None]
        roots = [*self.census.roots.values(), *waiters, *(queue.resource for queue in late.values())]
        glimpse = judge(roots, self.state) if roots else None
        slow = list(self.slow_waits.find(glimpse, self._merely_slow(late, glimpse), now)) if glimpse else []
        self._tell_seen(slow_wait.KIND, slow, now, {(slow_wait.KIND, key) for key in told})
        nominated = self.nominations.due(glimpse, self.ledger.open_findings(), now) if glimpse else {}
        for loop, tasks in nominated.items():
            self._confirm(loop, tasks)

    def _tell_seen(self, kind: str, findings: list[Finding], now: float, still: Collection[Hashable] = ()) -> None:
        """What makes no promise to last is told while it is seen and closed when it is not.

        ``still`` there, besides, are these subjects: there is no news of them.
        """
        seen = {*still, *(finding.subject for finding in findings)}
        for finding in self.ledger.open_findings():
            if finding.kind == kind and not finding.happened and finding.subject not in seen:
                self._tell(self.ledger.end(finding.subject, now))
        self._tell(self.ledger.report(findings, now))

    def _look(self, detectors: list[Detector], final: bool = False) -> None:
        for detector in detectors:
            sight = Sight(self.state, self.census, self.settings, time.monotonic(), final)
            self._guard(detector.kind, functools.partial(self._look_with, detector, sight))

    def _look_with(self, detector: Detector, sight: Sight) -> None:
        seen = list(detector.look(sight))
        found = [each for each in seen if not isinstance(each, Over)]
        for over in seen:
            if isinstance(over, Over):
                self._tell(self.ledger.end(over.subject, sight.now, retracted=over.retracted))
        if detector.lasting:
            self._tell(self.ledger.report(found, sight.now))
        else:
            self._tell_seen(detector.kind, found, sight.now)

    def _overdue(self, now: float) -> dict[int, Queue]:
        if not self._wants(slow_wait.KIND):
            return {}
        return slow_wait.overdue(self.census.queues, now, self.settings.interval, self.settings.slow_wait_after)

    def _merely_slow(self, late: dict[int, Queue], glimpse: Judgement) -> list[Queue]:
        """Without the pools whose own holders wait for them, where these have a finding of their own."""
        queues = list(late.values())
        if not self._wants(pool_exhausted.KIND):
            return queues
        return [each for each in queues if not pool_exhausted.waits_for_itself(glimpse, each.resource)]

    def _ask_about(self, keys: Iterable[int]) -> None:
        for key in keys:
            task = self.state.task_by_id(key)
            if task is not None:
                self._confirm(task.get_loop(), [task])

    def _confirm(self, loop: Any, tasks: list[Any]) -> None:
        if not self._wants(_DEADLOCKS) or not self.state.owns(loop) or not loop.is_running():
            return
        judgement = confirm(loop, tasks, self.state)
        if judgement is None or not judgement.likely:
            return
        found = list(deadlock.find(judgement, self.state, time.monotonic(), self.settings.stuck_after))
        self._act(self._watch(found, judgement))

    def _watch(self, findings: list[Finding], judgement: Judgement) -> list[Finding]:
        """Begin a vigil over each new finding and tell it; those whose loop did not answer wait for the next tick."""
        told = []
        for finding in findings:
            if finding.verdict != PROVEN and self._is_proven(finding):
                continue
            if finding.subject not in self._vigils:
                tasks = [judgement.graph.nodes[key].thing for key in finding.subject[1]]  # type: ignore[index]
                vigil = in_loop(tasks[0].get_loop(), lambda tasks=tasks: Vigil(tasks))  # type: ignore[misc]
                if vigil is None:
                    continue
                self._vigils[finding.subject] = vigil
            told.append(finding)
        self._tell(self.ledger.report(told, time.monotonic()))
        return told

    def _is_proven(self, finding: Finding) -> bool:
        """Whether the very same tasks are proven to wait for ever, be it in another way."""
        core: frozenset[int] = finding.subject[1]  # type: ignore[index]
        proven = (each for each in self.ledger.open_findings() if each.verdict == PROVEN)
        return any(each.subject in self._vigils and core <= each.subject[1] for each in proven)  # type: ignore[index]

    def _act(self, found: list[Finding]) -> None:
        """End the proven deadlocks among these, if that is wanted."""
        for finding in found if self.settings.on_deadlock != "report" else ():
            if (finding.kind, finding.verdict) == (_DEADLOCKS, PROVEN):
                story = render(Event("opened", time.time(), finding), colour=False, width=100)
                vigil = self._vigils[finding.subject]
                if actions.resolve(self.settings.on_deadlock, vigil, self.state, "\n" + story):
                    note = f"ended by {self.settings.on_deadlock}"
                    self._tell(self.ledger.end(finding.subject, time.monotonic(), note=note))
                    self._dismiss(finding.subject)

    def _prove(self) -> None:
        told = []
        watched = [each for each in self.ledger.open_findings() if each.subject in self._vigils]
        for finding, vigil in self.proving.look(self.census, watched):
            if self._wants(finding.kind):
                self._dismiss(finding.subject)
                self._vigils[finding.subject] = vigil
                self._tell(self.ledger.report([finding], time.monotonic(), news=True))
                told.append(finding)
        self._act(told)

    def _dismiss(self, subject: Hashable) -> None:
        vigil = self._vigils.pop(subject, None)
        if vigil is not None:
            vigil.dismiss()

    def _look_at_loops(self) -> None:
        found, over = self.loop_watch.look(now := time.monotonic())
        self._tell(self.ledger.report(found, now))
        for subject in over:
            self._tell(self.ledger.end(subject, now))

    def _tell(self, events: Iterable[Event]) -> None:
        for event in events:
            for sink in self.sinks:
                self._guard(f"sink {sink.name}", lambda sink=sink, event=event: sink.write(event))  # type: ignore[misc]

    def _guard(self, part: str, step: Callable[[], None]) -> None:
        """Run one part; switch it off when it fails."""
        if part in self.failed:
            return
        try:
            step()
        except Exception as failure:  # noqa: BLE001 - whatever it is, the program must not notice
            self.failed[part] = repr(failure)
            self.complain(f"{part} failed and is switched off: {failure!r}")
