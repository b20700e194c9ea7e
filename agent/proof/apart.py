"""An island in parts that no reference leads between.

Laws:
- Each part is judged for itself, with what the others refer to it by (nothing) counted as from outside: the verdict
  is that over the whole, but no instant takes longer than its part.
- A strand is not taken apart, even where what held it together is open: too large a part is sound too.
- The agent's own members belong to every part and hold none together.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from .island import Island

ENOUGH = 15_000
"""Small parts are judged together up to so many members."""


def apart(island: Island, kept: list[int]) -> list[list[int]]:
    """The members in ``kept``, in ascending order, in lists: what hangs together is in one of them."""
    if len(kept) <= ENOUGH:
        return [kept]
    root, own = _joined(island, kept), sorted(island.own)
    roots, starts = list[int](), list[int]()
    for chunk in island.paced(list(range(len(root)))):
        roots += [_find(root, strand) for strand in chunk]
        starts += [bisect_left(kept, island.strands[strand]) for strand in chunk]
    starts.append(len(kept))
    parts: list[list[int]] = [[]]
    last = None
    for strand in sorted(range(len(roots)), key=roots.__getitem__):
        if len(parts[-1]) >= ENOUGH and roots[strand] != last:
            parts.append([])
        parts[-1] += kept[starts[strand] : starts[strand + 1]]
        last = roots[strand]
    island.pause(len(roots))
    for part in filter(None, parts):
        part[:] = [*(number for number in part if number not in island.own), *own]
        island.pause(len(part))
    return list(filter(None, parts))


def _joined(island: Island, kept: list[int]) -> list[int]:
    """The root of each strand, by union of those between which a link leads from one of ``kept`` to another."""
    root, strands = list(range(len(island.strands))), island.strands
    is_kept = bytearray(len(island.members))
    for chunk in island.paced(kept):
        for number in chunk:
            is_kept[number] = number not in island.own
    ends = iter(island.crossings)
    for one, other in zip(ends, ends, strict=True):
        island.pause()
        if is_kept[one] and is_kept[other]:
            first, second = bisect_right(strands, one) - 1, bisect_right(strands, other) - 1
            root[_find(root, first)] = _find(root, second)
    return root


def _find(root: list[int], strand: int) -> int:
    while root[strand] != strand:
        root[strand] = strand = root[root[strand]]
    return strand
