"""Reduction: let everything finish that can; what is left over never will.

Laws:
- Optimistic: whoever can move is taken to finish and to give back all it holds.
- Linear in nodes + needs.
- networkx is called on what remains, and only when it is more than plain rings.

The reduction is Holt's, "Some deadlock properties of computer systems" (1972), on AND/OR graphs as in
Knapp, "Deadlock detection in distributed databases" (1987).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from .graph import Graph
from .waits import Mode


def irreducible(graph: Graph, likely: bool = False) -> set[int]:
    """Keys of the nodes that can never finish, strictly, or as is ``likely``."""
    waiting_on: dict[int, list[int]] = defaultdict(list)
    freed_by: dict[int, list[int]] = defaultdict(list)
    missing: dict[int, int] = {}
    finished: list[int] = []
    for key, node in graph.nodes.items():
        mode = node.likely if likely else node.strict
        if mode is Mode.FREE:
            finished.append(key)
            continue
        missing[key] = len(node.needs) if mode is Mode.ALL else 1
        for need in node.needs:
            waiting_on[need].append(key)
        for escape in () if likely else node.escapes:
            freed_by[escape].append(key)
    while finished:
        done = finished.pop()
        for key in waiting_on.get(done, ()):
            if key in missing:
                missing[key] -= 1
        freed = [key for key in freed_by.get(done, ()) if key in missing]
        for key in {*freed, *(key for key in waiting_on.get(done, ()) if not missing.get(key, 1))}:
            del missing[key]
            finished.append(key)
    return set(missing)


def remainder(graph: Graph, stuck: set[int]) -> dict[int, tuple[int, ...]]:
    """The needs among the stuck nodes."""
    return {key: tuple(need for need in graph.nodes[key].needs if need in stuck) for key in stuck}


def leads_to(graph: Graph, start: int, goal: int) -> bool:
    """Whether a node needs another, directly or through others, none of which ends its wait by itself."""
    seen, todo = {start}, [start]
    while todo:
        node = graph.nodes[todo.pop()]
        needs = node.needs if node.likely is not Mode.FREE else ()
        if goal in needs:
            return True
        todo += [need for need in needs if need not in seen]
        seen.update(needs)
    return False


def cores(needs: Mapping[int, tuple[int, ...]]) -> list[set[int]]:
    """The strongly connected knots of a remainder: sets of nodes that wait for each other."""
    inner = _without_sources(needs)
    if all(len(targets) == 1 for targets in inner.values()):
        return _rings({key: targets[0] for key, targets in inner.items()})
    import networkx  # 130 ms: only a true knot pays

    picture = networkx.DiGraph([(key, target) for key, targets in inner.items() for target in targets])
    return [
        set(knot)
        for knot in networkx.strongly_connected_components(picture)
        if len(knot) > 1 or picture.has_edge(*(2 * tuple(knot)))
    ]


def shortest_ring(needs: Mapping[int, tuple[int, ...]], knot: set[int]) -> list[int]:
    """A shortest cycle inside a knot, in order of waiting: the part worth drawing."""
    if all(len([target for target in needs[key] if target in knot]) == 1 for key in knot):
        first = min(knot)
        ring = [first]
        while (following := next(target for target in needs[ring[-1]] if target in knot)) != first:
            ring.append(following)
        return ring
    best: list[int] = []
    for start in list(knot)[:50]:
        ring = _ring_through(start, needs, knot)
        if ring and (not best or len(ring) < len(best)):
            best = ring
    return best


def _without_sources(needs: Mapping[int, tuple[int, ...]]) -> dict[int, tuple[int, ...]]:
    """Peel off, again and again, the nodes that nobody in the remainder needs: they are in no cycle."""
    inner = dict(needs)
    count: dict[int, int] = defaultdict(int)
    for targets in needs.values():
        for target in targets:
            count[target] += 1
    todo = [key for key in needs if not count[key]]
    while todo:
        for target in inner.pop(todo.pop()):
            count[target] -= 1
            if not count[target]:
                todo.append(target)
    return inner


def _rings(follow: Mapping[int, int]) -> list[set[int]]:
    """The cycles of a graph in which each node has one successor."""
    found, settled = [], set[int]()
    for start in follow:
        path: dict[int, None] = {}
        key = start
        while key not in settled and key not in path:
            path[key] = None
            key = follow[key]
        if key not in settled:
            walked = list(path)
            found.append(set(walked[walked.index(key) :]))
        settled.update(path)
    return found


def _ring_through(start: int, needs: Mapping[int, tuple[int, ...]], knot: set[int]) -> list[int]:
    came: dict[int, int] = {}
    level = [start]
    while level:
        following = []
        for key in level:
            for target in needs[key]:
                if target == start:
                    ring = [key]
                    while ring[-1] != start:
                        ring.append(came[ring[-1]])
                    return ring[::-1]
                if target in knot and target not in came:
                    came[target] = key
                    following.append(target)
        level = following
    return []
