"""One instant: reference counts, links that can change and waits, read in a single call into C.

Laws:
- ``map(call, ...)`` over chains of built-in functions never enters the interpreter's loop, so the GIL is not
  given away between the first count and the last. On 3.11 making a list may start a collection, which may run
  anything: a reading during which one happened is none.
- A canary without any other reference is read along: what it counts, every member counts too much. So each list that
  is made for the reading has the canary and each of the members once.
- Links out of suspended frames cannot change while their task waits for the same future, nor those of bound
  methods and tuples; those that only wake a task need not be known. Of what refers to no member nothing was counted.
  All other links are read again and must be what they were.
"""

from __future__ import annotations

import asyncio
import gc
import types
import weakref
from array import array
from collections.abc import Iterable
from functools import partial
from itertools import chain, islice, repeat
from operator import attrgetter, call, sub
from sys import getrefcount
from typing import Any, NamedTuple

from ..attributes import is_a
from ..state import OwnReference
from .island import Island
from .kinds import GATE, METHOD, PART, wakes_a_task

_UNCHANGING = (tuple, frozenset)
_TRIES = 3
_AT_ONCE = 4_000

_Instant = tuple["array[int]", "array[int]", list[int | str], "array[int]"]
"""Reference counts, ids of links, ids and states of awaited futures, numbers of weak references."""


class _Canary:
    __slots__ = ()


class _Order(NamedTuple):
    """The numbers of the members to be read, in the order of reading: how each is read follows from its place."""

    numbers: list[int]
    changing: int
    """The first so many may have other links by now."""
    weak: tuple[int, int]
    """From here to there they may have weak references."""
    gates: tuple[int, int]
    """The first so many are gates, and so many behind those that may have weak references."""

    def waiting(self, things: list[Any]) -> Iterable[Any]:
        """The gates among things in this order."""
        (first, more), end = self.gates, self.weak[1]
        return chain(islice(things, first), islice(things, end, end + more))


