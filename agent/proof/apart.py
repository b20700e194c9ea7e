"""An island in parts that no reference leads between.

Laws:
- Each part is judged for itself, with what the others refer to it by (nothing) counted as from outside: the verdict
  is that over the whole, but no instant takes longer than its part.
- The agent's own members belong to every part and hold none together.
"""

from __future__ import annotations

from .island import Island

ENOUGH = 15_000
"""Small parts are judged together up to so many members."""


def apart(island: Island, kept: list[int]) -> list[list[int]]:
    """The members in ``kept``, all of them expanded, in lists: what hangs together is in one of them."""
    if len(kept) <= ENOUGH:
        return [kept]
    own = [number for number in kept if number in island.own]
    parts: list[list[int]] = [[]]
    for component in _components(island, kept):
        if len(parts[-1]) >= ENOUGH:
            parts.append([])
        parts[-1] += component
    return [sorted(part) + own for part in parts if part]


def _components(island: Island, kept: list[int]) -> list[list[int]]:
    """Connected components by references in either direction (union by root, with path halving)."""
    root = {number: number for number in kept if number not in island.own}

    def find(number: int) -> int:
        while root[number] != number:
            root[number] = number = root[root[number]]
        return number

    for number in root:
        island.pause()
        mine = find(number)
        for each in island.out(number):
            if each in root:
                root[find(each)] = mine
    components: dict[int, list[int]] = {}
    for number in root:
        components.setdefault(find(number), []).append(number)
    return list(components.values())
