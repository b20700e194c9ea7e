"""stuck: a wait for something that nobody can provide any more.

Laws:
- ``proven`` is what the proof closes (see ``proof``): nobody who could end the wait is left.
- Told are the waits at the bottom: for an event, a queue, a condition, a future of whatever make. Who joins
  such a task, or queues behind what it holds, is a victim.
- One finding for all who wait for one thing, or at one place of the code: a leak of thousands is one finding.
- A wait that says by its code that it is for ever is none (``parking``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from ..crowd import behind
from ..findings import PROVEN, SUSPECTED, Finding
from ..graph import Graph, Node
from ..stacks import chain
from ..state import State
from ..views import MOST_VICTIMS, Views, loop_name
from ..waits import Mode, Wait, future_wait, wait_of

KIND = "stuck"
MOST_CORE = 20


class Leaf(NamedTuple):
    """A task and the thing at the bottom of its wait. Refers to live objects, never kept."""

    task: Any
    wait: Wait
    resource: Any


def leaves(tasks: Iterable[Any]) -> list[Leaf]:
    """Those of the stuck tasks that wait for no other task and no holder."""
    found = []
    for task in tasks:
        wait = wait_of(task)
        if wait.mode is Mode.FREE:
            found.append(Leaf(task, wait, wait.resource if wait.resource is not None else task._fut_waiter))
        elif wait.mode in (Mode.ALL, Mode.ANY, Mode.FAIL_FAST):
            bare = _bare_future(wait.needs)
            found += [Leaf(task, wait, bare)] if bare is not None else []
    return found


def groups(found: list[Leaf]) -> list[list[Leaf]]:
    """The leaves by what they wait for, and by the place where they wait."""
    group_of: dict[Any, list[Leaf]] = {}
    for leaf in found:
        keys = (id(leaf.resource), _place(leaf.task))
        known = list({id(group): group for key in keys if (group := group_of.get(key)) is not None}.values())
        merged = [*(each for group in known for each in group), leaf]
        for each in merged if len(known) != 1 else [leaf]:
            group_of[id(each.resource)] = group_of[_place(each.task)] = merged if len(known) != 1 else known[0]
        if len(known) == 1:
            known[0].append(leaf)
    return list({id(group): group for group in group_of.values()}.values())


def describe(group: list[Leaf], verdict: str, state: State, now: float, note: str | None = None) -> Finding:
    """The finding for one group."""
    graph = Graph()
    for leaf in group[:MOST_CORE]:
        graph.nodes[id(leaf.task)] = Node(leaf.task, "task", needs=(id(leaf.resource),), wait=leaf.wait)
        graph.nodes[id(leaf.resource)] = Node(leaf.resource, "resource")
    views = Views(graph, state, now)
    core = sorted((id(leaf.task) for leaf in group[:MOST_CORE]), key=views.waiting_since)
    victims = behind([leaf.task for leaf in group], state)
    views.include(victims[:MOST_VICTIMS])
    tasks, resources, edges = views.picture(core, [id(task) for task in victims[:MOST_VICTIMS]])
    first = next(leaf for leaf in group if id(leaf.task) == core[0])
    what = _what(first)
    return Finding(
        kind=KIND,
        verdict=verdict,
        title=_title(len(group), what, verdict),
        age_s=max(0.0, now - views.waiting_since(core[0])),
        loop=loop_name(first.task.get_loop()),
        tasks=tasks,
        resources=resources,
        edges=edges,
        victims=len(victims) + max(0, len(group) - MOST_CORE),
        note=note or (_NOBODY if verdict == PROVEN else None),
        help=what.help,
        subject=(KIND, frozenset(core)),
    )


_NOBODY = "no running task, callback, timer, thread or module refers to it any more"


class _What(NamedTuple):
    gone: str
    """What can never come, after "that"."""
    maybe: str
    help: str


_LATER = "or bound the wait with asyncio.timeout"
_WHAT: dict[str, _What] = {
    "asyncio.Event": _What(
        "an event that nobody can set any more", "an event that nobody seems to be left to set",
        f"keep a reference to it where it is set, set it in a finally, {_LATER}",
    ),
    "asyncio.Condition": _What(
        "a notification that nobody can give any more", "a notification that nobody seems to be left to give",
        f"test the predicate before waiting (wait_for), notify wherever it may become true, {_LATER}",
    ),
    "asyncio.Queue.get": _What(
        "an item that nobody can put any more", "an item that nobody seems to be left to put",
        "let the producer end the queue in a finally: one sentinel for each consumer, or Queue.shutdown() (3.13+)",
    ),
    "asyncio.Queue.put": _What(
        "room in a queue that nobody can make any more", "room in a queue that nobody seems to be left to make",
        "let a consumer that ends drain the queue, or shut it down, in a finally",
    ),
    "asyncio.Queue.join": _What(
        "task_done() calls that nobody can make any more", "task_done() calls that nobody seems to be left to make",
        "call task_done() in a finally after every get()",
    ),
    "asyncio.Barrier": _What(
        "parties that can never come", "parties that nobody seems to be left to send",
        "abort() the barrier when a party gives up",
    ),
    "asyncio.Semaphore": _What(
        "a permit that nobody can give back any more", "a permit that nobody seems to be left to give back",
        "take it with async with, so that it is given back however the block ends",
    ),
}  # fmt: skip
_FUTURE = _What(
    "a future that nobody can resolve any more", "a future that nobody seems to be left to resolve",
    f"resolve or cancel every pending future, in a finally, before the last reference to it is dropped, {_LATER}",
)  # fmt: skip


def _what(leaf: Leaf) -> _What:
    kind = leaf.wait.kind.replace("Bounded", "")
    return _WHAT.get(kind, _FUTURE)


def _title(count: int, what: _What, verdict: str) -> str:
    who = "a task waits for" if count == 1 else f"{count:,} tasks wait for"
    return f"{who} {what.maybe if verdict == SUSPECTED else what.gone}"


def _bare_future(needs: tuple[Any, ...]) -> Any:
    """The first unfinished future among the needs, seen through gathers and shields, that stands for no task."""
    todo, seen = list(needs), set[int]()
    while todo:
        need = todo.pop(0)
        if id(need) in seen or need.done() or isinstance(need, asyncio.Task):
            continue
        seen.add(id(need))
        wait = future_wait(need)
        if wait.mode is Mode.FREE:
            return need
        todo += wait.needs
    return None


def _place(task: Any) -> tuple[Any, int]:
    links = chain(task.get_coro())
    own = [link for link in links if link.module.partition(".")[0] not in ("asyncio", "unstuck")]
    link = (own or links)[-1]
    return link.code, link.lasti


def by_loop(group: list[Leaf]) -> Iterator[list[Leaf]]:
    """The group, loop by loop."""
    loops: dict[int, list[Leaf]] = {}
    for leaf in group:
        loops.setdefault(id(leaf.task.get_loop()), []).append(leaf)
    yield from loops.values()
