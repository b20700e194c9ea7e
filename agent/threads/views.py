"""Freezing a knot of threads, tasks and what is between them, for a finding.

Laws:
- A thread that is running a task is shown as that task, with the thread's frames; any other thread as itself.
- Jobs and plain futures are seen through: a thread or task waits for whatever has to move to complete them.
- A loop is a resource that is held by the thread that runs it, an executor one that is held by its workers.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterable
from types import CodeType, FrameType
from typing import Any

from ..graph import Node
from ..names import name_all
from ..snapshot import Edge, Held, Place, ResourceView, TaskView
from ..stacks import chain
from ..state import State
from ..tracing import span_of
from ..views import Views, coroutine_name, created_at, loop_name, place_of, resource_id, task_id
from .frames import is_stdlib, module_of, variables
from .graph import ThreadBuilder
from .reading import kind_of
from .world import Party

_PARTIES = ("thread", "task", "loop's task")
_THROUGH = ("job", "future")


class Standing:
    """A running frame, as ``names`` expects a link of an await chain to be."""

    def __init__(self, frame: FrameType) -> None:
        self.frame, self.code = frame, frame.f_code
        self.module = module_of(frame)

    def variables(self) -> dict[str, Any]:
        """The variables that may be read."""
        if self.code.co_flags & inspect.CO_OPTIMIZED:
            return variables(self.frame)
        return {}


class KnotViews:
    """Makes the views of one knot; ``ring`` lists its keys, those on its shortest ring first."""

    def __init__(self, builder: ThreadBuilder, ring: list[int], state: State) -> None:
        self.builder, self.nodes, self.state = builder, dict(builder.graph.nodes), state
        self.world = builder.world
        self.current = self._current_tasks(ring)
        self.parties = [key for key in ring if self.nodes[key].kind in _PARTIES and key not in self.current.values()]
        self.targets = {key: self._targets(key) for key in self.parties}

    def picture(self, waiting_s: float) -> tuple[tuple[TaskView, ...], tuple[ResourceView, ...], tuple[Edge, ...]]:
        """Views of the parties, of the resources between them, and the edges."""
        keys = dict.fromkeys(key for targets in self.targets.values() for key in targets)
        between = [key for key in keys if self.nodes[key].kind not in _PARTIES]
        names = self._names(between)
        resources = tuple(self._resource(key, names[key]) for key in between)
        held = self._held(between)
        tasks = tuple(self._party(key, held.get(key, []), waiting_s) for key in self.parties)
        return tasks, resources, tuple(self._edges(resources))

    def id_of(self, key: int) -> str:
        """The id in the record of what the node stands for."""
        node = self.nodes[key]
        if node.kind == "thread":
            task = self.current.get(key)
            return f"thread-{node.thing.ident}" if task is None else task_id(self.nodes[task].thing)
        if node.kind in _PARTIES:
            runner = next((each for each, task in self.current.items() if task == key), None)
            return task_id(node.thing) if runner is None else self.id_of(runner)
        return loop_name(node.thing) if node.kind == "loop" else resource_id(node.thing)

    def _current_tasks(self, ring: Iterable[int]) -> dict[int, int]:
        """The task that each thread is running, by key of the thread; it is added to the nodes."""
        found = {}
        for key in [key for key in ring if self.nodes[key].kind == "thread"]:
            for loop in list(self.state.loops):
                if self.world.runner(loop) is self.nodes[key].thing:
                    task = _current_task(loop)
                    if task is not None:
                        self.nodes.setdefault(id(task), Node(task, "loop's task"))
                        found[key] = id(task)
        return found

    def _targets(self, key: int) -> list[int]:
        """What the party waits for, seen through jobs and futures."""
        found, seen, todo = dict[int, None](), {key}, list(self.nodes[key].needs)
        while todo:
            need = todo.pop(0)
            if need in seen or need not in self.nodes:
                continue
            seen.add(need)
            if self.nodes[need].kind in _THROUGH:
                todo += self.nodes[need].needs
            else:
                found[need] = None
        return list(found)

    def _names(self, keys: list[int]) -> dict[int, str]:
        links: list[Any] = []
        for key in self.parties:
            thing = self.nodes[key].thing
            if isinstance(thing, Party):
                links += [Standing(frame) for frame in reversed(self.world.stack(thing)) if not is_stdlib(frame)]
            else:
                links += chain(thing.get_coro())
        names = name_all([self.nodes[key].thing for key in keys], links)
        for key in keys:
            node = self.nodes[key]
            if node.kind == "loop":
                runner = self.world.runner(node.thing)
                names[key] = f"the event loop of {runner.name}" if runner is not None else "the event loop"
            elif node.kind == "executor" and names[key] == type(node.thing).__name__:
                names[key] = str(getattr(node.thing, "_thread_name_prefix", "") or names[key])
        return names

    def _resource(self, key: int, name: str) -> ResourceView:
        node = self.nodes[key]
        if node.kind == "resource":
            return Views(self.builder.graph, self.state, 0.0).resource(key, name)
        waiters = sum(key in targets for targets in self.targets.values())
        units = None
        kind = {"loop": "event loop", "lock": f"threading.{kind_of(node.thing)}"}.get(node.kind)
        if node.kind == "executor":
            units, waiters = node.thing._max_workers, node.thing._work_queue.qsize()
        holders = tuple(self.id_of(need) for need in node.needs)
        return ResourceView(self.id_of(key), kind or type(node.thing).__name__, name, None, holders, waiters, units)

    def _held(self, keys: list[int]) -> dict[int, list[Held]]:
        """What each party holds, by key."""
        mine = [key for key in keys if self.nodes[key].kind == "resource"]
        held = Views(self.builder.graph, self.state, 0.0).holds(mine)
        for key in keys:
            hold = self.builder.holds.get(key)
            if hold is not None:
                held.setdefault(id(hold.holder), []).append(Held(self.id_of(key), _place(hold.code, hold.line)))
        for runner, task in self.current.items():
            held.setdefault(runner, []).extend(held.get(task, []))
        return held

    def _party(self, key: int, held: list[Held], waiting_s: float) -> TaskView:
        thing = self.nodes[key].thing
        task = self.nodes[self.current[key]].thing if key in self.current else thing
        is_thread = isinstance(task, Party)
        targets = self.targets[key]
        return TaskView(
            id=self.id_of(key),
            name=task.name if is_thread else task.get_name(),
            coro="thread" if is_thread else coroutine_name(task),
            role="core",
            waits_for=self.id_of(targets[0]) if targets else None,
            waiting_s=waiting_s,
            deadline_s=None,
            holds=tuple(held),
            stack=self._stack(thing),
            created_at=None if is_thread else created_at(self.state, task),
            **({} if is_thread else span_of(task)._asdict()),
        )

    def _stack(self, thing: Any) -> tuple[Place, ...]:
        if isinstance(thing, Party):
            frames = [each for each in self.world.stack(thing) if not module_of(each).startswith("unstuck.")]
            return tuple(
                Place.at(each.f_code.co_filename, each.f_lineno or 0, each.f_code.co_qualname)
                for each in reversed(frames)
            )
        return tuple(place_of(link) for link in chain(thing.get_coro()) if not link.module.startswith("unstuck."))

    def _edges(self, resources: tuple[ResourceView, ...]) -> Iterable[Edge]:
        for key in self.parties:
            for target in self.targets[key]:
                joins = self.nodes[target].kind in _PARTIES
                yield Edge(self.id_of(key), self.id_of(target), "joins" if joins else "waits")
        for each in resources:
            yield from (Edge(each.id, holder, "held_by") for holder in dict.fromkeys(each.holders))


def _current_task(loop: Any) -> Any:
    try:
        return asyncio.current_task(loop)
    except RuntimeError:
        return None


def _place(code: CodeType | None, line: int | None) -> Place | None:
    return Place.at(code.co_filename, line, code.co_qualname) if code is not None and line is not None else None
