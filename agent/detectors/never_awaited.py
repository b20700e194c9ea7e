"""never-awaited: a coroutine function was called, and its coroutine dropped before its first step.

Laws:
- A fact, told by the interpreter itself: proven. A coroutine that somebody still keeps is not this.
- The place is the call's where that is known: the call's result was thrown away at once, or the dropping
  function names the coroutine function just once, or no other place of its module does (then the note says
  so). Else it is where the coroutine was dropped.
- Repeats of one place are one finding, with the span of the first.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from types import CodeType

from ..findings import PROVEN, Finding
from ..hooks.coroutines import KIND, LIBRARY, Unawaited
from ..mentions import mentions, only_mention, throws_away
from ..snapshot import Place, TaskView
from ..stacks import line_of
from ..state import State
from ..tracing import NO_SPAN
from .model import Sight
from .tally import Tally

__all__ = ["KIND", "NeverAwaited"]


class NeverAwaited:
    """Tells what the hook noted."""

    kind = KIND
    lasting = True
    often = False

    def __init__(self, state: State) -> None:
        self.state = state
        self._tally = Tally()

    def look(self, sight: Sight) -> Iterable[Finding]:
        """Findings of the places that there is news of."""
        facts = self.state.facts[KIND]
        while facts:
            fact = facts.popleft()
            subject = (KIND, id(fact.code), id(fact.dropped_in), fact.lasti, fact.origin)
            self._tally.add(subject, functools.partial(_describe, fact, subject))
        return self._tally.news(sight.now, sight.final)


def _describe(fact: Unawaited, subject: object, count: int) -> Finding:
    called, shown, note = _places(fact)
    name = fact.qualname.rpartition("<locals>.")[2]
    times = "was called" if count == 1 else f"was called {count:,} times"
    defined = f"{name} is defined at line {fact.code.co_firstlineno} of {fact.code.co_filename}"
    return Finding(
        kind=KIND,
        verdict=PROVEN,
        title=f"{name}() {times} and never awaited: nothing of it ever ran",
        tasks=(_view(fact, name, called, shown),),
        note="; ".join(filter(None, (note, defined if shown.line != fact.code.co_firstlineno else ""))) or None,
        help=f"await {name}(...), or give it to a TaskGroup; asyncio.create_task() only if the task is kept",
        subject=subject,
        happened=True,
    )


def _view(fact: Unawaited, name: str, called: Place | None, shown: Place) -> TaskView:
    return TaskView(
        id=f"coroutine-{id(fact.code):x}",
        name=name,
        coro=fact.qualname,
        role="core",
        waits_for=None,
        waiting_s=0.0,
        deadline_s=None,
        holds=(),
        stack=(shown,),
        created_at=called,
        **(fact.span if throws_away(fact.dropped_in, fact.lasti) else NO_SPAN)._asdict(),  # else it may be anybody's
    )


def _places(fact: Unawaited) -> tuple[Place | None, Place, str | None]:
    """Where it was called, when that can be told; the place to show; what is to be said about it."""
    call, note = _call(fact)
    if call is not None:
        return call, call, note
    if fact.dropped_module.partition(".")[0] in LIBRARY:
        return None, _at(fact.code, -1), "where it was called is not known"
    return None, _at(fact.dropped_in, fact.lasti), "it was dropped here; where it was called is not known"


def _call(fact: Unawaited) -> tuple[Place | None, str | None]:
    code, name = fact.dropped_in, fact.code.co_name
    if fact.origin is not None:
        return Place.at(*fact.origin), None
    if fact.dropped_module.partition(".")[0] not in LIBRARY:
        if throws_away(code, fact.lasti):
            return _at(code, fact.lasti), None
        if len(named := mentions(code, name)) == 1:
            return _at(code, named[0]), None
    only = only_mention(name, _searched(fact))
    if only is None:
        return None, None
    return _at(*only), f"taken to be called here: nothing else in {' or '.join(_searched(fact))} names it"


def _searched(fact: Unawaited) -> tuple[str, ...]:
    own = () if fact.module.partition(".")[0] in LIBRARY else (fact.module,)
    return tuple(dict.fromkeys((*own, *fact.modules)))


def _at(code: CodeType, offset: int) -> Place:
    return Place.at(code.co_filename, line_of(code, offset), code.co_qualname)
