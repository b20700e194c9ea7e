"""From the process's numbers to measurements.

Laws:
- What a metric reader of the application's calls, from a thread of its own, reads what was last offered, and no more.
- A series that was once there stays, with zero: an alert must be able to end.
- Attributes are few and have few values: a kind, a verdict, a state, a type.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ..agent.findings import Event
from ..agent.snapshot import EndedWait, Vitals
from . import names

Sample = tuple[float, dict[str, str]]
_STATES = ("running", "ready", "waiting")
_DELAYS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_WAITS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)


class Measured:
    """What there is to be read: the last numbers, and sums over all of them."""

    def __init__(self) -> None:
        self._last: Vitals | None = None
        self._waiters: dict[str, int] = {}
        self._findings: dict[tuple[str, str], int] = {}
        self._opened: dict[tuple[str, str], int] = {}
        self.dropped: dict[str, int] = {}
        self.cpu: dict[str, float] = {}
        self.is_over = False

    def note(self, vitals: Vitals) -> None:
        """These are the numbers now."""
        self._last = vitals
        self._waiters = dict.fromkeys(self._waiters, 0) | vitals.waiters
        self._findings = dict.fromkeys(self._findings, 0) | vitals.findings
        self.cpu["watch"] = vitals.agent_cpu

    def note_event(self, event: Event) -> None:
        """Something has happened to a finding."""
        key = (event.finding.kind, event.finding.verdict)
        if event.event == "opened":
            self._opened[key] = self._opened.get(key, 0) + 1

    def tasks(self) -> Iterator[Sample]:
        """Living tasks by state."""
        if self._last is not None:
            yield from ((self._last.tasks.get(state, 0), {names.TASK_STATE: state}) for state in _STATES)

    def waiters(self) -> Iterator[Sample]:
        """Tasks that wait for what others hold, by its type."""
        yield from ((number, {names.RESOURCE_TYPE: kind}) for kind, number in list(self._waiters.items()))

    def findings(self) -> Iterator[Sample]:
        """Open findings by kind and verdict."""
        yield from _by_kind(self._findings)

    def opened(self) -> Iterator[Sample]:
        """All that were ever opened, by kind and verdict."""
        yield from _by_kind(self._opened)

    def retracted(self) -> Iterator[Sample]:
        """Findings that were taken back."""
        if self._last is not None:
            yield self._last.retracted, {}

    def agent_cpu(self) -> Iterator[Sample]:
        """Processor seconds of the agent's threads."""
        yield from ((seconds, {names.AGENT_PART: part}) for part, seconds in list(self.cpu.items()))

    def lost(self) -> Iterator[Sample]:
        """What could not be exported."""
        yield from ((number, {names.SIGNAL: signal}) for signal, number in list(self.dropped.items()))


class Instruments:
    """Our instruments, made on one meter of OpenTelemetry's."""

    def __init__(self, meter: Any, measured: Measured, context_of: Callable[[EndedWait], Any]) -> None:
        self._context_of = context_of
        observed: list[tuple[str, Callable[..., Any], Callable[[], Iterable[Sample]], str, str]] = [
            (names.TASKS, meter.create_observable_up_down_counter, measured.tasks, "{task}", "Living tasks by state."),
            (
                names.WAITERS,
                meter.create_observable_up_down_counter,
                measured.waiters,
                "{task}",
                "Tasks that wait for a lock, semaphore or pool that others hold.",
            ),
            (
                names.FINDINGS,
                meter.create_observable_up_down_counter,
                measured.findings,
                "{finding}",
                "Findings that are open now.",
            ),
            (
                names.FINDINGS_OPENED,
                meter.create_observable_counter,
                measured.opened,
                "{finding}",
                "Findings that were opened.",
            ),
            (
                names.FINDINGS_RETRACTED,
                meter.create_observable_counter,
                measured.retracted,
                "{finding}",
                "Findings that were taken back because the tasks moved after all.",
            ),
            (
                names.AGENT_CPU,
                meter.create_observable_counter,
                measured.agent_cpu,
                "s",
                "Processor time that the agent's own threads have used.",
            ),
            (
                names.DROPPED,
                meter.create_observable_counter,
                measured.lost,
                "{item}",
                "What was not exported because the backend was slow or gone.",
            ),
        ]
        for name, create, read, unit, text in observed:
            create(name, callbacks=[_callback(read, measured)], unit=unit, description=text)
        self._delay = _histogram(meter, names.LOOP_DELAY, "By how much the event loop was late.", _DELAYS)
        self._wait = _histogram(meter, names.WAIT_DURATION, "Waits for what others hold that are over.", _WAITS)
        self._takes_context = "context" in inspect.signature(self._wait.record).parameters

    def record(self, vitals: Vitals) -> None:
        """Enter what has been since the last time."""
        for samples in vitals.delays.values():
            for seconds in samples:
                self._delay.record(seconds)
        for wait in vitals.ended_waits:
            about: dict[str, Any] = {"context": self._context_of(wait)} if self._takes_context else {}
            self._wait.record(wait.seconds, {names.RESOURCE_TYPE: wait.type}, **about)


def _by_kind(counts: dict[tuple[str, str], int]) -> Iterator[Sample]:
    for (kind, verdict), number in list(counts.items()):
        yield number, {names.FINDING_KIND: kind, names.FINDING_VERDICT: verdict}


def _callback(read: Callable[[], Iterable[Sample]], measured: Measured) -> Callable[[Any], Any]:
    from opentelemetry.metrics import Observation

    def observe(_options: Any) -> list[Any]:
        return [] if measured.is_over else [Observation(value, attributes) for value, attributes in read()]

    return observe


def _histogram(meter: Any, name: str, text: str, boundaries: tuple[float, ...]) -> Any:
    create = meter.create_histogram
    advice = "explicit_bucket_boundaries_advisory"
    more = {advice: boundaries} if advice in inspect.signature(create).parameters else {}
    return create(name, unit="s", description=text, **more)
