"""The wait-for graph in the languages that draw graphs: who waits, for what, held by whom.

Laws:
- Drawn is who takes part: tasks that wait for a resource or task, and those on whom somebody waits. A task that waits
  for a timer or a socket, and on whom nobody waits, is no part of it.
- Tasks of one kind that stand at one line, wait for the same and are awaited by the same are one box where they are
  many.
- Names come from the program: they are quoted, whatever they hold.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from ...agent import wire
from ...agent.sinks.places import bare
from ...agent.sinks.text import age, clean
from ..picture import Edge, Picture
from . import place

MANY = 5
_MOST_LABEL = 120
"""Characters of a line of a label."""


@dataclass(frozen=True, slots=True)
class Node:
    """A box. ``lines`` is its label."""

    key: str
    lines: tuple[str, ...]
    is_task: bool
    is_core: bool = False
    """Whether it belongs to the core of an open finding that is proven or suspected."""


@dataclass(slots=True)
class Graph:
    """Boxes and arrows."""

    title: str
    nodes: dict[str, Node] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)


def graph(picture: Picture) -> Graph:
    """The wait-for graph of a process."""
    made = Graph(f"process {picture.pid}")
    edges = [edge for edge in dict.fromkeys(picture.edges()) if _is_known(edge.target, picture)]
    crowds, core = _crowds(edges, picture), _core(picture)
    for edge in edges:
        ends = []
        for key in (edge.source, edge.target):
            first, count = crowds.get(key, (key, 1))
            if first not in made.nodes:
                made.nodes[first] = _node(first, count, picture, core)
            ends.append(first)
        made.edges.append(Edge(ends[0], ends[1], edge.relation))
    made.edges = list(dict.fromkeys(made.edges))
    return made


def dot(made: Graph) -> Iterator[str]:
    """For Graphviz."""
    yield f"digraph {_quoted(made.title)} {{"
    yield "  rankdir=LR;"
    yield '  node [fontname="monospace", fontsize=10];'
    yield '  edge [fontname="monospace", fontsize=9];'
    for node in made.nodes.values():
        shape = "box, style=rounded" if node.is_task else "ellipse"
        red = ", color=red, penwidth=2" if node.is_core else ""
        yield f"  {_quoted(node.key)} [shape={shape}{red}, label={_quoted(chr(10).join(node.lines))}];"
    for edge in made.edges:
        style = ", style=dashed" if edge.relation == "held_by" else ""
        yield f"  {_quoted(edge.source)} -> {_quoted(edge.target)} [label={_quoted(_word(edge))}{style}];"
    yield "}"


def mermaid(made: Graph) -> Iterator[str]:
    """For Markdown."""
    numbers = {key: f"n{number}" for number, key in enumerate(made.nodes)}
    yield "flowchart LR"
    for node in made.nodes.values():
        label = "<br>".join(map(_escaped, node.lines))
        yield f'  {numbers[node.key]}["{label}"]' if node.is_task else f'  {numbers[node.key]}(["{label}"])'
    for edge in made.edges:
        arrow = "-.->" if edge.relation == "held_by" else "-->"
        yield f"  {numbers[edge.source]} {arrow}|{_word(edge)}| {numbers[edge.target]}"
    core = [numbers[node.key] for node in made.nodes.values() if node.is_core]
    if core:
        yield "  classDef core stroke:#d33,stroke-width:3px"
        yield f"  class {','.join(core)} core"


def _crowds(edges: list[Edge], picture: Picture) -> dict[str, tuple[str, int]]:
    """For each task of a crowd the first of it, and how many they are."""
    around = defaultdict[str, list[tuple[str, str]]](list)
    for edge in edges:
        around[edge.source].append((">", edge.target))
        around[edge.target].append(("<", edge.source))
    alike = defaultdict[tuple[object, ...], list[str]](list)
    for key, neighbours in around.items():
        task = picture.tasks.get(key)
        if task is not None:
            alike[task.coro, task.at, tuple(sorted(neighbours))].append(key)
    return {key: (keys[0], len(keys)) for keys in alike.values() if len(keys) >= MANY for key in keys}


def _core(picture: Picture) -> set[str]:
    found = set[str]()
    for record in picture.findings.values():
        if record["verdict"] != "potential":
            found |= {task["id"] for task in record["tasks"] if task["role"] == "core"}
            found |= {task["waits_for"] for task in record["tasks"] if task["role"] == "core" and task["waits_for"]}
    return found


def _is_known(key: str, picture: Picture) -> bool:
    return key in picture.tasks or key in picture.resources


def _node(key: str, count: int, picture: Picture, core: set[str]) -> Node:
    task = picture.tasks.get(key)
    if task is not None:
        return Node(key, tuple(_of_task(task, count, picture.time)), True, key in core)
    resource = picture.resources[key]
    return Node(key, tuple(_of_resource(resource)), False, key in core)


def _of_task(task: wire.Task, count: int, now: float) -> Iterator[str]:
    others = f" and {count - 1:,} more" if count > 1 else ""
    yield f"{clean(task.name)}{others} ({clean(bare(task.coro))})"
    if task.at is not None:
        yield place(task.at)
    if task.state == "waiting":
        yield f"waits {age(max(0.0, now - task.since))}"


def _of_resource(resource: wire.Resource) -> Iterator[str]:
    yield clean(resource.name)
    yield clean(resource.type) + (f" {resource.used}/{resource.total or '∞'}" if resource.used is not None else "")
    if resource.made is not None:
        yield place(resource.made)


def _word(edge: Edge) -> str:
    return edge.relation.replace("_", " ")


def _quoted(text: str) -> str:
    inner = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{inner}"'


def _escaped(text: str) -> str:
    """As Mermaid takes it between double quotes: entities for what would end or format the label."""
    cut = text if len(text) <= _MOST_LABEL else text[: _MOST_LABEL - 1] + "…"
    return "".join(char if char.isalnum() or char in " .,:/()_-·…" else f"#{ord(char)};" for char in cut)
