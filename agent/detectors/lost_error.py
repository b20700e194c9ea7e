"""lost-error: a task failed, and nobody can ask for its exception any more.

Laws:
- A fact, noted by the hooks at the moment when the last one who could ask was gone: proven.
- The same error (type, place, and place where the task was made) again and again is one finding.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable

from ..findings import PROVEN, SUSPECTED, Finding
from ..hooks.errors import DROPPED, KIND, LostError
from ..snapshot import Place, TaskView
from ..stacks import line_of
from ..state import State
from .model import Sight
from .tally import Tally

__all__ = ["KIND", "LostErrors"]


class LostErrors:
    """Tells what the hooks noted."""

    kind = KIND
    lasting = True
    often = False

    def __init__(self, state: State) -> None:
        self.state = state
        self._tally = Tally()

    def look(self, sight: Sight) -> Iterable[Finding]:
        """Findings of the errors that there is news of."""
        facts = self.state.facts[KIND]
        while facts:
            fact = facts.popleft()
            error = fact.error.partition(":")[0]
            subject = (KIND, fact.how, error, fact.coro, fact.raised[-1:], fact.site)
            self._tally.add(subject, functools.partial(_describe, fact, subject))
        return self._tally.news(sight.now, sight.final)


def _describe(fact: LostError, subject: object, count: int) -> Finding:
    dropped = fact.how == DROPPED
    error = fact.error.partition(":")[0]
    whose = fact.name if count == 1 else f"{fact.name} and {count - 1:,} more like it"
    how = "was thrown away by a gather() that had failed before" if dropped else "was never asked for by anybody"
    return Finding(
        kind=KIND,
        verdict=PROVEN if fact.sure else SUSPECTED,
        title=f"the {error} that ended {whose} {how}",
        loop=fact.loop,
        tasks=(_view(fact),),
        note=_note(fact),
        help=_help(fact),
        subject=subject,
        happened=True,
    )


def _note(fact: LostError) -> str | None:
    if fact.how != DROPPED:
        return None
    unsure = "" if fact.sure else "; not proven: somebody may know the task by a weak reference, and have asked in time"
    return f"gather() raises the first error only; what its other tasks raise later goes nowhere{unsure}"


def _help(fact: LostError) -> str:
    if fact.how == DROPPED:
        return "use a TaskGroup, which ends the others and raises every error; or gather(..., return_exceptions=True)"
    if fact.coro == "Future":
        return "await the future, or look at its exception() in a done-callback"
    return "await the task, start it in a TaskGroup, or look at its exception() in a done-callback"


def _view(fact: LostError) -> TaskView:
    return TaskView(
        id=f"task-{fact.key:x}",
        name=fact.name,
        coro=fact.coro,
        role="core",
        waits_for=None,
        waiting_s=0.0,
        deadline_s=None,
        holds=(),
        stack=tuple(Place.at(*spot) for spot in fact.raised),
        created_at=_made_at(fact),
        error=fact.error,
        **fact.span._asdict(),
    )


def _made_at(fact: LostError) -> Place | None:
    if fact.site is not None:
        code, lasti = fact.site
        return Place.at(code.co_filename, line_of(code, lasti), code.co_qualname)
    return Place.at(*fact.made_at) if fact.made_at is not None else None
