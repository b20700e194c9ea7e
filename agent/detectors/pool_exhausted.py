"""pool-exhausted: those who hold a pool's units wait for another unit of it, and only a few can still give one back.

Laws:
- All units of a semaphore, or all workers of an executor, are taken; the same tasks or jobs have had them for
  ``slow_wait_after``; somebody queues.
- At least one of them waits for the same pool, directly or through others, and at least one can still finish.
  When none can, it is a ``deadlock``; when none waits for the pool, a ``slow-wait`` or merely work.
- It never claims to last: when the pool moves it is closed.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from ..confirm import Judgement, judge
from ..findings import SUSPECTED, Finding
from ..graph import Graph
from ..judge import irreducible, leads_to
from ..resources import is_connection_pool, is_pool
from ..state import State
from ..threads.graph import build
from ..threads.holders import Holders
from ..threads.jobs import Jobs, thread_queues
from ..threads.views import KnotViews
from ..threads.world import World
from ..views import Views, loop_name
from . import connection_pools
from .model import Sight
from .slow_wait import overdue

KIND = connection_pools.KIND
_MOST_SHOWN = 20


class PoolExhausted:
    """A detector, see ``model``."""

    kind = KIND
    lasting = False
    often = False

    def __init__(self, state: State) -> None:
        self.state = state
        self._executors: dict[int, Busy] = {}
        self._holders = Holders(state)

    def look(self, sight: Sight) -> Iterator[Finding]:
        """The pools that are so now."""
        yield from self._semaphores(sight)
        yield from self._full_executors(sight)

    def _semaphores(self, sight: Sight) -> Iterator[Finding]:
        settings = sight.settings
        late = overdue(sight.census.queues, sight.now, settings.interval, settings.slow_wait_after)
        resources = [queue.resource for queue in late.values()]
        yield from connection_pools.find(filter(is_connection_pool, resources), sight, self.state)
        pools = [each for each in resources if is_pool(each) and not is_connection_pool(each)]
        judgement = judge(pools, self.state) if pools else None
        for pool in pools:
            if judgement is not None and waits_for_itself(judgement, pool):
                yield _describe_semaphore(judgement.graph, pool, self.state, sight.now)

    def _full_executors(self, sight: Sight) -> Iterator[Finding]:
        before, self._executors = self._executors, {}
        if not any(queue.qsize() for queue in set(thread_queues().values())):
            return
        world = World()
        jobs = Jobs(world, self.state)
        for executor in jobs.executors:
            busy = _busy(executor, jobs, sight.now) if executor._work_queue.qsize() else None
            if busy is None:
                continue
            known = before.get(id(executor))
            self._executors[id(executor)] = busy = known if known is not None and known.same(busy) else busy
            if sight.now - busy.since + sight.settings.interval >= sight.settings.slow_wait_after:
                yield from self._exhausted(executor, world, sight.now - busy.since)

    def _exhausted(self, executor: Any, world: World, age: float) -> Iterator[Finding]:
        self._holders.begin()
        builder = build([executor], world, self._holders, self.state)
        graph, key = builder.graph, id(executor)
        workers = graph.nodes[key].needs
        if not workers or key in irreducible(graph, likely=True):
            return
        waiting = [worker for worker in workers if leads_to(graph, worker, key)]
        if not waiting:
            return
        between = [each for each in graph.nodes if each not in workers and each != key and leads_to(graph, each, key)]
        others = [each for each in workers if each not in waiting]
        views = KnotViews(builder, [*waiting, *between, *others], self.state)
        tasks, resources, edges = views.picture(age)
        moving = {views.id_of(worker) for worker in others}
        yield Finding(
            kind=KIND,
            verdict=SUSPECTED,
            title=_title(len(waiting), len(workers), "workers of an executor", "further jobs of it"),
            age_s=age,
            tasks=tuple(replace(task, role="victim") if task.id in moving else task for task in tasks)[:_MOST_SHOWN],
            resources=resources,
            edges=edges,
            victims=executor._work_queue.qsize(),
            note=_NOTE,
            help="a job must not wait for another job of its own executor: await both from the loop, "
            "or give the inner ones an executor of their own",
            subject=(KIND, key),
        )


@dataclass(frozen=True, slots=True)
class Busy:
    """What the workers of an executor were at, and since when."""

    jobs: tuple[weakref.ref[Any], ...]
    since: float

    def same(self, other: Busy) -> bool:
        """Whether these are the same jobs."""
        mine, theirs = ({id(job) for ref in each.jobs if (job := ref()) is not None} for each in (self, other))
        return len(mine) == len(self.jobs) and mine == theirs


def _busy(executor: Any, jobs: Jobs, now: float) -> Busy | None:
    """What all the workers are at, or None when one is idle or could still be started."""
    workers = jobs.workers(executor)
    running = [jobs.running(worker) for worker in workers or ()]
    if not running or None in running:
        return None
    return Busy(tuple(weakref.ref(job) for job in running), now)


def waits_for_itself(judgement: Judgement, pool: Any) -> bool:
    """Whether a holder of the pool waits for the pool, while another can still give a unit back."""
    if is_connection_pool(pool):
        return connection_pools.waits_for_itself(judgement, pool)
    node = judgement.graph.nodes.get(id(pool))
    if node is None or len(node.holds) < 2 or id(pool) in judgement.likely | judgement.stuck:
        return False
    sure = all(hold.sure for hold in node.holds)
    return sure and any(leads_to(judgement.graph, id(hold.task), id(pool)) for hold in node.holds)


def _describe_semaphore(graph: Graph, pool: Any, state: State, now: float) -> Finding:
    views = Views(graph, state, now)
    holders = list(dict.fromkeys(id(hold.task) for hold in graph.nodes[id(pool)].holds))
    waiting = sorted((key for key in holders if leads_to(graph, key, id(pool))), key=views.waiting_since)
    others = [key for key in holders if key not in waiting]
    tasks, resources, edges = views.picture(waiting, others)
    waiters = next((each.waiters for each in resources if each.holders), 0)
    return Finding(
        kind=KIND,
        verdict=SUSPECTED,
        title=_title(len(waiting), len(holders), "holders of a pool", "another unit of it"),
        age_s=now - max(map(views.waiting_since, waiting)),
        loop=loop_name(graph.nodes[waiting[0]].thing.get_loop()),
        tasks=tasks,
        resources=resources,
        edges=edges,
        victims=max(0, waiters - len(waiting)),
        note=_NOTE,
        help="do not ask a pool for a second unit while holding one: take all that is needed at once, "
        "or give back first",
        subject=(KIND, id(pool)),
    )


_NOTE = "the others can still finish; when the last of them asks as well, nothing can move any more"


def _title(waiting: int, every: int, who: str, what: str) -> str:
    return f"{waiting} of the {every} {who} {'waits' if waiting == 1 else 'wait'} for {what}"
