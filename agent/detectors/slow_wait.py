"""slow-wait: a wait that is merely long, behind a holder who still lives.

Laws:
- One finding a resource, however many queue for it; its core is the longest waiter.
- Slow is the holder. A long queue in front of a semaphore whose units come and go is work, not a finding.
- Waits that belong to a deadlock are not slow, they are deadlocked.
- It never claims to last: when the wait ends it is closed, not retracted.
- A wait in which nobody has moved is not judged and described again at each tick, only when it is told again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ..confirm import Judgement
from ..findings import SUSPECTED, Finding
from ..graph import Graph, Node
from ..lines import Queue
from ..resources import waiters as queued
from ..state import OwnReference, State
from ..views import Views, loop_name
from ..waits import Mode, wait_of

KIND = "slow-wait"


def overdue(queues: dict[int, Queue], now: float, interval: float, after: float) -> dict[int, Queue]:
    """By the id of the longest waiter, the queues where both the wait and the hold exceed ``after`` seconds.

    A hold is noticed at the tick after it began, so it is taken to be one interval older than that.
    """
    waits_by, holds_by = now - after, now - after + interval
    return {queue.waiter: queue for queue in queues.values() if queue.since <= waits_by and queue.held <= holds_by}


class SlowWaits:
    """Finds slow waits, and remembers those in which nobody has moved since: there is nothing new to say of them."""

    def __init__(self, state: State) -> None:
        self.state = state
        self._stands: dict[int, _Stand] = {}
        """By the resource's id."""

    def standing(self, late: dict[int, Queue]) -> set[int]:
        """The ids of the resources, of those in ``late``, of which everything is as it was when it was described."""
        queues = {id(queue.resource): queue for queue in late.values()}
        self._stands = {key: stand for key, stand in self._stands.items() if key in queues}
        return {key for key, stand in self._stands.items() if stand.is_of(queues[key], self.state)}

    def find(self, judgement: Judgement, late: Iterable[Queue], now: float) -> Iterator[Finding]:
        """The slow waits in these queues that are no deadlock."""
        nodes, knotted = judgement.graph.nodes, judgement.stuck | judgement.likely
        for queue in late:
            key, resource = queue.waiter, queue.resource
            node = nodes.get(id(resource))
            if node is None or key not in nodes or {key, id(resource)} & knotted:
                continue
            if node.holds:
                finding = _describe(judgement.graph, key, resource, self.state, now)
                self._remember(queue, finding, [nodes.get(holder) for holder in queue.holders])
                yield finding

    def _remember(self, queue: Queue, finding: Finding, holders: list[Node | None]) -> None:
        """Not where somebody's time runs out, or where a holder moves or waits for somebody who may."""
        self._stands.pop(id(queue.resource), None)
        if any(task.deadline_s is not None for task in finding.tasks):
            return
        futures = [_rests_on(node) for node in holders]
        if futures and None not in futures:
            self._stands[id(queue.resource)] = _Stand(queue[1:], queued(queue.resource), tuple(futures))


@dataclass(frozen=True, slots=True)
class _Stand:
    """What was seen of a slow wait: waiter, holders and times; how many wait; and what each holder is suspended on."""

    queue: tuple[Any, ...]
    length: int
    futures: tuple[OwnReference | None, ...]

    def is_of(self, queue: Queue, state: State) -> bool:
        """Whether it is all the same now."""
        if self.queue != queue[1:] or self.length != queued(queue.resource):
            return False
        holders = map(state.task_by_id, queue.holders)
        return all(map(_is_suspended_on, holders, self.futures))


def _is_suspended_on(task: Any, future: OwnReference | None) -> bool:
    found = future() if future is not None else None
    return found is not None and task is not None and task._fut_waiter is found and not found.done()


def _rests_on(node: Node | None) -> OwnReference | None:
    """The future that a holder waits for who needs nobody else to go on."""
    if node is None or node.needs or node.wait is None or node.wait.mode is not Mode.FREE:
        return None
    future = node.thing._fut_waiter
    return OwnReference(future) if isinstance(future, asyncio.Future) else None


def _describe(graph: Graph, key: int, resource: Any, state: State, now: float) -> Finding:
    views = Views(graph, state, now)
    waiter = graph.nodes[key].thing
    holds = dict.fromkeys(id(hold.task) for hold in graph.nodes[id(resource)].holds)
    holders = [each for each in holds if each in graph.nodes and each != key]
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
