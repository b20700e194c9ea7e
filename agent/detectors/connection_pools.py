"""pool-exhausted, for the connection pools of libraries: who has the connections is read, not noted (``pools``).

Laws:
- Told when holders wait for another connection of the same pool. Unlike a semaphore's, such waits mostly end by a
  timeout: then nothing is dead, and still nobody is served, so all of the holders may wait.
- Told as well when connections are out, none has come back for ``slow_wait_after``, and a search of all tasks found
  nobody who has them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ..confirm import Judgement, judge
from ..findings import SUSPECTED, Finding
from ..graph import Graph
from ..judge import leads_to
from ..pools import ConnectionPool
from ..state import State
from ..views import Views, loop_name
from .model import Sight

KIND = "pool-exhausted"
_MOST_SHOWN = 20
_ASKED_TWICE = (
    "do not ask a pool for a second connection while holding one: pass the connection on to the inner call, "
    "or give it back first"
)
_NOT_GIVEN_BACK = (
    "take a connection in an `async with` block, so that it is given back whatever happens; look for places where it "
    "is taken by hand, and an error or an early return leaves without giving it back"
)


def find(pools: Iterable[Any], sight: Sight, state: State) -> Iterator[Finding]:
    """The findings about these pools, for each of which somebody has waited for long."""
    for pool in pools:
        tasks = [task for holder in pool.holders if (task := holder.task()) is not None]
        first = state.task_by_id(pool.first)
        if first is None:
            continue
        judgement = judge([pool, first, *tasks], state)
        if waits_for_itself(judgement, pool):
            yield _asked_twice(judgement.graph, pool, state, sight.now)
        elif _is_short(pool, sight):
            yield _not_given_back(judgement.graph, pool, state, sight.now)


def waits_for_itself(judgement: Judgement, pool: ConnectionPool) -> bool:
    """Whether a holder waits for the pool, with or without a timeout, and it is no deadlock."""
    node = judgement.graph.nodes.get(id(pool))
    if node is None or id(pool) in judgement.likely | judgement.stuck:
        return False
    return any(_wants(judgement.graph, id(hold.task), pool) for hold in node.holds)


def _wants(graph: Graph, key: int, pool: ConnectionPool) -> bool:
    wait = graph.nodes[key].wait if key in graph.nodes else None
    return (wait is not None and wait.resource is pool) or leads_to(graph, key, id(pool))


def _is_short(pool: ConnectionPool, sight: Sight) -> bool:
    stands = sight.now - pool.since + sight.settings.interval >= sight.settings.slow_wait_after
    return stands and pool.is_searched and pool.missing() > 0


def _asked_twice(graph: Graph, pool: ConnectionPool, state: State, now: float) -> Finding:
    holders = list(dict.fromkeys(id(hold.task) for hold in graph.nodes[id(pool)].holds))
    waiting = [key for key in holders if _wants(graph, key, pool)]
    others = [key for key in holders if key not in waiting]
    verb = "waits" if len(waiting) == 1 else "wait"
    title = f"{len(waiting)} of the {len(holders)} tasks that have a pool's connections {verb} for another of them"
    if not others:
        title = f"all {len(holders)} tasks that have a pool's connections wait for another of them"
    if len(holders) == 1:
        title = "the task that has a pool's connections waits for another of them"
    note = "the others can still finish; when the last of them asks as well, nothing moves any more"
    if not others:
        note = "nobody is served before the first of these waits times out"
    return _finding(graph, pool, state, now, waiting, others, (title, note, _ASKED_TWICE))


def _not_given_back(graph: Graph, pool: ConnectionPool, state: State, now: float) -> Finding:
    missing, taken = pool.missing(), pool.taken()
    holders = [holder.key for holder in pool.holders if holder.key in graph.nodes and holder.key != pool.first]
    title = f"{missing} of the {taken} connections of a pool are in no task's hands, and somebody waits for one"
    if missing == 1:
        title = f"1 of the {taken} connections of a pool is in no task's hands, and somebody waits for one"
    note = (
        "who has them was looked for in the frames of all tasks; they are kept in some other place, are being made, "
        "or were never given back"
    )
    return _finding(graph, pool, state, now, [pool.first], holders, (title, note, _NOT_GIVEN_BACK))


def _finding(
    graph: Graph, pool: Any, state: State, now: float, core: list[int], others: list[int], told: tuple[str, str, str]
) -> Finding:
    views = Views(graph, state, now)
    core.sort(key=views.waiting_since)
    tasks, resources, edges = views.picture(core[:_MOST_SHOWN], others)
    return Finding(
        kind=KIND,
        verdict=SUSPECTED,
        title=told[0],
        age_s=now - max(map(views.waiting_since, core)),
        loop=loop_name(graph.nodes[core[0]].thing.get_loop()),
        tasks=tasks,
        resources=resources,
        edges=edges,
        victims=max(0, pool.waiters() - len(core)),
        note=told[1],
        help=told[2],
        subject=(KIND, id(pool)),
    )
