"""What an account says of times and lives, the same in all its forms. Plain text, as the recording has it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time

from ...agent.sinks.text import age, count_of
from ..history import GONE, HAPPENED, OPEN, RETRACTED, Case, History, Life

MOST_NAMES = 3
_LATE = 1.0
"""Seconds from which it is worth saying that something was told late."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Writes times, in UTC; with the date where the recording is of more than one day."""

    dated: bool

    @classmethod
    def of(cls, history: History) -> Clock:
        """The clock that suits a recording."""
        return cls(len({_utc(time).date() for time in (history.began, history.ended) if time is not None}) > 1)

    def time(self, seconds: float) -> str:
        """To the millisecond."""
        moment = _utc(seconds)
        text = moment.strftime("%H:%M:%S.") + f"{moment.microsecond // 1000:03}"
        return f"{moment:%Y-%m-%d} {text}" if self.dated else text


def moment(text: str, history: History) -> float:
    """Seconds since the epoch of a time that somebody wrote; without a date on the last day. Raises ValueError."""
    last = _utc(history.ended or 0.0)
    try:
        told = datetime.combine(last.date(), time.fromisoformat(text))
    except ValueError:
        told = datetime.fromisoformat(text)
    return (told if told.tzinfo else told.replace(tzinfo=UTC)).timestamp()


def period(history: History) -> str:
    """From when to when, in UTC."""
    if history.began is None or history.ended is None:
        return "nothing was recorded"
    began, ended = _utc(history.began), _utc(history.ended)
    span = age(history.ended - history.began)
    if began.date() == ended.date():
        return f"{began:%Y-%m-%d}, {began:%H:%M:%S} to {ended:%H:%M:%S} UTC ({span})"
    return f"{began:%Y-%m-%d %H:%M:%S} to {ended:%Y-%m-%d %H:%M:%S} UTC ({span})"


def extent(history: History) -> str:
    """How much it is: records and processes."""
    processes = history.processes
    whose = f"process {processes[0].pid}" if len(processes) == 1 else f"{len(processes)} processes"
    return f"{count_of(history.records, 'record')} of {whose}" if processes else "no findings"


@dataclass(frozen=True, slots=True)
class Tally:
    """How often a kind was found with a verdict."""

    kind: str
    verdict: str
    cases: int
    times: int
    open: int
    retracted: int


def tallies(history: History) -> list[Tally]:
    """One for each kind and verdict, in the order of the cases."""
    together: dict[tuple[str, str], list[Case]] = {}
    for case in history.cases:
        together.setdefault((case.kind, case.verdict), []).append(case)
    return [
        Tally(
            kind,
            verdict,
            len(cases),
            sum(case.times for case in cases),
            sum(case.open for case in cases),
            sum(case.retracted for case in cases),
        )
        for (kind, verdict), cases in together.items()
    ]


def begin(life: Life) -> float:
    """When it began, or happened."""
    return life.opened if life.outcome == HAPPENED else life.since


def lasted(life: Life) -> str:
    """For how long it was so; empty for what just happened."""
    return "" if life.outcome == HAPPENED else age(life.age_s)


def fate(life: Life, clock: Clock) -> Iterator[str]:
    """What became of it: how it was told, and how it ended."""
    if not life.whole:
        yield "opened before the recording"
    elif life.outcome != HAPPENED and life.opened - life.since > _LATE:
        yield f"told after {age(life.opened - life.since)}"
    for when, verdict in life.verdicts[1:]:
        yield f"{verdict} from {clock.time(when)}"
    yield _end(life)


def _end(life: Life) -> str:
    if life.outcome == HAPPENED:
        return "happened" if not life.updates else f"happened {life.updates + 1} times"
    said = {
        OPEN: "still open at the end",
        RETRACTED: "retracted: the tasks moved after all",
        GONE: "its process went without a word",
    }.get(life.outcome, life.outcome)
    return f"{said}: {life.note}" if life.note else said


def names(texts: Sequence[str]) -> str:
    """As one says them: ``a``, ``a and b``, ``a, b, c...``."""
    if len(texts) <= MOST_NAMES:
        return " and ".join(texts) if len(texts) < 3 else f"{', '.join(texts[:-1])} and {texts[-1]}"
    return f"{', '.join(texts[:MOST_NAMES])}..."


def selected(lives: tuple[Life, ...], times: int, most: int) -> Iterator[Life | int]:
    """The first and the last lives, and between them how many there are more."""
    if len(lives) == times <= most:
        yield from lives
        return
    first, last = lives[: min(most, len(lives)) // 3], lives[len(lives) - min(most, len(lives)) * 2 // 3 :]
    yield from first
    yield times - len(first) - len(last)
    yield from last


def _utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
