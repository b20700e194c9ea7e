"""What piles up on one object: done-callbacks on a future, timers for the very same call on a loop.

Laws:
- Counted in place; no list of the program's is copied but a loop's timers, and those in chunks.
- A future's list of callbacks is rebuilt whenever one is taken off it. So where entries stand that stood
  there a window ago, nothing before them was removed.
- Wake-ups of tasks are no callbacks of the program's: who waits is counted as a task. asyncio's own timers,
  such as those of ``sleep`` and ``timeout``, do not count either.
- Timers are counted together only if they will make the same call: same function, same object, same
  arguments. Many timers for many keys are a cache, not a pile.
"""

from __future__ import annotations

import functools
import gc
import time
import types
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from .attributes import is_a, own
from .pace import HAND_BACK
from .state import OwnReference
from .trend import LEAST, PATIENT, WINDOWS, Trend

_SAMPLE, _MOST_TIMERS, _CHUNK, _MOST_TRACKED = 64, 50_000, 2_000, 1_000
_OTHERS = ("asyncio", "concurrent", "unstuck")


@dataclass(slots=True)
class Pile:
    """A number of callbacks or timers that were counted more than once."""

    code: types.CodeType | None
    """Of the function that will be called; None for one of C."""
    name: str
    owner: Any
    """A weak reference to the future, or None."""
    loop: str = ""
    trend: Trend = field(default_factory=Trend)
    marks: dict[int, int] = field(default_factory=dict)
    """Ids of some entries by position; of timers by themselves."""
    seen: int = 0
    rearmed: bool = False
    """Timers that go off and are set again: their number alone tells."""

    def grows(self) -> bool:
        """Whether it is a leak."""
        return self.trend.grows(PATIENT if self.rearmed else WINDOWS)


class Callbacks:
    """Futures with long lists of done-callbacks."""

    def __init__(self) -> None:
        self.piles: dict[int, Pile] = {}
        self._window = 0

    def look(self, future: Any) -> None:
        """Count a future's callbacks, at most once a window."""
        entries = _entries(future)
        if entries is None:
            return
        pile = self.piles.get(id(future))
        if pile is None or pile.owner() is not future:
            pile = self._begin(future, entries)
        if pile is not None and pile.seen != self._window:
            pile.seen = self._window
            length = len(entries)
            stands = all(at < length and id(entries[at]) == mark for at, mark in pile.marks.items())
            pile.trend.add(length, 0 if stands else length)
            step = max(1, length // _SAMPLE)
            pile.marks = {at: id(entries[at]) for at in range(0, length, step)}

    def end_window(self) -> list[Pile]:
        """The piles that grow without end; those not met in this window are forgotten."""
        self.piles = {key: pile for key, pile in self.piles.items() if pile.seen == self._window}
        self._window += 1
        return [pile for pile in self.piles.values() if pile.grows()]

    def _begin(self, future: Any, entries: list[Any]) -> Pile | None:
        if len(self.piles) >= _MOST_TRACKED:
            return None
        codes = Counter(map(_code_of, [entry[0] for entry in entries[: _SAMPLE * 2]]))
        (code, count), *_ = codes.most_common(1)
        if code is None or 2 * count < min(len(entries), _SAMPLE * 2):
            return None
        pile = self.piles[id(future)] = Pile(code, code.co_qualname, OwnReference(future), seen=-1)
        return pile


class Timers:
    """Timers for the same call, loop by loop."""

    def __init__(self) -> None:
        self.piles: dict[Any, Pile] = {}

    def look(self, loops: Iterable[Any]) -> list[Pile]:
        """One window's count; the piles that grow without end."""
        found: dict[Any, list[Any]] = {}
        for loop in loops:
            self._collect(loop, found)
        piles = {}
        for key, (name, code, where, marks) in found.items():
            if len(marks) < LEAST:
                continue
            pile = self.piles.get(key) or Pile(code, name, None, where)
            before = set(pile.marks)
            gone = len(before - marks)
            pile.rearmed = pile.rearmed or 2 * gone > len(before) > 0
            pile.trend.add(len(marks), 0 if pile.rearmed else gone)
            pile.marks = dict.fromkeys(marks, 0)
            piles[key] = pile
        self.piles = piles
        return [pile for pile in piles.values() if pile.grows()]

    def _collect(self, loop: Any, found: dict[Any, list[Any]]) -> None:
        timers = list(getattr(loop, "_scheduled", ()))[:_MOST_TIMERS]
        where = f"{type(loop).__name__}-{id(loop):x}"
        for start in range(0, len(timers), _CHUNK):
            for handle in timers[start : start + _CHUNK]:
                call = _call_of(handle)
                if call is not None:
                    name, code, *same = call
                    entry = found.setdefault((id(loop), *same), [name, code, where, set()])
                    entry[3].add(hash((id(handle), handle._when)))
            time.sleep(HAND_BACK)


def _entries(future: Any) -> list[Any] | None:
    """A future's own list of callbacks, where it is long and not of wake-ups."""
    for each in gc.get_referents(future):
        if type(each) is list and len(each) >= LEAST:
            last = each[-1]
            if type(last) is tuple and len(last) == 2 and _code_of(last[0]) is not None:
                return each
    return None


def _code_of(callback: Any) -> types.CodeType | None:
    """The code of a callback of the program's; None for a wake-up and for asyncio's own."""
    while is_a(callback, functools.partial):
        callback = callback.func
    function = callback.__func__ if is_a(callback, types.MethodType) else callback
    if not is_a(function, types.FunctionType):
        return None
    module = str(function.__module__).partition(".")[0]
    return None if module in _OTHERS else function.__code__


def _call_of(handle: Any) -> tuple[Any, ...] | None:
    """What a timer will call: name, code, and what makes two calls the same."""
    callback, args = handle._callback, handle._args or ()
    if handle._cancelled or callback is None:
        return None
    while is_a(callback, functools.partial):
        wrapped: Any = callback
        callback, args = wrapped.func, (*wrapped.args, *args)
    owner = own(callback, "__self__")
    function = own(callback, "__func__", callback)
    if str(own(function, "__module__", "") or "").partition(".")[0] in _OTHERS:
        return None
    code = own(function, "__code__")
    name = own(function, "__qualname__", type(function).__name__)
    return name, code, (code and id(code)) or name, id(owner), tuple(map(id, args))
