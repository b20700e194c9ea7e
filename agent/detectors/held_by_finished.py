"""held-by-finished: a wait for a lock or permit whose holder has ended without giving it back.

Laws:
- ``proven`` is what the proof closes: nobody who could give it back instead is left.
- ``suspected`` is a wait of at least ``stuck_after`` for what only tasks hold that have ended, unless a task that
  can move still refers to it: it may have been handed over on purpose.
"""

from __future__ import annotations

from ..findings import PROVEN, Finding
from ..leaves import Leaf, finding_of
from ..resources import is_pool
from ..source import short
from ..state import State

KIND = "held-by-finished"
_MOST_SHOWN = 3


def describe(group: list[Leaf], count: int, verdict: str, state: State, now: float) -> Finding:
    """The finding for one group of leaves that have finished holders; ``count`` tasks wait so."""
    thing = "permit" if is_pool(group[0].resource) else "lock"
    who = "a task waits for" if count == 1 else f"{count:,} tasks wait for"
    told = Finding(
        kind=KIND,
        verdict=verdict,
        title=f"{who} a {thing} whose holder has ended without giving it back",
        note=_note(group[0], verdict),
        help=f"take the {thing} with async with, or give it back in a finally, however its holder ends",
    )
    return finding_of(group, told, state, now)


def _note(leaf: Leaf, verdict: str) -> str:
    taken = []
    for reference, place in leaf.finished[:_MOST_SHOWN]:
        task = reference() if reference is not None else None
        who = task.get_name() if task is not None else "a task that is gone"
        where = ""
        if place is not None:
            line, code = place
            where = f" at {short(code.co_filename)}:{line} in {code.co_qualname}()"
        taken.append(f"taken by {who}{where}")
    more = len(leaf.finished) - _MOST_SHOWN
    taken += [f"and {more} more units"] if more > 0 else []
    return "; ".join(taken) + ("; nobody else can reach it" if verdict == PROVEN else "")
