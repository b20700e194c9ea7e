"""Boxes and the points between them: what the layouts of small graphs are made of. Lengths are pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Point = tuple[float, float]
Pair = tuple[str, str]
Sizes = Mapping[str, Point]
"""Width and height by node."""
ACROSS, DOWN = 70.0, 40.0
"""The gaps between boxes with an arc: room for an arrow and a word."""
LANE = 18.0
"""The gap between boxes without one."""
ASIDE = 24.0
"""From the middle to an arc that has a twin in the other direction: half the width of its word."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle by its middle and its size."""

    x: float
    y: float
    w: float
    h: float

    @property
    def left(self) -> Point:
        """Middle of the left side; so with the others."""
        return self.x - self.w / 2, self.y

    @property
    def right(self) -> Point:
        """See left."""
        return self.x + self.w / 2, self.y

    @property
    def top(self) -> Point:
        """See left."""
        return self.x, self.y - self.h / 2

    @property
    def bottom(self) -> Point:
        """See left."""
        return self.x, self.y + self.h / 2


@dataclass(frozen=True, slots=True)
class Plan:
    """Boxes by node and points by arc."""

    boxes: dict[str, Box]
    routes: dict[Pair, list[Point]]
