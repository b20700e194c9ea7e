"""The wait-for graph of a finding, made small enough to be drawn.

Laws:
- What is drawn is a quotient of what was recorded: nodes are put together, none is left out, no arc is invented.
- Tasks of one coroutine with the same waits and holds are one node when there are MANY of them; of a graph that is
  still too large, what lies farthest from the first task is one node.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from ...agent.findings import Finding
from ...agent.sinks.places import bare, waiting_place
from ...agent.sinks.stderr import age
from ...agent.sinks.text import count_of
from ...agent.snapshot import ResourceView, TaskView

MANY, MOST_NODES = 3, 18
_REST = "\0rest"
_MOST_TOLD = 12


@dataclass(frozen=True, slots=True)
class Node:
    """A task, a thread, a resource, or several of them. ``tip`` is what there is more to say."""

    id: str
    kind: str
    core: bool
    name: str
    about: str
    tip: str


@dataclass(frozen=True, slots=True)
class Arc:
    """``relation`` is waits, held_by or joins."""

    source: str
    target: str
    relation: str


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes in the order in which the finding tells of them."""

    nodes: tuple[Node, ...]
    arcs: tuple[Arc, ...]


def graph_of(finding: Finding) -> Graph | None:
    """The graph of a finding; None when nobody waits for anybody in it."""
    arcs = _arcs(finding)
    met = {end for source, target in arcs for end in (source, target)}
    nodes = {node.id: node for node in _nodes(finding) if node.id in met}
    graph = _cut(*_alike(finding, nodes, arcs))
    return graph if graph.arcs else None


Arcs = dict[tuple[str, str], str]


def _arcs(finding: Finding) -> Arcs:
    """Relations by their ends: those that are told, and those that tasks and resources imply."""
    resources = {resource.id for resource in finding.resources}
    known = resources | {task.id for task in finding.tasks}
    told = [(edge.source, edge.target, edge.relation) for edge in finding.edges]
    told += [(task.id, task.waits_for, "waits") for task in finding.tasks if task.waits_for in resources]
    told += [(each.id, holder, "held_by") for each in finding.resources for holder in each.holders]
    arcs: Arcs = {}
    for source, target, relation in told:
        if source in known and target in known:
            arcs.setdefault((source, target), relation)
    return arcs


def _nodes(finding: Finding) -> Iterator[Node]:
    for task in finding.tasks:
        yield _task(task)
    for resource in finding.resources:
        yield _resource(resource)


def _task(task: TaskView) -> Node:
    place = waiting_place(task.stack)
    coro = bare(task.coro)
    about = coro if coro and coro != task.name else ""
    at = f"{place.file}:{place.line}\n{place.code}\n" if place else ""
    kind = "thread" if task.id.startswith("thread-") else "task"
    return Node(task.id, kind, task.role == "core", task.name, about, f"{at}for {age(task.waiting_s)}")


def _resource(resource: ResourceView) -> Node:
    made = resource.created_at
    units = f", {resource.units} units" if (resource.units or 1) > 1 else ""
    tip = f"made at {made.file}:{made.line}\n{made.code}" if made else ""
    return Node(resource.id, "resource", True, resource.name, resource.type + units, tip)


def _alike(finding: Finding, nodes: Mapping[str, Node], arcs: Arcs) -> tuple[dict[str, Node], Arcs]:
    """Put together the tasks that do the same."""
    coros = {task.id: task.coro for task in finding.tasks}
    groups: dict[object, list[str]] = {}
    links: dict[str, set[tuple[str, str, bool]]] = {}
    for (source, target), relation in arcs.items():
        links.setdefault(source, set()).add((target, relation, True))
        links.setdefault(target, set()).add((source, relation, False))
    for key, node in nodes.items():
        if node.kind == "task":
            groups.setdefault((coros[key], node.core, frozenset(links[key])), []).append(key)
    together = {key: group[0] for group in groups.values() if len(group) >= MANY for key in group}
    merged = dict(nodes)
    for group in groups.values():
        if len(group) >= MANY:
            merged[group[0]] = _crowd(nodes[group[0]], [nodes[key].name for key in group])
    return _quotient(merged, arcs, together)


def _crowd(first: Node, names: list[str]) -> Node:
    told = ", ".join(names[:_MOST_TOLD]) + (", ..." if len(names) > _MOST_TOLD else "")
    return replace(first, name=count_of(len(names), "task"), about=first.about or first.name, tip=told)


def _cut(nodes: dict[str, Node], arcs: Arcs) -> Graph:
    """Put together what is too much."""
    if len(nodes) > MOST_NODES:
        near = set(list(_by_distance(nodes, arcs))[: MOST_NODES - 1])
        rest = [node for key, node in nodes.items() if key not in near]
        nodes[_REST] = Node(_REST, "rest", any(node.core for node in rest), f"{len(rest)} more", _sorts(rest), "")
        nodes, arcs = _quotient(nodes, arcs, {node.id: _REST for node in rest})
    return Graph(tuple(nodes.values()), tuple(Arc(*ends, relation) for ends, relation in arcs.items()))


def _sorts(nodes: list[Node]) -> str:
    resources = sum(node.kind == "resource" for node in nodes)
    parts = [(len(nodes) - resources, "task"), (resources, "resource")]
    return " and ".join(count_of(number, noun) for number, noun in parts if number)


def _by_distance(nodes: Mapping[str, Node], arcs: Arcs) -> Iterator[str]:
    """All nodes, along the arcs from the first of the core; those that no arc leads to at the end."""
    after: dict[str, list[str]] = {}
    for source, target in arcs:
        after.setdefault(source, []).append(target)
    seen: set[str] = set()
    for start in sorted(nodes, key=lambda key: not nodes[key].core):
        queue = deque([start])
        while queue:
            key = queue.popleft()
            if key not in seen:
                seen.add(key)
                yield key
                queue.extend(after.get(key, ()))


def _quotient(nodes: Mapping[str, Node], arcs: Arcs, together: Mapping[str, str]) -> tuple[dict[str, Node], Arcs]:
    """The graph in which each node stands for all that are mapped to it."""
    kept = {key: node for key, node in nodes.items() if together.get(key, key) == key}
    merged: Arcs = {}
    for (source, target), relation in arcs.items():
        ends = together.get(source, source), together.get(target, target)
        if ends[0] != ends[1] or source == target:
            merged.setdefault(ends, relation)
    return kept, merged
