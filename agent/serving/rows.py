"""From a living task to its row: what it is, what it waits for.

Laws:
- Cheap: the await chain is walked once, functions and places are looked up by identity, no source is read. What a
  plain chain of coroutines does not tell is read at length.
- A glimpse from another thread: what cannot be told is left out, never guessed.
- Ids, names and places are those of the finding record.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from dataclasses import replace
from types import CoroutineType, FunctionType
from typing import Any, NamedTuple

from .. import wire
from ..candidates import flat
from ..deadlines import own_deadline
from ..stacks import MAX_DEPTH, Link, chain
from ..views import task_id
from ..waits import Mode, Wait, future_wait
from ..waits.reading import JOINABLE, Gathering, pooled, table
from ..waits.rows import Row
from .lore import Lore, stands_in_with
from .text import clean

MOST_NAME = 200


class Standing(NamedTuple):
    """What a suspended task waits for. Refers to live objects: it is used at once and dropped."""

    wait: str = ""
    resource: Any = None
    joins: tuple[str, ...] = ()
    due: float | None = None
    """Loop time."""
    at: wire.Spot | None = None


def name_of(task: Any) -> str:
    """The task's name, cut where it is a story."""
    return clean(str(task.get_name()), MOST_NAME)


def standing_of(task: Any, future: Any, lore: Lore, thorough: bool) -> Standing:
    """What a task suspended on ``future`` waits for; timeouts around it only if ``thorough``."""
    outermost: Any = task.get_coro()
    current = outermost
    codes, has_blocks = lore.codes, False
    own: Any = None
    deciding: Any = None
    row: Row | None = None
    for _ in range(MAX_DEPTH):
        if type(current) is not CoroutineType:
            break
        known = codes.get(id(current.cr_code)) or lore.learn(current, current.cr_code)
        if known.is_own:
            own = current
        if known.row is not None:
            deciding, row = current, known.row
            if row.composite:
                return _at_length(task, future, lore, thorough)
        has_blocks = has_blocks or known.has_blocks
        current = current.cr_await
    if current is not future and type(current).__name__ != "FutureIter":
        return _at_length(task, future, lore, thorough)
    if row is None or isinstance(future, JOINABLE):
        wait = _PLAIN if _is_plain(future) else future_wait(future)
    else:
        wait = row.read(link := Link(deciding, deciding.cr_code, -1), [link], future)
    due = _due(task, wait, chain(outermost)) if thorough and has_blocks else wait.due
    shown = own or outermost
    frame = shown.cr_frame
    spot = lore.spot(frame.f_code, frame.f_lasti) if frame is not None else None
    return _standing(wait, row, due, spot)


def _is_plain(future: Any) -> bool:
    """Whether a bare future is nothing but that: no function is to be called when it is done, only one task woken."""
    return type(future) is asyncio.Future and FunctionType not in map(type, gc.get_referents(future))


def _at_length(task: Any, future: Any, lore: Lore, thorough: bool) -> Standing:
    """The same where there is more than coroutines, or one name stands for several functions."""
    links = chain(task.get_coro())
    match = None if isinstance(future, JOINABLE) else table().match(links)
    link, row = match or (None, None)
    wait = row.read(link, links, future) if row is not None and link is not None else future_wait(future)
    if not isinstance(future, JOINABLE):
        wait = pooled(wait if wait.kind or row is None else replace(wait, kind=row.kind), links)
    own = next((link for link in reversed(links) if lore.of(link).is_own), links[-1] if links else None)
    spot = lore.spot(own.code, own.lasti) if own is not None else None
    return _standing(wait, row, _due(task, wait, links) if thorough else wait.due, spot)


def _standing(wait: Wait, row: Any, due: float | None, at: wire.Spot | None) -> Standing:
    joins = tuple(_joins(wait)) if wait.needs else ()
    is_outside = row is not None and row.outside
    kind = wait.kind or (row.kind if row is not None else "")
    return Standing(kind, None if joins or is_outside else wait.resource, joins, due, at)


_PLAIN = Wait("future", Mode.FREE)


def _joins(wait: Wait) -> Iterator[str]:
    """Ids of the tasks that it joins and that have not ended, seen through gathers."""
    found = 0
    for need in wait.needs if wait.mode is not Mode.HELD else ():
        for each in flat(need) if isinstance(need, Gathering) else (need,):
            if found >= wire.MOST_JOINS:
                return
            if isinstance(each, asyncio.Task) and not each.done():
                found += 1
                yield task_id(each)


def _due(task: Any, wait: Wait, links: list[Link]) -> float | None:
    """Loop time at which the wait ends by itself: its own, or that of a timeout around it."""
    if not any(stands_in_with(link.code, link.lasti) for link in links):
        return wait.due
    due = own_deadline(task, {})
    return due.when if due is not None and due.sure else wait.due
