"""The wait-for graph of a finding, made small, laid out and drawn."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unstuck.agent.findings import Event, Finding
from unstuck.agent.snapshot import Edge
from unstuck.tui.report.boxes import Box
from unstuck.tui.report.drawing import drawn
from unstuck.tui.report.graph import MOST_NODES, Graph, graph_of
from unstuck.tui.report.layout import Layout, arranged

from . import builders, recordings

SIZE = (90.0, 42.0)


def graph(finding: Finding) -> Graph:
    found = graph_of(finding)
    assert found is not None
    return found


def said(found: Graph) -> set[tuple[str, str, str]]:
    names = {node.id: node.name for node in found.nodes}
    return {(names[arc.source], arc.relation, names[arc.target]) for arc in found.arcs}


def crowd(size: int) -> Finding:
    """So many workers that wait for a pool, which one of them holds."""
    names = [f"worker-{n}" for n in range(size)]
    return builders.event(
        tasks=tuple(builders.task(name, "pool", coro="work") for name in names),
        resources=(builders.lock("pool", "pool", "worker-0"),),
    ).finding


def test_edges_that_were_told_and_those_that_are_implied() -> None:
    """Whatever the edges leave out is read from the tasks and the resources."""
    assert {("nightly", "waits", "audit.lock"), ("audit.lock", "held_by", "nightly")} == said(
        graph(builders.lock_taken_twice().finding)
    )
    assert 4 == len(graph(builders.two_locks().finding).arcs)


def test_an_edge_to_somebody_who_is_not_told_of() -> None:
    """It is not drawn."""
    assert not any("enrich" in end for arc in said(graph(builders.ring_with_gather().finding)) for end in arc)


@pytest.mark.parametrize("event", [builders.blocked_loop(), builders.event()])
def test_nobody_waits_for_anybody(event: Event) -> None:
    """There is nothing to draw."""
    assert None is graph_of(event.finding)
    assert None is drawn(event.finding)


def test_tasks_that_do_the_same() -> None:
    """Three or more are one node that names them; two are two."""
    found = graph(crowd(6))
    assert {("5 tasks", "waits", "pool"), ("worker-0", "waits", "pool"), ("pool", "held_by", "worker-0")} == said(found)
    (node,) = [node for node in found.nodes if node.name == "5 tasks"]
    assert "worker-1, worker-2, worker-3, worker-4, worker-5" == node.tip
    assert 4 == len(graph(crowd(3)).nodes)


def test_a_graph_that_is_too_large() -> None:
    """What is far from the first task is one node, and the circle stays a circle."""
    found = graph(builders.long_ring(300).finding)
    assert MOST_NODES == len(found.nodes) == len(found.arcs)
    assert ("583 more", "291 tasks and 292 resources") in {(node.name, node.about) for node in found.nodes}
    assert len({arc.source for arc in found.arcs}) == len({arc.target for arc in found.arcs}) == MOST_NODES


def test_a_task_that_awaits_itself() -> None:
    """The arc is a loop at its side."""
    event = builders.event(tasks=(builders.task("self", None),), edges=(Edge("t:self", "t:self", "joins"),))
    assert {("self", "joins", "self")} == said(graph(event.finding))
    assert "awaits" in str(drawn(event.finding))


def test_what_might_have_been() -> None:
    """An order of locks is told in other words than a wait."""
    told = str(drawn(builders.two_locks(kind="lock-order").finding))
    assert ">takes<" in told and "waits for" not in told


# -- layouts -------------------------------------------------------------------------------------------


def overlap(one: Box, other: Box) -> bool:
    return abs(one.x - other.x) < (one.w + other.w) / 2 and abs(one.y - other.y) < (one.h + other.h) / 2


def check(layout: Layout, nodes: int, arcs: list[tuple[str, str]]) -> None:
    """All is there, inside the frame, and no box lies upon another; arcs begin and end at their boxes."""
    assert nodes == len(layout.boxes)
    assert not any(overlap(one, other) for one, other in combinations(layout.boxes.values(), 2))
    assert set(arcs) == set(layout.routes)
    for (source, target), points in layout.routes.items():
        for end, (x, y) in ((source, points[0]), (target, points[-1])):
            box = layout.boxes[end]
            assert abs(x - box.x) <= box.w / 2 + 0.1 and abs(y - box.y) <= box.h / 2 + 0.1
        assert all(0 <= x <= layout.width and 0 <= y <= layout.height for x, y in points)


def ring(size: int) -> list[tuple[str, str]]:
    names = [f"n{number}" for number in range(size)]
    return [*pairwise(names), (names[-1], names[0])]


@pytest.mark.parametrize("size", range(2, 12))
def test_a_circle(size: int) -> None:
    """Two columns, so it fits a narrow window; each arc leads to a neighbour."""
    arcs = ring(size)
    layout = arranged({f"n{number}": SIZE for number in range(size)}, arcs)
    check(layout, size, arcs)
    assert layout.width < 320
    for source, target in arcs:
        one, other = layout.boxes[source], layout.boxes[target]
        assert abs(one.x - other.x) + abs(one.y - other.y) < 200


def test_a_circle_with_others_behind_it() -> None:
    """They stand above it, who waits for a waiter above that one."""
    arcs = [*ring(4), ("a", "n2"), ("b", "a"), ("b", "n0")]
    layout = arranged({key: SIZE for key in ("n0", "n1", "n2", "n3", "a", "b")}, arcs)
    check(layout, 6, arcs)
    height = {key: box.y for key, box in layout.boxes.items()}
    assert height["b"] < height["a"] < height["n0"] == height["n1"] < height["n2"] == height["n3"]


def test_layers() -> None:
    """Who waits stands above what is waited for, and that above who holds it."""
    arcs = [("one", "pool"), ("two", "pool"), ("pool", "holder")]
    layout = arranged({key: SIZE for key in ("pool", "holder", "one", "two")}, arcs)
    check(layout, 4, arcs)
    height = {key: box.y for key, box in layout.boxes.items()}
    assert height["one"] == height["two"] < height["pool"] < height["holder"]
    assert layout.boxes["pool"].x == pytest.approx((layout.boxes["one"].x + layout.boxes["two"].x) / 2)


names = st.integers(0, 8).map("n{}".format)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(names, names), min_size=1, max_size=20, unique=True))
def test_any_graph(arcs: list[tuple[str, str]]) -> None:
    """The same layout each time, and all its laws hold."""
    sizes = {key: (60.0 + 25 * int(key[1:]), 42.0) for arc in arcs for key in arc}
    layout = arranged(sizes, arcs)
    check(layout, len(sizes), arcs)
    assert layout == arranged(sizes, arcs)


@settings(max_examples=60, deadline=None)
@given(recordings.events)
def test_any_finding(event: Event) -> None:
    """Its graph is small, every arc has its ends, and the drawing is well-formed."""
    found = graph_of(event.finding)
    if found is None:
        return
    ids = [node.id for node in found.nodes]
    assert len(ids) == len(set(ids)) <= MOST_NODES
    assert {end for arc in found.arcs for end in (arc.source, arc.target)} <= set(ids)
    root = ElementTree.fromstring(str(drawn(event.finding)))
    assert len(ids) == sum(str(each.get("class")).startswith("node ") for each in root.iter("g"))
