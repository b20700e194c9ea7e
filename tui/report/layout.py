"""Where the nodes of a small graph stand, and along which points its arcs run.

Laws:
- Boxes never overlap; the same graph always gets the same layout.
- One circle, with or without others that wait for it, is drawn as a circle; everything else stands in layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .boxes import LANE, Box, Pair, Point, Sizes
from .circle import circle, ring_of
from .layers import layers

_MARGIN = 24.0
"""Around everything: room for half of a word at an arc on the outside."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Boxes by node and points by arc, in a frame that begins at (0, 0)."""

    width: float
    height: float
    boxes: dict[str, Box]
    routes: dict[Pair, list[Point]]


def arranged(sizes: Sizes, arcs: Sequence[Pair]) -> Layout:
    """A layout for nodes of these sizes."""
    proper = [(source, target) for source, target in arcs if source != target]
    ring = ring_of(sizes, proper)
    plan = circle(sizes, proper, ring) if ring else layers(sizes, proper)
    plan.routes.update({(key, key): _loop(plan.boxes[key]) for key, target in arcs if key == target})
    return _framed(plan.boxes, plan.routes)


def _loop(box: Box) -> list[Point]:
    (x, y), far = box.right, box.right[0] + LANE
    return [(x, y - 10), (far, y - 10), (far, y + 10), (x, y + 10)]


def _framed(boxes: dict[str, Box], routes: dict[Pair, list[Point]]) -> Layout:
    """Move everything so that it begins at the margin."""
    corners = [point for box in boxes.values() for point in (box.left, box.right, box.top, box.bottom)]
    points = corners + [point for route in routes.values() for point in route]
    dx = _MARGIN - min(x for x, _ in points)
    dy = _MARGIN - min(y for _, y in points)
    moved = {key: Box(box.x + dx, box.y + dy, box.w, box.h) for key, box in boxes.items()}
    width, height = max(x for x, _ in points) + dx + _MARGIN, max(y for _, y in points) + dy + _MARGIN
    return Layout(width, height, moved, {pair: [(x + dx, y + dy) for x, y in route] for pair, route in routes.items()})
