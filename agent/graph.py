"""The wait-for graph: tasks, resources and futures, and what each needs in order to finish.

Laws:
- A node is FREE (it can finish by itself, or we do not know that it cannot), or needs ANY or ALL of its
  needs. "A task finishes" includes giving back what it holds; "a resource finishes" means a unit comes free.
- Built forwards from a few roots, iteratively and bounded. What lies beyond the bound, on another loop or
  under a deadline is FREE, so a graph cut short can only miss a deadlock, never invent one.
- Each node has two modes. ``strict``: nothing is assumed that could fail; a gather whose children may
  still raise can end early, a lock whose holder is not sure may come free, a timer that can reach a party
  may wake it, a child of a TaskGroup may fail and so cancel the body (``escapes``). ``likely``: nobody
  fails, and whom the hooks saw take a lock gives it back himself.
- A task cancelled because a *sibling* in its group fails is cancelled from outside, and that is left aside.
- Refers to live objects; it never leaves the step that made it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from .deadlines import deadlines
from .groups import group_children
from .holds import Blocks, Hold, holds_on, lines_of, waiters_that_release
from .resources import is_connection_pool, is_resource, is_unowned
from .state import State
from .timers import Due, reach
from .waits import Mode, Wait, future_wait, wait_of

_MOST_NODES = 20_000


@dataclass(slots=True)
class Node:
    """One party: ``kind`` is task, resource or future; ``needs`` are the keys (ids) of other nodes.

    ``threads.graph`` adds further kinds.
    """

    thing: Any
    kind: str
    strict: Mode = Mode.FREE
    likely: Mode = Mode.FREE
    needs: tuple[int, ...] = ()
    escapes: tuple[int, ...] = ()
    """Nodes of which any, by finishing, may free this one; they count strictly only."""
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


def build(
    roots: Iterable[Any],
    state: State,
    loop: Any = None,
    among: list[Any] | None = None,
    pause: Callable[[], None] | None = None,
) -> Graph:
    """The part of the wait-for graph that the roots (tasks, locks, semaphores) lead to.

    ``among`` tasks of which it is known that only the holders noted, who are some of these, could give anything
    back, however they took it.

    With ``loop`` given, called in that loop's own thread: tasks of other loops are then taken as free, and
    the loop's timers are read too. ``pause`` is called at each step.
    """
    graph = grow(list(roots), Builder(state, loop, among is not None, Blocks(among or ())), pause=pause)
    free_by_deadlines(graph, reach(loop) if loop is not None else {}, pause)
    return graph


def grow(
    roots: Iterable[Any], builder: Builder, most: int = _MOST_NODES, pause: Callable[[], None] | None = None
) -> Graph:
    """The nodes that the roots lead to, as the builder makes them; what lies beyond ``most`` is free."""
    graph, todo = Graph(), list(roots)
    while todo:
        thing = todo.pop()
        if id(thing) in graph.nodes:
            continue
        if len(graph.nodes) >= most:
            graph.nodes[id(thing)] = Node(thing, "future")
            continue
        if pause is not None:
            pause()
        node, needs, escapes = builder.node(thing)
        node.needs, node.escapes = _keys(needs), _keys(escapes)
        graph.nodes[id(thing)] = node
        todo += [*needs, *escapes]
    return graph


def free_by_deadlines(graph: Graph, reached: dict[int, Due], pause: Callable[[], None] | None = None) -> None:
    """Free whom a deadline or a timer may wake."""
    waiting = [node.thing for node in graph.nodes.values() if node.kind == "task" and node.strict is not Mode.FREE]
    dues = {**reached, **deadlines(waiting, reached, pause)}
    for key, node in graph.nodes.items():
        due = dues.get(key)
        if due is None or node.strict is node.likely is Mode.FREE:
            continue
        node.strict = Mode.FREE
        if due.sure:
            node.likely, node.due = Mode.FREE, due.when


def _keys(things: tuple[Any, ...]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(map(id, things)))


Found = tuple[Node, tuple[Any, ...], tuple[Any, ...]]
"""A node, what it needs, and its escapes."""


class Builder:
    """Makes the node of one thing; ``loop`` as for ``build``.

    ``nobody_else``: only the holders noted could give anything back. ``blocks``: of whom it is known, besides, in what
    blocks they stand.
    """

    def __init__(self, state: State, loop: Any, nobody_else: bool = False, blocks: Blocks | None = None) -> None:
        self.state, self.loop, self.nobody_else, self.blocks = state, loop, nobody_else, blocks or Blocks(())
        self._lines: dict[int, list[int]] | None = None

    def node(self, thing: Any) -> Found:
        """The node of a task, a lock, a semaphore or a future."""
        if isinstance(thing, asyncio.Task):
            return self.task(thing)
        if is_resource(thing):
            return self.resource(thing)
        if thing.done():
            return Node(thing, "future"), (), ()
        return self.joining(Node(thing, "future"), future_wait(thing), ())

    def task(self, task: Any) -> Found:
        """The node of a task."""
        node = Node(task, "task")
        if task.done() or (self.loop is not None and task.get_loop() is not self.loop):
            return node, (), ()
        node.wait = wait = self.wait_of(task)
        if wait.mode in (Mode.READY, Mode.FREE):
            return node, (), ()
        escapes = group_children(task)
        if wait.mode is Mode.HELD:
            node.strict = node.likely = Mode.ANY
            return node, (wait.resource,), escapes
        return self.joining(node, wait, escapes)

    def wait_of(self, task: Any) -> Wait:
        """What the task waits for; a semaphore that does not know its holders is held by those in its blocks."""
        wait = wait_of(task)
        is_held = is_unowned(wait.resource) and self.blocks.holds_on(wait.resource)
        return replace(wait, mode=Mode.HELD) if is_held else wait

    def joining(self, node: Node, wait: Wait, escapes: tuple[Any, ...]) -> Found:
        """The node of a task or future that waits for others."""
        pending = tuple(need for need in wait.needs if not need.done())
        if wait.mode is Mode.FREE or not pending or _ends_soon(wait):
            return node, (), ()
        node.wait = wait
        node.strict = Mode.ALL if wait.mode is Mode.ALL else Mode.ANY
        if not wait.certain:
            node.strict = Mode.FREE
        node.likely = Mode.ANY if wait.mode is Mode.ANY else Mode.ALL
        return node, pending, escapes

    def resource(self, resource: Any) -> Found:
        """The node of a lock or semaphore."""
        holds = self.blocks.holds_on(resource) if is_unowned(resource) else holds_on(resource, self.state)
        if not holds:
            return Node(resource, "resource"), (), ()
        sure = all(hold.sure for hold in holds) and not is_unowned(resource)
        strict = Mode.ANY if sure else Mode.FREE
        # A semaphore taken by hand is as likely a signal that somebody else gives: not even suspicious.
        likely = Mode.ANY if sure or self.nobody_else or not isinstance(resource, asyncio.Semaphore) else Mode.FREE
        if is_connection_pool(resource) and resource.has_moved():
            likely = Mode.FREE
        escapes = tuple(waiters_that_release(resource, self.lines(), self.state)) if sure else ()
        return Node(resource, "resource", strict, likely, holds=holds), tuple(hold.task for hold in holds), escapes

    def lines(self) -> dict[int, list[int]]:
        """Who is blocked on what, read once for the whole graph."""
        if self._lines is None:
            self._lines = lines_of(self.state)
        return self._lines


def _ends_soon(wait: Wait) -> bool:
    """Whether a need is done in a way that ends the join, and only the callback has not run yet."""
    if wait.mode is Mode.ANY:
        return any(need.done() for need in wait.needs)
    if wait.mode is not Mode.FAIL_FAST:
        return False
    by_cancel = wait.kind != "asyncio.wait"  # FIRST_EXCEPTION does not count a cancellation
    return any(
        need.done() and (need._exception is not None or (by_cancel and need.cancelled()))  # not .exception(): it logs
        for need in wait.needs
    )
