"""What happened, after the fact: the lives of findings. Frozen; ``historian`` puts it together.

Laws:
- A *case* is one fingerprint: the same bug, however often and in however many processes it showed. A *life* is one
  finding of it in one process, from its opening to its end.
- What was taken back does not count: a case has the strongest verdict that was not retracted.
- Counts are exact; what is kept to be shown is bounded: of very many lives of a case the first and the last, of very
  many cases those with the heavier verdicts, of each case one picture, packed.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass, replace

from ..agent.findings import POTENTIAL, PROVEN, SUSPECTED, Event
from .records import event_of

VERDICTS = (PROVEN, SUSPECTED, POTENTIAL)
"""From the strongest claim to the weakest."""
OPEN, CLOSED, RETRACTED, HAPPENED, GONE = "open", "closed", "retracted", "happened", "gone"


def rank(verdict: str) -> int:
    """0 is the strongest; a verdict that is not known is the weakest."""
    return VERDICTS.index(verdict) if verdict in VERDICTS else len(VERDICTS)


@dataclass(frozen=True, slots=True)
class Life:
    """One finding in one process. Times are seconds since the epoch."""

    pid: int
    id: str
    verdict: str
    """The strongest that was claimed."""
    opened: float
    """When the first of its events in the recording was told."""
    last: float
    """When the last one was."""
    age_s: float
    """For how long it had been so by then."""
    outcome: str
    """``open``: at the end of the recording. ``closed``. ``retracted``. ``happened``: it was never a state, so it has
    no end. ``gone``: the same process id opened it anew, so the process had ended without a word."""
    whole: bool
    """Whether its opening is in the recording."""
    verdicts: tuple[tuple[float, str], ...]
    """The first verdict and each other one that followed, with its time."""
    updates: int
    victims: int
    """The most tasks that queued behind it."""
    note: str | None
    """Why it ended, as far as that was said."""
    who: tuple[str, ...]
    """Names of its first tasks."""
    traces: tuple[str, ...]

    @property
    def since(self) -> float:
        """When the trouble began, which is before it was told."""
        return max(0.0, self.last - self.age_s)

    @property
    def counts(self) -> bool:
        """Whether it was not taken back."""
        return self.outcome != RETRACTED


@dataclass(frozen=True, slots=True)
class Case:
    """All lives of one fingerprint."""

    id: str
    kind: str
    verdict: str
    title: str
    age_s: float
    """How long the life lasted that the title and the picture are of."""
    happened: bool
    times: int
    open: int
    retracted: int
    first: float
    last: float
    lives: tuple[Life, ...]
    """In the order of their openings; of very many the first and the last."""
    packed: bytes | None

    def event(self) -> Event | None:
        """Its most telling picture, as an ``opened`` event; None when it was too large to be kept."""
        if self.packed is None:
            return None
        event = event_of(json.loads(zlib.decompress(self.packed)))
        return replace(event, event="opened", finding=replace(event.finding, age_s=self.age_s))

    @property
    def counts(self) -> bool:
        """Whether at least one life of it was not taken back."""
        return self.retracted < self.times


@dataclass(frozen=True, slots=True)
class Process:
    """A process id that wrote to the recording."""

    pid: int
    first: float
    last: float
    records: int
    findings: int


@dataclass(frozen=True, slots=True)
class History:
    """A recording, read to its end. ``began`` and ``ended`` are None when there is no record in it."""

    began: float | None
    ended: float | None
    records: int
    processes: tuple[Process, ...]
    cases: tuple[Case, ...]
    """The heaviest verdict first, those that were taken back last, each in the order of time."""
    left_out: int
    """Findings of which there were too many to be kept."""

    def has(self, verdict: str) -> bool:
        """Whether a case of this verdict or a stronger one stands; of any verdict at all when it is none of ours."""
        return any(case.counts and rank(case.verdict) <= rank(verdict) for case in self.cases)
