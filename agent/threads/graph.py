"""The wait-for graph with threads, loops, jobs, executors and threads' locks in it.

Laws:
- All of ``graph``'s laws hold. What is added: a task on a loop whose thread is blocked needs that loop, whatever
  else it waits for, and no timeout helps it; a job of an executor needs the worker that runs it, or, while it is
  queued, any worker of an executor that has started all it may; a thread's lock needs its one sure holder.
- Read from another thread: whoever draws a conclusion makes sure that nobody moved meanwhile.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable
from concurrent.futures import Future
from typing import Any

from ..graph import Builder, Found, Graph, Node, free_by_deadlines, grow
from ..state import State
from ..timers import Due, reach
from ..waits.model import Mode, Wait
from .holders import Hold, Holders, owner_of
from .jobs import Jobs
from .reading import LOCKS, is_done
from .world import Party, World

_MOST_NODES = 5_000


def build(roots: Iterable[Any], world: World, holders: Holders, state: State) -> ThreadBuilder:
    """The builder of, and with, the graph below these threads, executors or locks."""
    builder = ThreadBuilder(world, holders, state)
    builder.graph = grow(roots, builder, _MOST_NODES)
    free_by_deadlines(builder.graph, builder.reached())
    return builder


class ThreadBuilder(Builder):
    """Makes nodes of threads and of what belongs to them; remembers what the story needs."""

    def __init__(self, world: World, holders: Holders, state: State) -> None:
        super().__init__(state, None)
        self.world, self.holders = world, holders
        self.jobs = Jobs(world, state)
        self.graph = Graph()
        """What was built."""
        self.holds: dict[int, Hold] = {}
        """The hold on each lock, by the lock's id."""
        self._live: dict[int, Any] = {}

    def node(self, thing: Any) -> Found:
        """The node of a live thing, what it needs, and its escapes."""
        if isinstance(thing, Party):
            return self.thread(thing)
        if isinstance(thing, Future):
            return self.job(thing)
        if isinstance(thing, LOCKS):
            return self.lock(thing)
        if isinstance(thing, asyncio.AbstractEventLoop):
            return _needing(Node(thing, "loop"), self.world.runner(thing))
        if hasattr(type(thing), "_adjust_thread_count"):
            workers = self.jobs.workers(thing)
            return _needing(Node(thing, "executor"), *workers or (), mode=Mode.ANY)
        if asyncio.isfuture(thing) and not isinstance(thing, asyncio.Task) and not thing.done():
            source = self.jobs.source(thing)
            if source is not None:
                return _needing(Node(thing, "future", wait=Wait("thread", Mode.ALL, thing)), source)
        return super().node(thing)

    def task(self, task: Any) -> Found:
        """A task; on a blocked loop it needs the loop."""
        loop = task.get_loop()
        if task.done():
            return Node(task, "task"), (), ()
        if self.world.is_blocked(loop):
            return _needing(Node(task, "loop's task", wait=Wait("event loop", Mode.ALL, loop)), loop)
        self._live[id(loop)] = loop
        found = super().task(task)
        future = getattr(task, "_fut_waiter", None)
        if found[0].wait is None or found[0].wait.mode is not Mode.FREE or future is None or future.done():
            return found
        source = self.jobs.source(future)
        return _needing(Node(task, "task", wait=Wait("thread", Mode.ALL, future)), source) if source else found

    def thread(self, party: Party) -> Found:
        """A thread and what it is blocked on."""
        wait = self.world.wait(party)
        node = Node(party, "thread", wait=wait)
        if wait.mode is Mode.HELD:
            mine = owner_of(wait.resource) == party.ident  # it may take that one again
            return (node, (), ()) if mine else _needing(node, wait.resource)
        if wait.mode is Mode.FREE:
            return node, (), ()
        needs = [self.world.party(each.ident) if isinstance(each, threading.Thread) else each for each in wait.needs]
        found = _needing(node, *needs, mode=wait.mode)
        if wait.mode is Mode.FAIL_FAST and node.strict is Mode.FAIL_FAST:
            node.strict, node.likely = Mode.ANY, Mode.ALL
        return found

    def job(self, job: Any) -> Found:
        """A future of ``concurrent.futures``."""
        return _needing(Node(job, "job"), None if is_done(job) else self.jobs.completer(job))

    def lock(self, lock: Any) -> Found:
        """A thread's lock."""
        hold = self.holders.of(lock, self.world)
        if hold is None:
            return Node(lock, "lock"), (), ()
        self.holds[id(lock)] = hold
        found = _needing(Node(lock, "lock"), hold.holder)
        found[0].strict = Mode.ALL if hold.sure else Mode.FREE
        return found

    def reached(self) -> dict[int, Due]:
        """What the timers of the living loops may wake."""
        found: dict[int, Due] = {}
        for loop in self._live.values():
            found |= reach(loop)
        return found


def _needing(node: Node, *needs: Any, mode: Mode = Mode.ALL) -> Found:
    """The node with these needs; without any, or with one that is unknown, it is free."""
    if not needs or any(need is None for need in needs):
        return node, (), ()
    node.strict = node.likely = mode
    return node, tuple(needs), ()
