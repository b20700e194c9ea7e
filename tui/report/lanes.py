"""When there was what: one lane for each case, its lives as bars along the time of the recording.

Law: places are percentages, so that a lane is as wide as the window; no style is written into the markup.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ..history import HAPPENED, OPEN, Case, History, Life
from .markup import Markup, joined, tag
from .telling import tone
from .words import Clock, begin, fate, lasted

MOST_LANES = 60


@dataclass(frozen=True, slots=True)
class Scale:
    """From times to percentages."""

    began: float
    ended: float

    @classmethod
    def of(cls, cases: Iterable[Case], ended: float) -> Scale:
        """A scale on which all lives of these have room."""
        return cls(min([ended, *(begin(life) for case in cases for life in case.lives)]), ended)

    def at(self, time: float) -> float:
        """How far along, in percent."""
        length = self.ended - self.began
        return min(100.0, max(0.0, 100 * (time - self.began) / length)) if length > 0 else 0.0


def lanes(history: History, clock: Clock) -> Markup | None:
    """The first cases of a history over its time; None when there are none."""
    cases = history.cases[:MOST_LANES]
    if not cases or history.ended is None:
        return None
    scale = Scale.of(cases, history.ended)
    rows = [_lane(case, number, scale, clock) for number, case in enumerate(cases, 1)]
    more = len(history.cases) - len(cases)
    return joined(
        [
            tag("h2", "When"),
            tag("div", tag("div", tag("span", ""), _axis(scale, clock), class_="lane"), *rows, class_="lanes"),
            tag("p", f"and {more} more findings, below", class_="weak") if more else None,
        ]
    )


def _axis(scale: Scale, clock: Clock) -> Markup:
    middle = (scale.began + scale.ended) / 2
    times = (scale.began, middle, scale.ended) if scale.ended > scale.began else (scale.began,)
    return tag("div", *(tag("span", clock.time(time)) for time in times), class_="axis")


def _lane(case: Case, number: int, scale: Scale, clock: Clock) -> Markup:
    link = tag("a", tag("b", case.kind), " ", case.title, href=f"#case-{number}")
    bars = tag("svg", *_bars(case, scale, clock), class_="strip", role="img", fill="currentColor")
    label = tag("div", link, class_="label")
    return tag("div", label, bars, class_=f"lane {tone(case)}", data_case=f"case-{number}")


def _bars(case: Case, scale: Scale, clock: Clock) -> Iterator[Markup]:
    for life in case.lives:
        title = tag("title", _said(life, clock))
        start = scale.at(begin(life))
        if life.outcome == HAPPENED:
            yield tag("g", tag("circle", cx=f"{start:.2f}%", cy="50%", r=4, class_="happened"), title)
        else:
            end = 100.0 if life.outcome == OPEN else scale.at(life.last)
            width = f"{max(0.1, end - start):.2f}%"
            bar = tag("rect", x=f"{start:.2f}%", y="28%", width=width, height="44%", class_=life.outcome)
            yield tag("g", bar, title)


def _said(life: Life, clock: Clock) -> str:
    parts = [clock.time(begin(life)), lasted(life), f"pid {life.pid}", *fate(life, clock)]
    return " · ".join(part for part in parts if part)
