"""One instant: reference counts, links that can change and waits, read in a single call into C.

Laws:
- ``map(call, ...)`` over chains of built-in functions never enters the interpreter's loop, so the GIL is not
  given away between the first count and the last. On 3.11 making a list may start a collection, which may run
  anything: a reading during which one happened is none.
- A canary without any other reference is read along: what it counts, every member counts too much.
- Links out of suspended frames cannot change while their task waits for the same future, nor those of bound
  methods and tuples; those that only wake a task need not be known. All others are read again and must be what
  they were.
"""

from __future__ import annotations

import asyncio
import gc
import types
import weakref
from collections.abc import Iterable
from functools import partial
from itertools import chain
from operator import attrgetter, call
from sys import getrefcount
from typing import Any

from ..attributes import is_a
from ..state import OwnReference
from .island import Island
from .kinds import GATE, wakes_a_task

_UNCHANGING = (types.MethodType, types.BuiltinMethodType, tuple, frozenset)
_TRIES = 3

_Instant = tuple[list[int], list[int], list[int | str], list[int]]
"""Reference counts, ids of links, ids and states of awaited futures, numbers of weak references."""


class _Canary:
    __slots__ = ()


def estimate(island: Island) -> list[int]:
    """The surplus of each member, not at one instant: good for a guess."""
    island.members.append(_Canary())
    counts = list(map(getrefcount, island.members))
    island.members.pop()
    base = counts.pop()
    return [count - base - inside for count, inside in zip(counts, island.within, strict=True)]


def read(island: Island) -> list[int] | None:
    """The surplus of each member at one instant, weak references included; None when something has changed.

    That of a coroutine in an await chain does not matter and is given as 0.
    """
    counted = [number for number in range(len(island.members)) if number not in island.chained]
    changing = [number for number in counted if island.is_expanded(number) and _can_change(island, number)]
    gates = island.gates()
    weakable = [number for number in counted if _may_be_weak(island, number)]
    links = [key for number in changing for key in island.raw(number)]
    waits = [*(id(island.members[island.awaited[number]]) for number in gates), *(["PENDING"] * len(gates))]
    harmless = [_harmless(island.members[number]) for number in weakable]  # before: what comes later is not counted
    instant = _instant(island.members, counted, changing, gates, weakable)
    if instant is None or instant[1] != links or instant[2] != waits:
        return None
    counts, weak = instant[0], instant[3]
    surplus, base = [0] * len(island.members), counts.pop()
    for number, count in zip(counted, counts, strict=True):
        surplus[number] = count - base - island.within[number]
    for number, count, known in zip(weakable, weak, harmless, strict=True):
        surplus[number] += max(0, count - known)
    return surplus


def _instant(
    members: list[Any], counted: list[int], changing: list[int], gates: list[int], weakable: list[int]
) -> _Instant | None:
    members.append(_Canary())
    try:
        for _ in range(_TRIES):
            before = _collections()
            found = _at_once(members, [*counted, len(members) - 1], changing, gates, weakable)
            if _collections() == before:
                return found
        return None
    except AttributeError:  # a task was woken since: it awaits None
        return None
    finally:
        members.pop()


def _at_once(
    members: list[Any], counted: list[int], changing: list[int], gates: list[int], weak: list[int]
) -> _Instant:
    these = members.__getitem__
    referents = chain.from_iterable(map(gc.get_referents, map(these, changing)))
    waits = chain(
        map(id, map(attrgetter("_fut_waiter"), map(these, gates))),
        map(attrgetter("_fut_waiter._state"), map(these, gates)),
    )
    readings: Iterable[partial[Any]] = (
        partial(list, map(getrefcount, map(these, counted))),
        partial(list, map(id, referents)),
        partial(list, waits),
        partial(list, map(weakref.getweakrefcount, map(these, weak))),
    )
    counts, links, waiting, weaks = map(call, readings)
    return counts, links, waiting, weaks


def _collections() -> list[int]:
    return [generation["collections"] for generation in gc.get_stats()]


def _can_change(island: Island, number: int) -> bool:
    """Whether a member's links have to be read again.

    Not those of a task to its coroutine and its future (the wait is read, and what a chained coroutine counts does
    not matter), nor those of a future to wake-ups: whether it is pending is read.
    """
    thing = island.members[number]
    if is_a(thing, _UNCHANGING):
        return False
    if island.kinds[number] == GATE:
        awaited = island.awaited.get(number)
        return any(each != awaited and each not in island.chained for each in island.out(number))
    if is_a(thing, asyncio.Future):
        return any(island.kinds[each] != GATE and not wakes_a_task(island.members[each]) for each in island.out(number))
    return True


def _may_be_weak(island: Island, number: int) -> bool:
    """Tasks are left aside: asyncio and the agent themselves keep weak references to each."""
    thing = island.members[number]
    return island.kinds[number] != GATE and type(thing).__weakrefoffset__ != 0 and not is_a(thing, asyncio.Task)


def _harmless(thing: Any) -> int:
    """How many of an object's weak references give nobody access: the agent's own, and the loop's to async
    generators, which it closes at its end."""
    if not weakref.getweakrefcount(thing):
        return 0
    ours = sum(type(each) is OwnReference for each in weakref.getweakrefs(thing))
    return ours + is_a(thing, types.AsyncGeneratorType)
