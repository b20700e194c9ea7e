"""Lives and cases while events are still coming in: what ``historian`` builds with."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from ..agent.findings import Event
from .history import CLOSED, HAPPENED, OPEN, RETRACTED, Case, Life, rank

MOST_LIVES = 200
"""Lives that are kept of one case: half of them the first, half the last."""
_MOST_VERDICTS, _MOST_NAMES, _LONGEST_NAME = 8, 4, 200


@dataclass(slots=True)
class GrowingLife:
    """A life as it grows."""

    pid: int
    id: str
    opened: float
    whole: bool
    happened: bool
    verdicts: list[tuple[float, str]]
    who: tuple[str, ...]
    traces: tuple[str, ...]
    last: float
    age_s: float = 0.0
    outcome: str = OPEN
    updates: int = 0
    victims: int = 0
    note: str | None = None

    @classmethod
    def begun(cls, event: Event) -> GrowingLife:
        """The life that begins with this event."""
        finding = event.finding
        tasks = finding.core or finding.tasks
        life = cls(
            pid=event.pid,
            id=finding.id,
            opened=event.time,
            whole=event.event == "opened",
            happened=finding.happened,
            verdicts=[(event.time, finding.verdict)],
            who=_few(task.name for task in tasks),
            traces=_few(task.trace_id for task in tasks),
            last=event.time,
        )
        life.take(event)
        return life

    def take(self, event: Event) -> None:
        """Enter an event of it."""
        finding = event.finding
        self.last, self.age_s = max(self.last, event.time), finding.age_s
        self.victims = max(self.victims, finding.victims)
        if finding.verdict != self.verdicts[-1][1] and len(self.verdicts) < _MOST_VERDICTS:
            self.verdicts.append((event.time, finding.verdict))
        if event.event in (CLOSED, RETRACTED):
            self.outcome, self.note = event.event, finding.note
        elif event.event != "opened":
            self.updates += 1

    @property
    def verdict(self) -> str:
        """The strongest so far."""
        return min((verdict for _, verdict in self.verdicts), key=rank)

    def frozen(self) -> Life:
        """As it is now."""
        return Life(
            pid=self.pid,
            id=self.id,
            verdict=self.verdict,
            opened=self.opened,
            last=self.last,
            age_s=self.age_s,
            outcome=HAPPENED if self.happened and self.outcome != RETRACTED else self.outcome,
            whole=self.whole,
            verdicts=tuple(self.verdicts),
            updates=self.updates,
            victims=self.victims,
            note=self.note,
            who=self.who,
            traces=self.traces,
        )


@dataclass(slots=True)
class GrowingCase:
    """A case as it grows."""

    key: tuple[str, str]
    first: float
    happened: bool
    times: int = 0
    open: int = 0
    retracted: int = 0
    last: float = 0.0
    rank: int = 0
    """Under which the historian keeps it."""
    standing: Counter[str] = field(default_factory=Counter)
    """Lives by their strongest verdict, without those that were retracted."""
    early: list[GrowingLife] = field(default_factory=list)
    late: deque[GrowingLife] = field(default_factory=lambda: deque(maxlen=MOST_LIVES // 2))
    title: str = ""
    pictured: GrowingLife | None = None
    weight: tuple[bool, int, float] = (False, 0, 0.0)
    packed: bytes | None = None

    def begin(self, life: GrowingLife) -> None:
        """A life of it has begun."""
        self.times += 1
        self.open += 1
        self.standing[life.verdict] += 1
        (self.early if len(self.early) < MOST_LIVES // 2 else self.late).append(life)

    def take(self, life: GrowingLife, event: Event) -> None:
        """An event of one of its lives."""
        self.standing[life.verdict] -= 1
        life.take(event)
        self.standing[life.verdict] += 1

    def end(self, life: GrowingLife) -> None:
        """One of its lives is over."""
        self.open -= 1
        if life.outcome == RETRACTED:
            self.retracted += 1
            self.standing[life.verdict] -= 1
            if life is self.pictured:
                self.weight = (False, *self.weight[1:])

    @property
    def verdict(self) -> str:
        """The strongest that was not retracted; the strongest of all where each one was."""
        standing = [verdict for verdict, count in self.standing.items() if count > 0]
        return min(standing or self.standing, key=rank)

    def tells_more(self, life: GrowingLife, event: Event) -> bool:
        """Whether this event gives a better picture: a heavier verdict, then an older one. Ends give none."""
        if self.pictured is not None and life.outcome != OPEN:
            return False
        weight = (life.outcome != RETRACTED, -rank(event.finding.verdict), event.finding.age_s)
        if self.pictured is not None and weight < self.weight:
            return False
        self.weight, self.pictured, self.title = weight, life, event.finding.title
        return True

    def frozen(self) -> Case:
        """As it is now."""
        kind, name = self.key
        return Case(
            id=name,
            kind=kind,
            verdict=self.verdict,
            title=self.title,
            age_s=self.pictured.age_s if self.pictured else 0.0,
            happened=self.happened,
            times=self.times,
            open=0 if self.happened else self.open,
            retracted=self.retracted,
            first=self.first,
            last=self.last,
            lives=tuple(life.frozen() for life in (*self.early, *self.late)),
            packed=self.packed,
        )


def _few(texts: Iterable[str | None]) -> tuple[str, ...]:
    """The first few different ones of those that say something."""
    few: dict[str, None] = {}
    for text in texts:
        if text and len(few) < _MOST_NAMES:
            few[text[:_LONGEST_NAME]] = None
    return tuple(few)