def estimate(island: Island) -> list[int]:
    """The surplus of each member, not at one instant: good for a guess."""
    base = next(map(getrefcount, islice([_Canary()], 1)))
    surplus: list[int] = []
    for start in range(0, len(island.members), _AT_ONCE):
        counts = map(getrefcount, islice(island.members, start, start + _AT_ONCE))
        within = islice(island.within, start, start + _AT_ONCE)
        surplus += map(sub, map(sub, counts, within), repeat(base))
        island.pause(_AT_ONCE // 2 if start else 0)
    return surplus


def read(island: Island, part: list[int] | None = None) -> list[int] | None:
    """The surplus of each member of this part at one instant, weak references included; None if anything has changed.

    That of a coroutine in an await chain does not matter and is given as 0, as that of what is no part of it.
    """
    order = _in_order(island, list(range(len(island.members))) if part is None else part)
    weakable = order.numbers[slice(*order.weak)]
    links, waits = _links(island, order), _waits(island, order)
    harmless = _harmless(island, weakable)  # before: what comes later is not counted
    instant = _instant(island, order)
    if instant is None or instant[1] != links or instant[2] != waits:
        return None
    counts, weak = instant[0], instant[3]
    island.pause(len(order.numbers))
    surplus, base = [0] * len(island.members), counts.pop()
    within = island.within
    for start in range(0, len(counts), _AT_ONCE):
        end = start + _AT_ONCE
        for number, count in zip(order.numbers[start:end], counts[start:end], strict=True):
            surplus[number] = count - base - within[number]
        island.pause(end - start if start else 0)
    for number, count in zip(weakable, weak, strict=True):
        if count:
            surplus[number] += max(0, count - harmless.get(number, 0))
    return surplus


def _in_order(island: Island, part: list[int]) -> _Order:
    kinds, first, awaited, chained = island.kinds, island.first, island.awaited, island.chained
    may_be_weak = _MayBeWeak()
    gates: tuple[list[int], list[int]] = ([], [])
    others: tuple[list[int], list[int]] = ([], [])
    weak: tuple[list[int], list[int]] = ([], [])
    for chunk in island.paced(part):
        for number in chunk:
            if number in chained:
                continue
            kind = kinds[number]
            changes = kind != METHOD and _can_change(island, number)
            if kind == GATE and first[number] >= 0 and number in awaited:
                gates[changes].append(number)
            elif kind != GATE and may_be_weak[type(island.members[number])]:
                weak[changes].append(number)
            else:
                others[changes].append(number)
    numbers = [*gates[True], *others[True], *weak[True], *weak[False], *gates[False], *others[False]]
    start = len(gates[True]) + len(others[True])
    changing = start + len(weak[True])
    return _Order(numbers, changing, (start, changing + len(weak[False])), (len(gates[True]), len(gates[False])))


def _links(island: Island, order: _Order) -> array[int]:
    links = array("Q")
    for chunk in island.paced(order.numbers[: order.changing]):
        for number in chunk:
            links += island.raw(number)
    return links


def _waits(island: Island, order: _Order) -> list[int | str]:
    gates = list(order.waiting(order.numbers))
    ids: list[int] = []
    for chunk in island.paced(gates):
        ids += [id(island.members[island.awaited[number]]) for number in chunk]
    return [*ids, *["PENDING"] * len(gates)]


def _instant(island: Island, order: _Order) -> _Instant | None:
    kept = [_Canary()]  # as the island keeps its members
    things = [*map(island.members.__getitem__, order.numbers), *kept]
    island.pause(len(things))
    try:
        for _ in range(_TRIES):
            before = _collections()
            found = _at_once(things, order)
            if _collections() == before:
                return found
        return None
    except AttributeError:  # a task was woken since: it awaits None
        return None


def _at_once(things: list[Any], order: _Order) -> _Instant:
    referents = chain.from_iterable(map(gc.get_referents, islice(things, order.changing)))
    waits = chain(
        map(id, map(attrgetter("_fut_waiter"), order.waiting(things))),
        map(attrgetter("_fut_waiter._state"), order.waiting(things)),
    )
    readings: Iterable[partial[Any]] = (
        partial(array, "Q", map(getrefcount, things)),
        partial(array, "Q", map(id, referents)),
        partial(list, waits),
        partial(array, "Q", map(weakref.getweakrefcount, islice(things, *order.weak))),
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
    start, end = island.first[number], island.last[number]
    if start < 0 or start == end:
        return False
    kinds, kind, out = island.kinds, island.kinds[number], island.links[start:end]
    if kind == GATE:
        awaited, chained = island.awaited.get(number), island.chained
        return any([each != awaited and each not in chained for each in out])
    if kind == PART:
        is_future = is_a(island.members[number], asyncio.Future)
        return not (is_future and all([kinds[each] == GATE or _only_wakes(island, each) for each in out]))
    return not is_a(island.members[number], _UNCHANGING)


def _only_wakes(island: Island, number: int) -> bool:
    return island.kinds[number] == METHOD and wakes_a_task(island.members[number])


class _MayBeWeak(dict[type, bool]):
    """By class, whether weak references count. Not to tasks: asyncio and the agent themselves keep some to each."""

    def __missing__(self, cls: type) -> bool:
        self[cls] = found = cls.__weakrefoffset__ != 0 and not issubclass(cls, asyncio.Task)
        return found


def _harmless(island: Island, numbers: list[int]) -> dict[int, int]:
    """How many of a member's weak references give nobody access, where it has any: the agent's own, and the loop's to
    async generators, which it closes at its end."""
    found: dict[int, int] = {}
    for chunk in island.paced(numbers):
        for number in chunk:
            thing = island.members[number]
            if weakref.getweakrefcount(thing):
                ours = sum(type(each) is OwnReference for each in weakref.getweakrefs(thing))
                found[number] = ours + is_a(thing, types.AsyncGeneratorType)
    return found
