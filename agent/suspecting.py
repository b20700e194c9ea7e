"""From old waits that the proof leaves open to suspicions that are told.

Laws:
- Only waits of at least ``stuck_after``, and only while the proof's allowance lasts.
- A wait that is meant to be for ever is told where nothing can happen in its loop any more, not else.
- A lock of a holder who has ended may have been handed over: not while a task that can move comes to it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from .begun import Begun, begin
from .bystanders import Bystanders, frozen
from .detectors import held_by_finished, stuck
from .findings import PROVEN, SUSPECTED
from .leaves import MOST_CORE, Leaf, groups, leaves
from .parking import is_parked_on_purpose
from .state import State
from .suspicion import Reason, still, suspects

_MOST = 200


def suspected(old: list[Any], closed: set[int], state: State, pause: Callable[[], None]) -> Iterator[Begun]:
    """The suspicions among these tasks; the ids in ``closed`` are of tasks that the proof has closed."""
    found = leaves(old[:_MOST], state, pause)
    yield from _of_finished_holders([leaf for leaf in found if leaf.finished], state, pause)
    open_ones = [leaf for leaf in found if not leaf.finished]
    reasons = suspects([leaf.task for leaf in open_ones], state, None, pause)
    told = [leaf for leaf in open_ones if _is_told(leaf, reasons)]
    for group in groups(told, pause):
        yield from _stuck(group, reasons, closed, state)


def _is_told(leaf: Leaf, reasons: dict[int, Reason]) -> bool:
    reason = reasons.get(id(leaf.task))
    return reason is not None and (reason.dead_loop or not is_parked_on_purpose(leaf.task, leaf.resource))


def _stuck(group: list[Leaf], reasons: dict[int, Reason], closed: set[int], state: State) -> Iterator[Begun]:
    reason = reasons[id(group[0].task)]
    verdict = PROVEN if all(id(leaf.task) in closed for leaf in group) else SUSPECTED
    finding = stuck.describe(group, len(group), verdict, state, time.monotonic(), reason.note)
    if reason.help:
        finding = replace(finding, help=reason.help)
    core = [leaf.task for leaf in group[:MOST_CORE]]
    yield from begin(finding, core, None, lambda task: still(reasons[id(task)], task))


def _of_finished_holders(found: list[Leaf], state: State, pause: Callable[[], None]) -> Iterator[Begun]:
    for group in groups(found, pause):
        things = {id(leaf.resource) for leaf in group}
        behind = set(frozen([leaf.task for leaf in group], state))
        if Bystanders(state, things, pause).who_reaches(things, behind) is None:
            finding = held_by_finished.describe(group, len(group), SUSPECTED, state, time.monotonic())
            yield from begin(finding, [leaf.task for leaf in group[:MOST_CORE]])
