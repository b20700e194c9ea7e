"""Orders of locks as a graph, and the circles in it that could become deadlocks.

Laws:
- A circle counts when it could close: each of its orders was seen in another task, and nothing that two of
  these tasks held, or had entered, would have kept them apart.
- Searched breadth first from the newest order, so a shortest circle is found; bounded.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass

from ..hooks.orders import Order
from .enclosing import Spot

_MOST_STEPS = 2_000
_LONGEST = 6
_MOST_EDGES = 5_000
_MOST_PARALLEL = 12


@dataclass(frozen=True, slots=True, eq=False)
class Edge:
    """One order as seen in one task. ``held`` is all that this task had to itself meanwhile."""

    order: Order
    spots: dict[int, Spot]
    """Where the held locks were taken, by their numbers, as far as that is known."""
    held: frozenset[Hashable]


Path = tuple[Edge, ...]


class Ways:
    """A directed graph with several edges between two nodes."""

    def __init__(self) -> None:
        self._next: dict[Hashable, dict[Hashable, list[Edge]]] = defaultdict(dict)
        self._entered: deque[tuple[Hashable, Hashable]] = deque()

    def add(self, source: Hashable, target: Hashable, edge: Edge) -> None:
        """Enter an edge; the oldest leave when there are too many."""
        edges = self._next[source].setdefault(target, [])
        if len(edges) >= _MOST_PARALLEL:
            return
        edges.append(edge)
        self._entered.append((source, target))
        if len(self._entered) > _MOST_EDGES:
            self._drop(*self._entered.popleft())

    def _drop(self, source: Hashable, target: Hashable) -> None:
        edges = self._next[source][target]
        del edges[0]
        if not edges:
            del self._next[source][target]
        if not self._next[source]:
            del self._next[source]

    def circle(self, source: Hashable, target: Hashable, edge: Edge, counts: Callable[[Edge], bool]) -> Path | None:
        """A shortest circle that begins with this edge, of edges that count; None if there is none."""
        todo: deque[tuple[Hashable, tuple[Hashable, ...], Path]] = deque([(target, (source, target), (edge,))])
        for _ in range(_MOST_STEPS):
            if not todo:
                return None
            node, nodes, path = todo.popleft()
            for following, edges in self._next.get(node, {}).items():
                for each in _fitting(edges, path, counts):
                    if following == source:
                        return (*path, each)
                    if following not in nodes and len(path) < _LONGEST - 1:
                        todo.append((following, (*nodes, following), (*path, each)))
        return None


def _fitting(edges: Iterable[Edge], path: Path, counts: Callable[[Edge], bool]) -> Iterable[Edge]:
    for edge in edges:
        if counts(edge) and all(edge.order.task is not each.order.task and not edge.held & each.held for each in path):
            yield edge
