"""How far an island grows: only where that may close a wait that is still open.

Laws:
- First the parts that waits are made of. If all waits are closed by that, a cache of 50,000 entries that a
  frame refers to is never looked into.
- Then objects near the open waits whose references all come from within, small ones before large ones.
- Then, as a guess, objects that few others refer to: a cycle between two of them closes only when both are
  in. Their number is bounded; what hangs together with half the program stays outside.
- An object that somebody outside reaches is not worth it: what it refers to is open with or without it.
- A closed task may be kept by nobody but what it leads to itself. Where it matters whether it will be collected, for
  code of the program's would then run, what only closed tasks lead to is looked into as well (``reveal``).
"""

from __future__ import annotations

from .cleanup import cleans_up
from .island import Island
from .kinds import DICT, GATE, OTHER, ROW
from .reading import estimate
from .spread import Spread

_SMALL = 200
_FEW_HOLDERS = 8
_ROUNDS = 30
_GROWING = (OTHER, DICT, ROW)
_MOST_HIDDEN = 20_000


def grow(island: Island, guesses: int) -> Spread:
    """Grow an island that has its tasks; return what is open in it by estimate. ``guesses`` bounds the guessing."""
    spread = Spread(island, estimate(island))
    for _ in range(_ROUNDS):
        shore = _shore(island, spread)
        if not shore or island.is_full:
            break
        surplus = spread.surplus
        chosen = [n for n in shore if surplus[n] <= 0 and island.may_expand(n, _SMALL)]
        chosen = chosen or [n for n in shore if surplus[n] <= 0]
        if not chosen:
            chosen = [n for n in shore if surplus[n] <= _FEW_HOLDERS and island.may_expand(n, _SMALL)]
            chosen = sorted(chosen, key=surplus.__getitem__)[:guesses]
            guesses -= len(chosen)
        if not chosen:
            break
        for number in chosen:
            island.expand(number)
        spread = Spread(island, estimate(island))
    return spread


def reveal(island: Island, spread: Spread) -> tuple[Spread, bool]:
    """Expand whatever is closed, where somebody closed has clean-up code; was all there is to know learned by that?"""
    left = _MOST_HIDDEN
    for _ in range(_ROUNDS):
        hidden = _hidden(island, spread)
        if not hidden or not _matters(island, spread):
            return spread, True
        chosen = [number for number in hidden if island.may_expand(number)][:left]
        left -= len(chosen)
        for number in chosen:
            island.expand(number)
        if not chosen or island.is_full:
            break
        spread = Spread(island, estimate(island))
    return spread, False


def _hidden(island: Island, spread: Spread) -> list[int]:
    """The closed members that were not looked into."""
    first, opened, kinds = island.first, spread.opened, island.kinds
    found: list[int] = []
    for chunk in island.paced(spread.part):
        found += [n for n in chunk if first[n] < 0 and not opened[n] and kinds[n] in _GROWING]
    return found


def _matters(island: Island, spread: Spread) -> bool:
    """Whether it is not known who keeps some closed task, and any clean-up code is closed in."""
    closed = spread.closed()
    if not any(spread.surplus[number] > 0 for number in closed):
        return False
    opened, members, kinds = spread.opened, island.members, island.kinds
    for number in closed:
        island.pause()
        if cleans_up(members[number], GATE):
            return True
    for number in island.expanded():
        island.pause()
        is_closed = kinds[number] != GATE and not opened[number] and number not in island.chained
        if is_closed and cleans_up(members[number], kinds[number]):
            return True
    return False


def _shore(island: Island, spread: Spread) -> list[int]:
    """The members not yet expanded that open waits lead to, nearest first."""
    kinds, links, first, last = island.kinds, island.links, island.first, island.last
    todo = [number for number in island.gates() if spread.opened[number]]
    seen, shore = bytearray(len(island.members)), []
    for number in todo:
        seen[number] = 1
    for number in todo:
        island.pause()
        start = first[number]
        if start >= 0:
            for each in links[start : last[number]]:
                if not seen[each] and kinds[each] != GATE:
                    seen[each] = 1
                    todo.append(each)
        elif kinds[number] in _GROWING and island.may_expand(number):
            shore.append(number)
    return shore
