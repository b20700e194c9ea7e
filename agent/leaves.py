"""The waits at the bottom of what is stuck: those for no other task and for no holder who lives.

Laws:
- Who joins a stuck task, or queues behind what it holds, is a victim of it and no leaf.
- Gathers and shields are seen through to what they stand for.
- Grouped are the waits for one thing and the waits at one place of the code: a leak of thousands is one finding.
- Refers to live tasks; never kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from .crowd import behind
from .findings import Finding
from .graph import Graph, Node
from .holds import Blocks, Finished, finished_holders, holds_on
from .resources import is_connection_pool, is_unowned
from .stacks import Link, chain
from .state import State
from .views import MOST_VICTIMS, Views, loop_name
from .waits import Mode, Wait, future_wait, primitive_wait, wait_of

MOST_CORE = 20
_CHUNK = 100


class Leaf(NamedTuple):
    """A task and the thing at the bottom of its wait; ``finished`` are holders of it that have ended."""

    task: Any
    wait: Wait
    resource: Any
    place: tuple[int, int]
    """The program's innermost code, by its id, and the offset in it: a hash of code goes through all of it."""
    finished: tuple[Finished, ...] = ()


_Holders = tuple[tuple[Finished, ...], bool]
"""Those that have ended, and whether one is known who lives."""


def leaves(tasks: Iterable[Any], state: State, pause: Callable[[], None]) -> list[Leaf]:
    """Those of the stuck tasks that wait for no other task and no holder who lives.

    ``pause`` is called now and then.
    """
    found, tasks = list[Leaf](), list(tasks)
    blocks, held = Blocks(tasks), dict[int, _Holders]()
    for count, task in enumerate(tasks):
        if count % _CHUNK == _CHUNK - 1:
            pause()
        if task.get_loop().is_closed():
            continue  # who waits for it, in a loop that lives, is told
        links = chain(task.get_coro())
        wait = wait_of(task, links)
        if is_connection_pool(wait.resource) and holds_on(wait.resource, state) is None:
            wait = primitive_wait(task)
        if is_unowned(wait.resource) and blocks.holds_on(wait.resource):
            continue
        if wait.mode is Mode.FREE:
            thing = wait.resource if wait.resource is not None else task._fut_waiter
            found.append(Leaf(task, wait, thing, _place(task, links)))
        elif wait.mode is Mode.HELD:
            finished, is_held = _holders(wait.resource, state, held)
            if not is_held:
                found.append(Leaf(task, wait, wait.resource, _place(task, links), finished))
        elif wait.mode is not Mode.READY:
            bare = _bare_future(wait.needs)
            found += [Leaf(task, wait, bare, _place(task, links))] if bare is not None else []
    return [leaf for leaf in found if leaf.resource is not None]


def _holders(resource: Any, state: State, known: dict[int, _Holders]) -> _Holders:
    """Found out once for each resource, however many tasks wait for it."""
    if id(resource) not in known:
        finished = tuple(finished_holders(resource, state))
        known[id(resource)] = finished, not finished and holds_on(resource, state) is not None
    return known[id(resource)]


def groups(found: list[Leaf], pause: Callable[[], None]) -> list[list[Leaf]]:
    """The leaves of one loop and kind by what they wait for, and by the place where they wait."""
    group_of: dict[Any, list[Leaf]] = {}
    for count, leaf in enumerate(found):
        if count % _CHUNK == _CHUNK - 1:
            pause()
        sort = (id(leaf.task.get_loop()), bool(leaf.finished))
        keys = ((*sort, id(leaf.resource)), (*sort, *leaf.place))
        known = {id(group): group for key in keys if (group := group_of.get(key)) is not None}
        group = max(known.values(), key=len, default=[])
        for other in known.values():
            if other is not group:
                group += other
                group_of.update({key: group for key, each in group_of.items() if each is other})
        group.append(leaf)
        group_of.update(dict.fromkeys(keys, group))
    return list({id(group): group for group in group_of.values()}.values())


def finding_of(group: list[Leaf], told: Finding, state: State, now: float) -> Finding:
    """``told`` (kind, verdict, title, note, help) with the group's tasks, the longest waiting first."""
    graph = Graph()
    for leaf in group[:MOST_CORE]:
        graph.nodes[id(leaf.task)] = Node(leaf.task, "task", needs=(id(leaf.resource),), wait=leaf.wait)
        graph.nodes[id(leaf.resource)] = Node(leaf.resource, "resource")
    views = Views(graph, state, now)
    core = sorted((id(leaf.task) for leaf in group[:MOST_CORE]), key=views.waiting_since)
    victims = behind([leaf.task for leaf in group], state)
    views.include(victims[:MOST_VICTIMS])
    tasks, resources, edges = views.picture(core, [id(task) for task in victims[:MOST_VICTIMS]])
    return Finding(
        kind=told.kind,
        verdict=told.verdict,
        title=told.title,
        age_s=max(0.0, now - views.waiting_since(core[0])),
        loop=loop_name(group[0].task.get_loop()),
        tasks=tasks,
        resources=resources,
        edges=edges,
        victims=len(victims),
        note=told.note,
        help=told.help,
        subject=(told.kind, frozenset(core)),
    )


def _bare_future(needs: tuple[Any, ...]) -> Any:
    """The first unfinished future among the needs, seen through gathers and shields, that stands for no living task."""
    todo, seen = list(needs), set[int]()
    while todo:
        need = todo.pop(0)
        if id(need) in seen or need.done():
            continue
        seen.add(id(need))
        if isinstance(need, asyncio.Task):
            if need.get_loop().is_closed():
                return need
            continue
        wait = future_wait(need)
        if wait.mode is Mode.FREE:
            return need
        todo += wait.needs
    return None


def _place(task: Any, links: list[Link]) -> tuple[int, int]:
    last = next((link for link in reversed(links) if link.is_own), links[-1] if links else None)
    return (id(last.code), last.lasti) if last is not None else (0, id(task))
