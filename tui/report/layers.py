"""The layout of any small graph in layers, who waits above what is waited for.

As by Sugiyama, Tagawa and Toda, "Methods for Visual Understanding of Hierarchical System Structures" (1981): break the
cycles, find the layers, order them, align them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from .boxes import ASIDE, DOWN, LANE, Box, Pair, Plan, Point, Sizes

_SWEEPS = 6


def layers(sizes: Sizes, arcs: Sequence[Pair]) -> Plan:
    """The layout in layers."""
    downward = _downward(sizes, arcs)
    level = levels(sizes, downward)
    chains = {(source, target): _chain(source, target, level) for source, target in downward}
    rows = _ordered(sizes, level, chains)
    boxes = _aligned(sizes, rows, chains)
    routes = {}
    for source, target in arcs:
        pair = (source, target) if (source, target) in chains else (target, source)
        twin = (target, source) in arcs
        routes[source, target] = _through(boxes, chains[pair], twin, pair != (source, target))
    return Plan({key: boxes[key] for key in sizes}, routes)


def _downward(sizes: Sizes, arcs: Sequence[Pair]) -> list[Pair]:
    """The arcs without their directions' contradictions: those that would close a cycle are turned round."""
    after: dict[str, list[str]] = {key: [] for key in sizes}
    for source, target in arcs:
        after[source].append(target)
    entered = {target for _, target in arcs}
    done: set[str] = set()
    back: set[Pair] = set()
    for start in sorted(sizes, key=lambda key: key in entered):
        if start in done:
            continue
        path = {start: iter(after[start])}
        done.add(start)
        while path:
            key = next(reversed(path))
            below = next(path[key], None)
            if below is None:
                del path[key]
            elif below in path:
                back.add((key, below))
            elif below not in done:
                done.add(below)
                path[below] = iter(after[below])
    return list(dict.fromkeys((t, s) if (s, t) in back else (s, t) for s, t in arcs))


def levels(sizes: Sizes, arcs: Iterable[Pair]) -> dict[str, int]:
    """Each node below all that lead to it."""
    level = dict.fromkeys(sizes, 0)
    for _ in sizes:
        moved = False
        for source, target in arcs:
            if level[target] <= level[source]:
                level[target], moved = level[source] + 1, True
        if not moved:
            break
    return level


def _chain(source: str, target: str, level: Mapping[str, int]) -> list[str]:
    """The arc's ends with a stand-in for each layer that it crosses."""
    between = range(level[source] + 1, level[target])
    return [source, *(f"\0{source}\0{target}\0{number}" for number in between), target]


def _ordered(sizes: Sizes, level: Mapping[str, int], chains: Mapping[Pair, list[str]]) -> list[list[str]]:
    """The layers, each sorted by where its neighbours stand, down and up again."""
    rows: list[list[str]] = [[] for _ in range(max(level.values()) + 1)]
    for key in sizes:
        rows[level[key]].append(key)
    for chain in chains.values():
        for offset, key in enumerate(chain[1:-1], 1):
            rows[level[chain[0]] + offset].append(key)
    beside = _neighbours(chains)
    for sweep in range(_SWEEPS):
        order = rows[1:] if sweep % 2 == 0 else rows[-2::-1]
        for row in order:
            place = {key: (index + 0.5) / len(each) for each in rows for index, key in enumerate(each)}
            row.sort(key=lambda key, place=place: _mean([place[n] for n in beside[key]], place[key]))  # type: ignore[misc]
    return rows


def _aligned(sizes: Sizes, rows: list[list[str]], chains: Mapping[Pair, list[str]]) -> dict[str, Box]:
    """Boxes for all nodes and stand-ins: each near its neighbours, none upon another."""
    beside = _neighbours(chains)
    x: dict[str, float] = {}
    for row in rows:
        _spread(sizes, row, {key: 0.0 for key in row}, x)
    for sweep in range(_SWEEPS):
        for row in rows if sweep % 2 == 0 else rows[::-1]:
            _spread(sizes, row, {key: _mean([x[n] for n in beside[key]], x[key]) for key in row}, x)
    boxes, y = {}, 0.0
    for row in rows:
        height = max(sizes[key][1] for key in row if key in sizes)
        for key in row:
            boxes[key] = Box(x[key], y + height / 2, *sizes.get(key, (0.0, height)))
        y += height + DOWN
    return boxes


def _spread(sizes: Sizes, row: list[str], wished: Mapping[str, float], x: dict[str, float]) -> None:
    """Give each of the row its place: as near to the wished one as the order and the widths allow."""
    ends, right = {}, float("-inf")
    for key in row:
        half = sizes.get(key, (0.0, 0.0))[0] / 2
        ends[key] = max(wished[key], right + half)
        right = ends[key] + half + LANE
    shift = sum(wished[key] - ends[key] for key in row) / len(row)
    x.update((key, place + shift) for key, place in ends.items())


def _through(boxes: Mapping[str, Box], chain: list[str], twin: bool, turned: bool) -> list[Point]:
    aside = (ASIDE if turned else -ASIDE) if twin else 0.0
    first, *between, last = (boxes[key] for key in chain)
    points = [(first.x + aside, first.bottom[1])]
    for box in between:
        points += [(box.x, box.top[1]), (box.x, box.bottom[1])]
    points.append((last.x + aside, last.top[1]))
    return points[::-1] if turned else points


def _neighbours(chains: Mapping[Pair, list[str]]) -> Mapping[str, list[str]]:
    beside: dict[str, list[str]] = defaultdict(list)
    for chain in chains.values():
        for one, other in pairwise(chain):
            beside[one].append(other)
            beside[other].append(one)
    return beside


def _mean(values: list[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise
