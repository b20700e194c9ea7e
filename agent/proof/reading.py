"""One instant: reference counts, links that can change and waits, read in a single call into C.

Laws:
- ``list(map(call, ...))`` over built-in functions never enters the interpreter's loop, so the GIL is not
  given away between the first count and the last. On 3.11 making a list may start a collection, which may run
  anything: a reading during which one happened is none.
- Canaries without any other reference are read along: what those count, every member counts too much.
- Links out of suspended frames cannot change while their task waits for the same future, nor those of bound
  methods and tuples; all others are read again and must be what they were.
"""

from __future__ import annotations

import functools
import gc
import types
import weakref
from operator import attrgetter, call
from sys import getrefcount
from typing import Any

from .island import GATE, Island

_UNCHANGING = (types.MethodType, types.BuiltinMethodType, tuple, frozenset)
_TRIES = 3

_Instant = tuple[list[int], list[int], list[int], list[int]]
"""Reference counts, ids of links, ids of awaited futures, numbers of weak references."""


class OwnReference(weakref.ref[Any]):
    """A weak reference of the agent's: never shared with the program's, and told apart from them."""

    __slots__ = ()


class _Canary:
    __slots__ = ("__weakref__", "_fut_waiter")

    def __init__(self) -> None:
        self._fut_waiter = None


def estimate(island: Island) -> list[int]:
    """The surplus of each member, not at one instant: good for a guess."""
    kept = [_Canary()]
    counts = list(map(getrefcount, [*island.members, *kept]))
    base = counts.pop()
    return [count - base - inside for count, inside in zip(counts, island.within, strict=True)]


def read(island: Island) -> list[int] | None:
    """The surplus of each member at one instant, weak references included; None when something has changed."""
    kept = [_Canary() for _ in range(3)]
    gates = [n for n, kind in enumerate(island.kinds) if kind == GATE and island.out[n] is not None]
    changing = [n for n, out in enumerate(island.out) if out is not None and _can_change(island, n)]
    links = [key for n in changing for key in island.raw[n]]
    links += [id(each) for canary in kept[1:] for each in gc.get_referents(canary)]
    waits = [id(island.members[n]._fut_waiter) for n in gates]
    instant = _instant(
        [*island.members, *kept],
        [*(island.members[n] for n in changing), *kept[1:]],
        [*(island.members[n] for n in gates), kept[2]],
    )
    if instant is None or instant[1] != links or instant[2][:-1] != waits:
        return None
    counts, _links, _waits, weak = instant
    plain, twice, thrice = counts[-3:]
    surplus = [count - plain - inside for count, inside in zip(counts, island.within, strict=False)]
    for number in changing:
        surplus[number] -= twice - plain
    for number in gates:
        surplus[number] -= thrice - twice
    _add_weak(island, surplus, weak)
    return surplus


def _instant(members: list[Any], changing: list[Any], gates: list[Any]) -> _Instant | None:
    for _ in range(_TRIES):
        before = _collections()
        found = _at_once(members, changing, gates)
        if _collections() == before:
            return found
    return None


def _at_once(members: list[Any], changing: list[Any], gates: list[Any]) -> _Instant:
    waits = map(attrgetter("_fut_waiter"), gates)
    counts, links, waiting, weak = map(
        call,
        (
            functools.partial(list, map(getrefcount, members)),
            functools.partial(gc.get_referents, *changing),
            functools.partial(list, map(id, waits)),
            functools.partial(list, map(weakref.getweakrefcount, members)),
        ),
    )
    return counts, list(map(id, links)), waiting, weak


def _collections() -> list[int]:
    return [generation["collections"] for generation in gc.get_stats()]


def _can_change(island: Island, number: int) -> bool:
    if number in island.chained:
        return False
    return not isinstance(island.members[number], _UNCHANGING)


def _add_weak(island: Island, surplus: list[int], weak: list[int]) -> None:
    """A weak reference counts as one more from outside; the agent's own, and those to tasks, do not."""
    for number, count in enumerate(weak[: len(surplus)]):
        if count and island.kinds[number] != GATE:
            thing = island.members[number]
            ours = sum(type(each) is OwnReference for each in weakref.getweakrefs(thing))
            kept_by_loop = isinstance(thing, types.AsyncGeneratorType)  # in the loop's set, to be closed at the end
            surplus[number] += max(0, count - ours - kept_by_loop)
