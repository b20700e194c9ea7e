"""slow-wait: a wait that is merely long, behind a holder who still lives.

Laws:
- One finding a resource, however many queue for it; its core is the longest waiter.
- Slow is the holder. A long queue in front of a semaphore whose units come and go is work, not a finding.
- Waits that belong to a deadlock are not slow, they are deadlocked.
- It never claims to last: when the wait ends it is closed, not retracted.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..confirm import Judgement
from ..findings import SUSPECTED, Finding
from ..graph import Graph
from ..lines import Queue
from ..resources import waiters as queued
from ..state import State
from ..views import Views, loop_name
from ..waits import Mode, wait_of

KIND = "slow-wait"


def overdue(queues: dict[int, Queue], now: float, interval: float, after: float) -> dict[int, Any]:
    """The resource by the id of its longest waiter, where both the wait and the hold exceed ``after`` seconds.

    A hold is noticed at the tick after it began, so it is taken to be one interval older than that.
    """
    waits_by, holds_by = now - after, now - after + interval
    late = [queue for queue in queues.values() if queue.since <= waits_by and queue.held <= holds_by]
    return {queue.waiter: queue.resource for queue in late}


def find(judgement: Judgement, waiters: dict[int, Any], state: State, now: float) -> Iterator[Finding]:
    """The slow waits among the overdue ``waiters`` that are no deadlock."""
    for key, resource in waiters.items():
        node = judgement.graph.nodes.get(id(resource))
        if (
            node is None
            or key not in judgement.graph.nodes
            or {key, id(resource)} & (judgement.stuck | judgement.likely)
        ):
            continue
        if node.holds:
            yield _describe(judgement.graph, key, resource, state, now)


def _describe(graph: Graph, key: int, resource: Any, state: State, now: float) -> Finding:
    views = Views(graph, state, now)
    waiter = graph.nodes[key].thing
    holders = [id(hold.task) for hold in graph.nodes[id(resource)].holds if id(hold.task) in graph.nodes]
    tasks, resources, edges = views.picture([key], holders)
    others = queued(resource) - 1
    return Finding(
        kind=KIND,
        verdict=SUSPECTED,
        title="a task has long been waiting behind a holder who still lives",
        age_s=now - views.waiting_since(key),
        loop=loop_name(waiter.get_loop()),
        tasks=tasks,
        resources=resources,
        edges=edges,
        victims=max(0, others),
        note=_note(graph, holders, graph.nodes[key].due, waiter),
        help="hold it for less: do the slow work outside the block, and put asyncio.timeout around external waits",
        subject=(KIND, id(resource)),
    )


def _note(graph: Graph, holders: list[int], due: float | None, waiter: Any) -> str:
    parts = []
    for key in holders[:3]:
        holder = graph.nodes[key].thing
        wait = wait_of(holder)
        doing = "is running" if wait.mode is Mode.READY else f"waits in {wait.kind}"
        parts.append(f"the holder {holder.get_name()} {doing}")
    if due is not None and due < float("inf"):
        parts.append(f"this wait ends by its timeout in {max(0.0, due - waiter.get_loop().time()):.1f} s")
    return "; ".join(parts)
