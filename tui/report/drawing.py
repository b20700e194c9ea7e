"""A wait-for graph as SVG, to stand in a page: its style sheet gives the colours, without one it is lines and text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from ...agent.findings import Finding
from ...agent.sinks.text import cells_of, clean
from .boxes import Box, Point
from .graph import Arc, Graph, Node, graph_of
from .layout import Layout, arranged
from .markup import Markup, joined, tag

_CELL, _SMALL = 7.3, 6.2
"""Widths of a character of the two sizes of text."""
_MOST_CELLS, _MOST_SMALL = 24, 29
_HEIGHT, _ROUND = 42.0, 7.0
_WORDS = {"waits": "waits for", "held_by": "held by", "joins": "awaits"}
_ORDERS = {"waits": "takes", "held_by": "held by"}
"""Of what might have been, as in a ``lock-order``."""


def drawn(finding: Finding) -> Markup | None:
    """The wait-for graph of a finding; None when there is nothing to draw."""
    graph = graph_of(finding)
    if graph is None:
        return None
    keys = {node.id: f"n{number}" for number, node in enumerate(graph.nodes)}
    sizes = {keys[node.id]: _size(node) for node in graph.nodes}
    layout = arranged(sizes, [(keys[arc.source], keys[arc.target]) for arc in graph.arcs])
    arcs = [(arc, layout.routes[keys[arc.source], keys[arc.target]]) for arc in graph.arcs]
    core = {node.id for node in graph.nodes if node.core}
    lines = [_line(arc, points, {arc.source, arc.target} <= core) for arc, points in arcs]
    words = _ORDERS if finding.kind == "lock-order" else _WORDS
    told = [_word(words.get(arc.relation, arc.relation), points) for arc, points in arcs]
    boxes = [_box(node, layout.boxes[keys[node.id]]) for node in graph.nodes]
    return _frame(layout, _spoken(graph, words), joined([*lines, *told, *boxes]))


def _frame(layout: Layout, spoken: str, inside: Markup) -> Markup:
    return tag(
        "svg",
        tag("title", spoken),
        tag("g", inside, fill="none", stroke="currentColor"),
        class_="graph wide" if layout.width > 560 else "graph",
        viewBox=f"0 0 {layout.width:.0f} {layout.height:.0f}",
        width=round(layout.width),
        height=round(layout.height),
        role="img",
    )


def _spoken(graph: Graph, words: Mapping[str, str]) -> str:
    """The graph in words, for those who cannot see it."""
    names = {node.id: node.name for node in graph.nodes}
    said = [f"{names[arc.source]} {words.get(arc.relation, arc.relation)} {names[arc.target]}" for arc in graph.arcs]
    return "Wait-for graph: " + "; ".join(said)


def _size(node: Node) -> Point:
    name, about = cells_of(_cut(node.name)) * _CELL, cells_of(_cut(node.about, _MOST_SMALL)) * _SMALL
    return max(64.0, name + 22, about + 22), _HEIGHT


def _box(node: Node, box: Box) -> Markup:
    x, y = box.left[0], box.top[1]
    corner = _HEIGHT / 2 if node.kind == "resource" else 5
    kind = f"node {node.kind} {'core' if node.core else 'outer'}"
    return tag(
        "g",
        tag("title", joined(_lines(node))),
        tag("rect", x=x, y=y, width=box.w, height=box.h, rx=corner),
        _text(_cut(node.name), "name", box.x, box.y + (-2 if node.about else 4)),
        _text(_cut(node.about, _MOST_SMALL), "about", box.x, box.y + 13) if node.about else None,
        class_=kind,
    )


def _lines(node: Node) -> Iterator[str]:
    for line in (node.name, node.about, *node.tip.split("\n")):
        if line:
            yield line
            yield Markup("\n")


def _text(text: str, kind: str, x: float, y: float) -> Markup:
    return tag("text", text, x=x, y=y, class_=kind, text_anchor="middle", fill="currentColor", stroke="none")


def _line(arc: Arc, points: Sequence[Point], core: bool) -> Markup:
    kind = f"arc {arc.relation if arc.relation in _WORDS else 'other'} {'core' if core else 'outer'}"
    return tag("g", tag("path", d=_rounded(points)), tag("path", d=_head(points), class_="head"), class_=kind)


def _word(word: str, points: Sequence[Point]) -> Markup:
    """What an arc means, at the middle of its longest part."""
    _, (x, y), (to_x, to_y) = max(
        (abs(one[0] - other[0]) + abs(one[1] - other[1]), one, other) for one, other in pairwise(points)
    )
    return _text(word, "word", (x + to_x) / 2, (y + to_y) / 2 + 3.5)


def _rounded(points: Sequence[Point]) -> str:
    """A path along the points, its corners rounded."""
    path = [f"M{_at(points[0])}"]
    for before, here, after in zip(points, points[1:], points[2:], strict=False):
        path.append(f"L{_at(_toward(here, before))}Q{_at(here)} {_at(_toward(here, after))}")
    return "".join([*path, f"L{_at(points[-1])}"])


def _head(points: Sequence[Point]) -> str:
    """An arrow's head at the end of the points."""
    (x, y), before = points[-1], points[-2]
    tip = _toward((x, y), before, 8.0)
    dx, dy = (x - tip[0]) / 2.2, (y - tip[1]) / 2.2
    return f"M{_at((x, y))}L{_at((tip[0] - dy, tip[1] + dx))}L{_at((tip[0] + dy, tip[1] - dx))}Z"


def _toward(here: Point, there: Point, far: float = _ROUND) -> Point:
    """From here a bit of the way, at most half of it."""
    length = max(1e-9, ((there[0] - here[0]) ** 2 + (there[1] - here[1]) ** 2) ** 0.5)
    part = min(0.5, far / length)
    return here[0] + (there[0] - here[0]) * part, here[1] + (there[1] - here[1]) * part


def _at(point: Point) -> str:
    return f"{point[0]:.1f},{point[1]:.1f}"


def _cut(text: str, cells: int = _MOST_CELLS) -> str:
    """At most so many cells, without the middle: names often differ at their ends."""
    text = clean(text)
    if cells_of(text) <= cells:
        return text
    half = (cells - 1) // 2
    head, tail = text[:half], text[-half:]
    while cells_of(head) > half:
        head = head[:-1]
    while cells_of(tail) > half:
        tail = tail[1:]
    return f"{head}…{tail}"
