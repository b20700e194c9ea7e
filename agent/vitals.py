"""The process in numbers, for those who export metrics: tasks by state, waits, how late the loops are, open findings.

Laws:
- Made only where a sink takes numbers; without one there is none of this.
- Passive: no loop is woken, nothing is hooked. A wait that begins and ends between two looks was never there; of one
  that was seen, the beginning is known exactly, the end to within a look.
- To count the tasks takes at most one part in two hundred of the watcher's time, however many there are.
"""

from __future__ import annotations

import _thread
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

from .delays import Delays
from .hooks.lifespans import KIND as LIFESPAN
from .resources import type_name
from .serving.entries import count, loops
from .serving.subject import Subject
from .snapshot import EndedWait, Lifespan, Vitals
from .tracing import span_of
from .views import loop_name

_OFTEN = 500
"""So many waits are looked at each time; of more, the ends are looked for at each offer only."""
_MOST_ENDED = 1_000
_MOST_TRACED = 20
_SHARE = 200


class VitalSigns:
    """Looks now and then; ``take`` gives what was seen since the last time. ``now`` is monotonic seconds."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self._delays = Delays(subject.stalled)
        self._waits: dict[int, tuple[float, str]] = {}
        """Task id to since when it waits, and for what type of resource."""
        self._ended: list[EndedWait] = []
        self._tasks: dict[str, int] = {}
        self._count_again = 0.0
        self._watcher, self._cpu, self._cpu_before = 0, 0.0, 0.0

    def look(self, now: float) -> None:
        """One look; as often as possible."""
        state = self.subject.state
        self._delays.sample(loops(state))
        if len(state.blocked) + len(state.queued) + len(self._waits) <= _OFTEN:
            self._look_at_waits(now)

    def take(self, now: float, is_last: bool = False) -> Vitals:
        """How things are now, and what has been since the last time; ``is_last`` where the watcher has ended."""
        self._look_at_waits(now)
        if now >= self._count_again:
            self._count(now)
        ended, self._ended = tuple(self._ended), []
        delays = self._delays.take()
        return Vitals(
            time=time.time(),
            tasks=self._tasks,
            waiters=dict(Counter(kind for _, kind in self._waits.values())),
            ended_waits=ended,
            delays={loop_name(loop): delays.get(id(loop), ()) for loop in loops(self.subject.state)},
            findings=dict(
                Counter(
                    (event.finding.kind, event.finding.verdict)
                    for event in self.subject.findings()
                    if not event.finding.happened
                )
            ),
            retracted=self.subject.retracted(),
            lifespans=tuple(self._lifespans()),
            agent_cpu=self._cpu if is_last else self._agent_cpu(),
        )

    def _lifespans(self) -> Iterator[Lifespan]:
        noted = self.subject.state.facts.get(LIFESPAN, ())
        while noted:
            key, name, coro, start, end, outcome, span = noted.popleft()
            yield Lifespan(f"task-{key:x}", name, coro, start, end, outcome, *span)

    def _agent_cpu(self) -> float:
        """The watcher's processor time, of all its threads so far: it starts a new one after a fork."""
        thread = _thread.get_ident()
        if thread != self._watcher:
            self._watcher, self._cpu_before = thread, self._cpu
        self._cpu = self._cpu_before + time.thread_time()
        return self._cpu

    def _count(self, now: float) -> None:
        began = time.thread_time()
        self._tasks = count(self.subject.state)
        self._count_again = now + _SHARE * (time.thread_time() - began)

    def _look_at_waits(self, now: float) -> None:
        before = self._waits
        self._waits = {key: _known(before, key, resource, since) for key, resource, since in self.subject.state.waits()}
        for key, (since, kind) in before.items():
            if self._waits.get(key, (None,))[0] != since and len(self._ended) < _MOST_ENDED:
                self._ended.append(self._ended_wait(key, kind, now - since))

    def _ended_wait(self, key: int, kind: str, seconds: float) -> EndedWait:
        task = self.subject.state.task_by_id(key) if len(self._ended) < _MOST_TRACED else None
        return EndedWait(kind, max(0.0, seconds), *span_of(task))


def _known(before: dict[int, tuple[float, str]], key: int, resource: Any, since: float) -> tuple[float, str]:
    known = before.get(key)
    return known if known is not None and known[0] == since else (since, type_name(resource))
