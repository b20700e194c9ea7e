"""Freezing: from live nodes of a judged graph to the frozen pictures that leave it.

Laws:
- Core tasks first, in the order of waiting, then at most MOST_VICTIMS victims.
- Future nodes (a gather in a gather, a shield) are seen through: a task joins tasks.
- Only tasks that were just confirmed as stuck are read here, so they hold still.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from typing import Any

from .graph import Graph, Node, build
from .libraries import anyio
from .names import name_all
from .pace import breathe
from .resources import type_name, units, waiters
from .snapshot import Edge, Held, Place, ResourceView, TaskView
from .stacks import Link, chain, line_of
from .state import State, site_of
from .tracing import span_of
from .waits import Mode
from .waits.joiners import cancellers, parent_of

MOST_VICTIMS = 20
_GENERATIONS = 3


def task_id(task: Any) -> str:
    """The id of a task in records."""
    return f"task-{id(task):x}"


def resource_id(resource: Any) -> str:
    """The id of a resource in records."""
    return f"{type(resource).__name__.lower()}-{id(resource):x}"


class Views:
    """Makes frozen views of the nodes of one graph."""

    def __init__(self, graph: Graph, state: State, now: float) -> None:
        self.graph, self.state, self.now = graph, state, now
        self._chains: dict[int, list[Link]] = {}

    def picture(
        self, core: list[int], victims: list[int]
    ) -> tuple[tuple[TaskView, ...], tuple[ResourceView, ...], tuple[Edge, ...]]:
        """Views of these task keys, the resources between them, and all edges among what is shown."""
        shown = core + victims[:MOST_VICTIMS]
        resources = self._resources_around(shown)
        names = name_all([self.graph.nodes[key].thing for key in resources], self._links_around(shown))
        holds = self.holds(resources)
        breathe()
        tasks = tuple(
            self._task(key, "core" if index < len(core) else "victim", holds.get(key, []))
            for index, key in enumerate(shown)
        )
        return tasks, tuple(self.resource(key, names[key]) for key in resources), self._edges(shown, resources)

    def include(self, tasks: list[Any]) -> None:
        """Add tasks to the graph, as they are now, so that they can be shown."""
        for key, node in build(tasks, self.state).nodes.items():
            self.graph.nodes.setdefault(key, node)

    def chain(self, key: int) -> list[Link]:
        """The await chain of a task, without the agent's own frames."""
        if key not in self._chains:
            links = chain(self.graph.nodes[key].thing.get_coro())
            self._chains[key] = [link for link in links if not link.module.startswith("unstuck.")]
        return self._chains[key]

    def _links_around(self, keys: list[int]) -> list[Link]:
        """The frames of these tasks, then those of the tasks that created or await them."""
        links = [link for key in keys for link in self.chain(key)]
        seen, level = set(keys), [self.graph.nodes[key].thing for key in keys]
        for _ in range(_GENERATIONS):
            above = [
                each for task in level for each in (parent_of(task, self.state), *cancellers(task)) if each is not None
            ]
            level = [each for each in above if id(each) not in seen and not seen.add(id(each))]  # type: ignore[func-returns-value]
            links += [link for task in level for link in chain(task.get_coro())]
        return links

    def waiting_since(self, key: int) -> float:
        """Monotonic time since when the task has been in its wait, as exactly as it is known."""
        task = self.graph.nodes[key].thing
        blocked = self.state.blocked.get(id(task))
        if blocked is not None:
            return blocked[1]
        record = self.state.record_of(task)
        return getattr(record, "moved", self.now)

    def tasks_needed(self, key: int) -> list[int]:
        """Keys of the tasks a node joins, seen through futures."""
        found, todo, seen = [], list(self.graph.nodes[key].needs), {key}
        while todo:
            need = todo.pop(0)
            if need in seen:
                continue
            seen.add(need)
            node = self.graph.nodes[need]
            if node.kind == "task":
                found.append(need)
            elif node.kind == "future":
                todo.extend(node.needs)
        return found

    def _resources_around(self, keys: Iterable[int]) -> list[int]:
        found = dict.fromkeys(need for key in keys for need in self.graph.nodes[key].needs)
        return [key for key in found if self.graph.nodes[key].kind == "resource"]

    def holds(self, resources: list[int]) -> dict[int, list[Held]]:
        """What each task holds of these locks and semaphores, by the task's key."""
        held: dict[int, list[Held]] = {}
        for key in resources:
            resource = self.graph.nodes[key].thing
            for hold in self.graph.nodes[key].holds:
                place = None
                if hold.code is not None and hold.line is not None:
                    place = Place.at(hold.code.co_filename, hold.line, hold.code.co_qualname)
                held.setdefault(id(hold.task), []).append(Held(resource_id(resource), place))
        return held

    def _task(self, key: int, role: str, holds: list[Held]) -> TaskView:
        node = self.graph.nodes[key]
        task = node.thing
        return TaskView(
            id=task_id(task),
            name=task.get_name(),
            coro=coroutine_name(task),
            role=role,
            waits_for=self._waits_for(key, node),
            waiting_s=max(0.0, self.now - self.waiting_since(key)),
            deadline_s=None
            if node.due is None or node.due == math.inf
            else max(0.0, node.due - task.get_loop().time()),
            holds=tuple(holds),
            stack=tuple(place_of(link) for link in self.chain(key)),
            created_at=created_at(self.state, task),
            **span_of(task)._asdict(),
        )

    def _waits_for(self, key: int, node: Node) -> str | None:
        resource = self._resource_of(node)
        if resource is not None:
            return resource_id(resource)
        joined = self.tasks_needed(key)
        return task_id(self.graph.nodes[joined[0]].thing) if joined else None

    def _resource_of(self, node: Node) -> Any:
        """What is waited for, when it is no task."""
        if node.wait is not None and node.wait.mode is Mode.HELD:
            return node.wait.resource
        needs = [self.graph.nodes[key] for key in node.needs]
        return next((need.thing for need in needs if need.kind == "resource"), None)

    def resource(self, key: int, name: str) -> ResourceView:
        """A view of a lock or semaphore."""
        node = self.graph.nodes[key]
        resource = node.thing
        site = site_of(resource)
        return ResourceView(
            id=resource_id(resource),
            type=type_name(resource),
            name=name,
            created_at=Place.at(site[0].co_filename, line_of(site[0], site[1]), site[0].co_qualname) if site else None,
            holders=tuple(task_id(hold.task) for hold in node.holds),
            waiters=waiters(resource),
            units=units(resource),
        )

    def _edges(self, keys: list[int], resources: list[int]) -> tuple[Edge, ...]:
        edges = []
        for key in keys:
            node = self.graph.nodes[key]
            resource = self._resource_of(node)
            if resource is not None:
                edges.append(Edge(task_id(node.thing), resource_id(resource), "waits"))
            else:
                joined = self.tasks_needed(key)
                edges += [Edge(task_id(node.thing), task_id(self.graph.nodes[each].thing), "joins") for each in joined]
        for key in resources:
            node = self.graph.nodes[key]
            edges += [Edge(resource_id(node.thing), task_id(hold.task), "held_by") for hold in node.holds]
        return tuple(edges)


def coroutine_name(task: Any) -> str:
    """The qualified name of the task's coroutine function; of the program's, where anyio put its own around it."""
    coro = task.get_coro()
    library = anyio()
    if library is not None and library.is_wrapper(coro) and coro.cr_await is not None:
        coro = coro.cr_await
    return str(getattr(coro, "__qualname__", None) or type(coro).__qualname__)


def created_at(state: State, task: Any) -> Place | None:
    """Where the task was created, when that was seen."""
    record = state.record_of(task)
    code = getattr(record, "code", None)
    if record is None or code is None:
        return None
    return Place.at(code.co_filename, line_of(code, record.lasti), code.co_qualname)


def place_of(link: Link) -> Place:
    """Where a suspended frame stands."""
    return Place.at(link.code.co_filename, link.line, link.code.co_qualname)


def loop_name(loop: Any) -> str:
    """How a loop is called in records."""
    return f"{type(loop).__name__}-{id(loop):x}"


def now() -> float:
    """Monotonic seconds, the clock of all ages."""
    return time.monotonic()
