"""Which knots of a glimpse deserve to be put to their loop, and when again.

Laws:
- An idle loop is woken for a conclusion only. A knot that is merely likely is one when it has stood for
  ``stuck_after``; a knot that looks certain is one at once.
- A loop that did not confirm is asked again after twice the time, up to ``stuck_after``.
- Tasks of an open finding are not put again, unless a suspicion now looks certain.
"""

from __future__ import annotations

from typing import Any

from .confirm import Judgement
from .detectors import deadlock
from .findings import PROVEN, Finding


class Nominations:
    """Remembers what was asked. Seconds are monotonic."""

    def __init__(self, interval: float, stuck_after: float) -> None:
        self._interval, self._stuck_after = interval, stuck_after
        self._asked: dict[tuple[bool, frozenset[int]], tuple[float, float]] = {}

    def due(self, glimpse: Judgement, open_findings: tuple[Finding, ...], now: float) -> dict[Any, list[Any]]:
        """One task of each knot to put now, by loop."""
        deadlocks = [each for each in open_findings if each.kind == deadlock.KIND]
        proven, known = _parties(deadlocks, PROVEN), _parties(deadlocks)
        asked, by_loop = {}, dict[Any, list[Any]]()
        for knot in deadlock.knots(glimpse):
            certain = bool(knot & glimpse.stuck)
            tasks, key = glimpse.graph.tasks(knot & glimpse.stuck or knot), (certain, frozenset(knot))
            if not tasks or not (proven if certain else known).isdisjoint(tasks):
                continue
            first = now if certain else now + self._stuck_after
            when, pause = self._asked.get(key, (first, self._interval))
            if now >= when:
                when, pause = now + pause, min(2 * pause, self._stuck_after)
                task = glimpse.graph.nodes[tasks[0]].thing
                by_loop.setdefault(task.get_loop(), []).append(task)
            asked[key] = (when, pause)
        self._asked = asked
        return by_loop


def _parties(findings: list[Finding], verdict: str | None = None) -> set[int]:
    chosen = [each for each in findings if verdict in (None, each.verdict)]
    return {key for each in chosen for key in each.subject[1]}  # type: ignore[index]
