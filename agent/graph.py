"""The wait-for graph: tasks, resources and futures, and what each needs in order to finish.

Laws:
- A node is FREE (it can finish by itself, or we do not know that it cannot), or needs ANY or ALL of its
  needs. "A task finishes" includes giving back what it holds; "a resource finishes" means a unit comes free.
- Built forwards from a few roots, iteratively and bounded. What lies beyond the bound, on another loop or
  under a deadline is FREE, so a graph cut short can only miss a deadlock, never invent one.
- Each node has two modes. ``strict``: nothing is assumed that could fail; a gather whose children may
  still raise can end early, a lock whose holder is not sure may come free. ``likely``: nobody fails, and
  whom the hooks saw take a lock gives it back himself.
- Refers to live objects; it never leaves the step that made it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from .deadlines import cancel_timers, deadline_of
from .holds import Hold, holds_on
from .state import State
from .waits import Mode, Wait, future_wait, wait_of

_MOST_NODES = 20_000


@dataclass(slots=True)
class Node:
    """One party: ``kind`` is task, resource or future; ``needs`` are the keys (ids) of other nodes."""

    thing: Any
    kind: str
    strict: Mode = Mode.FREE
    likely: Mode = Mode.FREE
    needs: tuple[int, ...] = ()
    wait: Wait | None = None
    due: float | None = None
    holds: tuple[Hold, ...] = ()


@dataclass(slots=True)
class Graph:
    """Nodes by the id of what they stand for; the nodes keep those things alive, so ids hold."""

    nodes: dict[int, Node] = field(default_factory=dict)

    def tasks(self, keys: Iterable[int]) -> list[int]:
        """Those of the keys that stand for tasks, in the order of the graph."""
        wanted = set(keys)
        return [key for key, node in self.nodes.items() if key in wanted and node.kind == "task"]


def build(roots: Iterable[Any], state: State, loop: Any = None) -> Graph:
    """The part of the wait-for graph that the roots (tasks, locks, semaphores) lead to.

    With ``loop`` given, called in that loop's own thread: tasks of other loops are then taken as free.
    """
    graph, todo = Graph(), list(roots)
    builder = _Builder(state, loop)
    while todo:
        thing = todo.pop()
        if id(thing) in graph.nodes:
            continue
        if len(graph.nodes) >= _MOST_NODES:
            graph.nodes[id(thing)] = Node(thing, "future")
            continue
        node, needs = builder.node(thing)
        node.needs = tuple(dict.fromkeys(map(id, needs)))
        graph.nodes[id(thing)] = node
        todo.extend(needs)
    return graph


class _Builder:
    def __init__(self, state: State, loop: Any) -> None:
        self.state, self.loop = state, loop
        self.cache: dict[int, float | None] = {}
        self.timers: dict[int, float] | None = None

    def node(self, thing: Any) -> tuple[Node, tuple[Any, ...]]:
        if isinstance(thing, asyncio.Task):
            return self.task(thing)
        if isinstance(thing, asyncio.Lock | asyncio.Semaphore):
            return self.resource(thing)
        if thing.done():
            return Node(thing, "future"), ()
        return self.joining(Node(thing, "future"), future_wait(thing))

    def task(self, task: Any) -> tuple[Node, tuple[Any, ...]]:
        node = Node(task, "task")
        if task.done() or (self.loop is not None and task.get_loop() is not self.loop):
            return node, ()
        node.wait = wait = wait_of(task)
        if wait.mode in (Mode.READY, Mode.FREE):
            return node, ()
        node.due = self.deadline(task)
        if node.due is not None:
            return node, ()
        if wait.mode is Mode.HELD:
            node.strict = node.likely = Mode.ANY
            return node, (wait.resource,)
        return self.joining(node, wait)

    def joining(self, node: Node, wait: Wait) -> tuple[Node, tuple[Any, ...]]:
        pending = tuple(need for need in wait.needs if not need.done())
        if wait.mode is Mode.FREE or not pending or _ends_soon(wait):
            return node, ()
        node.wait = wait
        node.strict = Mode.ALL if wait.mode is Mode.ALL else Mode.ANY
        node.likely = Mode.ANY if wait.mode is Mode.ANY else Mode.ALL
        return node, pending

    def resource(self, resource: Any) -> tuple[Node, tuple[Any, ...]]:
        holds = holds_on(resource, self.state)
        if not holds:
            return Node(resource, "resource"), ()
        strict = Mode.ANY if all(hold.sure for hold in holds) else Mode.FREE
        return Node(resource, "resource", strict, Mode.ANY, holds=holds), tuple(hold.task for hold in holds)

    def deadline(self, task: Any) -> float | None:
        due = deadline_of(task, self.cache)
        if due is None:
            if self.timers is None:
                self.timers = cancel_timers(task.get_loop())
            due = self.timers.get(id(task))
        return due


def _ends_soon(wait: Wait) -> bool:
    """Whether a need is done in a way that ends the join, and only the callback has not run yet."""
    if wait.mode is Mode.ANY:
        return any(need.done() for need in wait.needs)
    return wait.mode is Mode.FAIL_FAST and any(
        need.done() and (need.cancelled() or need._exception is not None)  # .exception() would hide it from the log
        for need in wait.needs
    )
