"""deadlock: tasks that wait for each other, for ever.

Laws:
- ``proven`` is what the strict reduction leaves, confirmed in the loop's thread.
- ``suspected`` is what only the likely reduction leaves (a sibling that still runs could fail and so end
  the join; a lock taken by hand could be released by another), and not before ``stuck_after``.
- One finding for each knot; whoever merely waits behind it is a victim.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..confirm import Judgement
from ..crowd import behind
from ..findings import PROVEN, SUSPECTED, Finding
from ..graph import Node
from ..judge import cores, remainder, shortest_ring
from ..resources import is_connection_pool, is_pool
from ..state import State
from ..views import MOST_VICTIMS, Views, loop_name
from ..waits import Mode

KIND = "deadlock"


def find(judgement: Judgement, state: State, now: float, stuck_after: float) -> Iterator[Finding]:
    """The deadlocks in a confirmed judgement. ``now`` is monotonic seconds."""
    proven: set[int] = set()
    for knot, stuck in _knots(judgement, judgement.stuck):
        proven |= knot
        yield _describe(judgement, knot, stuck, PROVEN, Views(judgement.graph, state, now), now)
    for knot, stuck in _knots(judgement, judgement.likely):
        views = Views(judgement.graph, state, now)
        tasks = judgement.graph.tasks(knot)
        if not knot & proven and now - max(map(views.waiting_since, tasks)) >= stuck_after:
            yield _describe(judgement, knot, stuck, SUSPECTED, views, now)


def closed(judgement: Judgement, tasks: set[int], state: State, now: float) -> Iterator[Finding]:
    """The deadlocks among tasks (by id) that are known to wait for ever."""
    for knot, stuck in _knots(judgement, judgement.likely):
        if tasks.issuperset(judgement.graph.tasks(knot)):
            yield _describe(judgement, knot, stuck, PROVEN, Views(judgement.graph, state, now), now)


def knots(judgement: Judgement) -> list[set[int]]:
    """The knots of a judgement, proven or likely, as sets of node keys."""
    return cores(remainder(judgement.graph, judgement.likely))


def _knots(judgement: Judgement, stuck: set[int]) -> Iterator[tuple[set[int], dict[int, tuple[int, ...]]]]:
    needs = remainder(judgement.graph, stuck)
    for knot in cores(needs):
        yield knot, needs


def _describe(
    judgement: Judgement, knot: set[int], needs: dict[int, tuple[int, ...]], verdict: str, views: Views, now: float
) -> Finding:
    graph = judgement.graph
    ring = _from_first_waiter(graph_order(shortest_ring(needs, knot), graph.tasks(knot)), views)
    victims = behind([graph.nodes[key].thing for key in ring], views.state)
    views.include(victims[:MOST_VICTIMS])
    tasks, resources, edges = views.picture(ring, [id(task) for task in victims[:MOST_VICTIMS]])
    return Finding(
        kind=KIND,
        verdict=verdict,
        title=_title(len(ring)),
        age_s=max(0.0, now - max(map(views.waiting_since, ring))),
        loop=loop_name(graph.nodes[ring[0]].thing.get_loop()),
        tasks=tasks,
        resources=resources,
        edges=edges,
        victims=len(victims),
        note=_note(verdict, [graph.nodes[key] for key in ring]),
        help=_help(judgement, ring),
        subject=(KIND, frozenset(ring)),
    )


def graph_order(ring: list[int], tasks: list[int]) -> list[int]:
    """The knot's tasks: those on its shortest ring first, in the order of waiting, then the rest."""
    on_ring = [key for key in ring if key in set(tasks)]
    return on_ring + [key for key in tasks if key not in set(on_ring)]


def _from_first_waiter(ring: list[int], views: Views) -> list[int]:
    first = min(range(len(ring)), key=lambda index: views.waiting_since(ring[index]))
    return ring[first:] + ring[:first]


def _title(tasks: int) -> str:
    if tasks == 1:
        return "a task waits for itself"
    return f"{tasks} tasks wait for each other"


def _note(verdict: str, nodes: list[Node]) -> str | None:
    if verdict == PROVEN:
        return None
    if any(node.wait is not None and is_connection_pool(node.wait.resource) for node in nodes):
        return "not proven: who has the connections was read from the tasks' frames; somebody else may give one back"
    if any(node.wait is not None and not node.wait.certain for node in nodes):
        return "not proven: somebody else could say that the child has started"
    return "not proven: another task could still release by hand what is held here, or a sibling fail and end the join"


def _help(judgement: Judgement, ring: list[int]) -> str:
    nodes = [judgement.graph.nodes[key] for key in ring]
    held = [node.wait.resource for node in nodes if node.wait is not None and node.wait.mode is Mode.HELD]
    if not held:
        return (
            "break the circle of awaits: note what is being processed and refuse a repeated key before waiting for it"
        )
    if len(held) < len(nodes):
        return "do not await a task that needs a lock you hold: release it first, or hand the work over without waiting"
    if any(map(is_pool, held)):
        return (
            "do not ask a pool for a second unit while holding one: take all that is needed at once, or give back first"
        )
    if len(ring) == 1:
        return "asyncio.Lock is not re-entrant: take it once at the outermost place and pass the work below without it"
    return "take locks in one global order, e.g. sorted by account id"
