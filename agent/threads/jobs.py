"""Who completes a future of ``concurrent.futures``: a worker, a queue of jobs, a task, or a loop's next turn.

Laws:
- A future that is none of these may be completed by anybody.
- Cancellation is left aside, as it is for tasks.
- ``concurrent.futures.thread`` is looked at only if the program has imported it.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections import deque
from collections.abc import Iterator
from functools import cached_property
from typing import Any

from ..libraries import ANYIO
from ..state import State
from ..waits.reading import callbacks, closed_over
from ..waits.rows import find_code
from .frames import stdlib_local, title_of, variables
from .reading import is_done
from .world import Party, World

_MOST_JOBS = 10_000
_CALLBACKS = ("run_coroutine_threadsafe.<locals>.callback", "AsyncIOBackend.run_sync_from_thread.<locals>.wrapper")
"""Callbacks of asyncio and anyio that complete the one future they close over."""


class Jobs:
    """What the workers of this process's executors run, and what queues for them, at one look."""

    def __init__(self, world: World, state: State) -> None:
        self.world, self.state = world, state

    def completer(self, job: Any) -> Any:
        """What has to move so that ``job`` is completed: a Party, an executor, a future or a loop; None if unknown."""
        source = source_of(job, job._done_callbacks)
        if source is not None:
            return source.get_loop() if asyncio.isfuture(source) and source.done() else source
        return self._running.get(id(job)) or self._queued.get(id(job)) or self._loop_about_to_start(job)

    def source(self, future: Any) -> Any:
        """What has to move so that a task gets the result it awaits from a thread; None if it is no such future."""
        return source_of(future, callbacks(future)) or self._anyio.get(id(future))

    def workers(self, executor: Any) -> list[Party] | None:
        """The executor's workers, or None when it could still start one, or one of them is not to be seen."""
        module = sys.modules["concurrent.futures.thread"]
        if type(executor)._adjust_thread_count is not module.ThreadPoolExecutor._adjust_thread_count:
            return None  # made to start workers in its own way
        threads = list(executor._threads)
        parties = [self.world.party(thread.ident) for thread in threads]
        if not threads or len(threads) < executor._max_workers or None in parties:
            return None
        return [party for party in parties if party is not None]

    def running(self, party: Party) -> Any:
        """The job that a worker runs, or None."""
        for frame in self.world.stack(party):
            if title_of(frame) == "concurrent.futures.thread:_WorkItem.run":
                return getattr(stdlib_local(frame, "self"), "future", None)
        return None

    @cached_property
    def executors(self) -> list[Any]:
        """The executors that have a worker."""
        found = {}
        for party in self._workers:
            for frame in reversed(self.world.stack(party)):
                if title_of(frame) == "concurrent.futures.thread:_worker":
                    reference = stdlib_local(frame, "executor_reference")
                    executor = reference() if reference is not None else None
                    found[id(executor)] = executor
                    break
        return [executor for executor in found.values() if executor is not None]

    @property
    def _workers(self) -> Iterator[Party]:
        for thread in list(thread_queues()):
            party = self.world.party(thread.ident)
            if party is not None:
                yield party

    @cached_property
    def _running(self) -> dict[int, Party]:
        found = {id(self.running(party)): party for party in self._workers}
        found.pop(id(None), None)
        return found

    @cached_property
    def _anyio(self) -> dict[int, Party]:
        """anyio's worker threads by the future of what they run; known since Python 3.13 (see ``frames``)."""
        found = {}
        for party in self.world.parties.values() if ANYIO in sys.modules else ():
            if type(party.thread).__module__ == ANYIO:
                for frame in reversed(self.world.stack(party)):
                    if title_of(frame) == f"{ANYIO}:WorkerThread.run":
                        found[id(variables(frame).get("future"))] = party
        found.pop(id(None), None)
        return found

    @cached_property
    def _queued(self) -> dict[int, Any]:
        return {id(job): executor for executor in self.executors for job in queued_jobs(executor)}

    def _loop_about_to_start(self, job: Any) -> Any:
        """The loop with a ready callback that will complete the job, or make the task that does."""
        for loop in list(self.state.loops):
            for handle in ready_handles(loop)[:_MOST_JOBS]:
                callback = getattr(handle, "_callback", None)
                code = getattr(callback, "__code__", None)
                if code is None or code.co_qualname not in _CALLBACKS:
                    continue
                if job in (closed_over(callback, "future"), closed_over(callback, "f")):
                    return loop
        return None


def source_of(future: Any, callbacks: Any) -> Any:
    """The future whose result ``future`` is chained to receive, read from its done-callbacks; or None."""
    check = find_code("asyncio.futures:_chain_future._call_check_cancel")
    for callback in list(callbacks or ()):
        if getattr(callback, "__code__", None) is check:
            return closed_over(callback, "source")
    return None


def thread_queues() -> dict[Any, Any]:
    """The workers of all executors, each with the queue it serves."""
    module = sys.modules.get("concurrent.futures.thread")
    return dict(getattr(module, "_threads_queues", None) or {})


def queued_jobs(executor: Any) -> list[Any]:
    """The futures of the jobs that wait for a worker; none of them when they are too many to look at."""
    queue = executor._work_queue
    if queue.qsize() > _MOST_JOBS:
        return []
    items = [each for part in gc.get_referents(queue) for each in (part if type(part) is list else [part])]
    return [item.future for item in items if type(item).__name__ == "_WorkItem" and not is_done(item.future)]


def ready_handles(loop: Any) -> list[Any]:
    """The callbacks that a loop is to run at its next turn."""
    return list(ready_queue(loop))


def ready_queue(loop: Any) -> Any:
    """Where a loop keeps these callbacks; uvloop does so where only the collector looks."""
    ready = getattr(loop, "_ready", None)
    return ready if ready is not None else next((each for each in gc.get_referents(loop) if type(each) is deque), ())
