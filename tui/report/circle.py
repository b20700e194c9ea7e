"""The layout of a graph with one plain circle: two columns, clockwise, and those outside it in rows above."""

from __future__ import annotations

from collections.abc import Sequence

from .boxes import ACROSS, ASIDE, DOWN, LANE, Box, Pair, Plan, Point, Sizes
from .layers import levels


def ring_of(sizes: Sizes, arcs: Sequence[Pair]) -> list[str]:
    """The nodes of the graph's one circle, in order; none when there is no circle, or more than a plain one."""
    inner = _without_tails(sizes, arcs)
    after: dict[str, list[str]] = {}
    for source, target in arcs:
        if source in inner and target in inner:
            after.setdefault(source, []).append(target)
    if not inner or any(len(after.get(key, ())) != 1 for key in inner):
        return []
    start = next(key for key in sizes if key in inner)
    ring = [start]
    while (key := after[ring[-1]][0]) != start and key not in ring:
        ring.append(key)
    return ring if len(ring) == len(inner) else []


def _without_tails(sizes: Sizes, arcs: Sequence[Pair]) -> set[str]:
    """The nodes left when those that nothing leads to, or that lead nowhere, are taken off again and again."""
    inner = set(sizes)
    while True:
        live = [(source, target) for source, target in arcs if source in inner and target in inner]
        kept = {source for source, _ in live} & {target for _, target in live}
        if kept == inner:
            return inner
        inner = kept


def circle(sizes: Sizes, arcs: Sequence[Pair], ring: list[str]) -> Plan:
    """The layout around this ring."""
    boxes = _two_columns(sizes, ring)
    outside = _rows_above(sizes, arcs, ring, min(box.top[1] for box in boxes.values()))
    boxes |= outside
    edge = max(abs(x) for box in boxes.values() for x, _ in (box.left, box.right)) + LANE
    routes = {}
    for source, target in arcs:
        upper, lower = sorted((source, target), key=lambda key: boxes[key].y)
        gap = boxes[lower].top[1] - boxes[upper].bottom[1]
        if upper in outside and gap > DOWN + LANE:
            points = _around(boxes[upper], boxes[lower], edge)
            routes[source, target] = points if upper == source else points[::-1]
        else:
            routes[source, target] = _straight(boxes[source], boxes[target], (target, source) in arcs)
    return Plan(boxes, routes)


def _two_columns(sizes: Sizes, ring: list[str]) -> dict[str, Box]:
    """The ring clockwise from the upper left; of an odd number the lowest stands between the columns."""
    pairs = len(ring) // 2
    right = ring[1 : pairs + 1]
    left = [ring[0], *reversed(ring[len(ring) - pairs + 1 :])]
    bottom = ring[pairs + 1] if len(ring) % 2 else None
    middle_left = -(max(sizes[key][0] for key in left) + ACROSS) / 2
    middle_right = (max(sizes[key][0] for key in right) + ACROSS) / 2
    boxes, y = {}, 0.0
    for one, other in zip(left, right, strict=True):
        height = max(sizes[one][1], sizes[other][1])
        boxes[one] = Box(middle_left, y + height / 2, *sizes[one])
        boxes[other] = Box(middle_right, y + height / 2, *sizes[other])
        y += height + DOWN
    if bottom is not None:
        boxes[bottom] = Box(0.0, y + sizes[bottom][1] / 2, *sizes[bottom])
    return boxes


def _rows_above(sizes: Sizes, arcs: Sequence[Pair], ring: list[str], top: float) -> dict[str, Box]:
    """Those outside the ring, in rows of at most three, who waits above what is waited for."""
    outside = {key: size for key, size in sizes.items() if key not in ring}
    height = levels(outside, [(target, source) for source, target in arcs if {source, target} <= outside.keys()])
    boxes: dict[str, Box] = {}
    for level in sorted(set(height.values())):
        keys = [key for key in outside if height[key] == level]
        for start in range(0, len(keys), 3):
            row = keys[start : start + 3]
            tall = max(sizes[key][1] for key in row)
            boxes |= _in_a_row(sizes, row, top - DOWN - tall / 2)
            top -= DOWN + tall
    return boxes


def _in_a_row(sizes: Sizes, row: Sequence[str], y: float) -> dict[str, Box]:
    x = -(sum(sizes[key][0] for key in row) + LANE * (len(row) - 1)) / 2
    boxes = {}
    for key in row:
        boxes[key] = Box(x + sizes[key][0] / 2, y, *sizes[key])
        x += sizes[key][0] + LANE
    return boxes


def _around(upper: Box, lower: Box, edge: float) -> list[Point]:
    """From a box along the outside of everything to the side of one further down."""
    edge = -edge if lower.x < 0 else edge
    end = lower.left if edge < 0 else lower.right
    gap = upper.bottom[1] + DOWN / 2
    return [upper.bottom, (upper.x, gap), (edge, gap), (edge, end[1]), end]


def _straight(one: Box, other: Box, twin: bool) -> list[Point]:
    """From side to side; beside the middle when there is an arc the other way as well."""
    if other.top[1] >= one.bottom[1]:
        aside = -ASIDE if twin else 0.0
        return [(one.x + aside, one.bottom[1]), (other.x + aside, other.top[1])]
    if other.bottom[1] <= one.top[1]:
        aside = ASIDE if twin else 0.0
        return [(one.x + aside, one.top[1]), (other.x + aside, other.bottom[1])]
    aside = -8.0 if twin and other.x > one.x else 8.0 if twin else 0.0
    start, end = (one.right, other.left) if other.x > one.x else (one.left, other.right)
    return [(start[0], start[1] + aside), (end[0], end[1] + aside)]
