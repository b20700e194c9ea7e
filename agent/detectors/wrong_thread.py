"""wrong-thread: something was completed from outside the loop's thread, and nothing woke the loop.

Laws:
- Seen from the watcher's thread alone, before any loop is woken (``threads.sleepers``).
- Told is the task that should go on, what it waited for, and where; the thread that did it only where no other
  refers to the thing.
- It never claims to last: the next thing that wakes the loop, such as a timer or a request, hides the bug again.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
from collections.abc import Iterator
from types import BuiltinMethodType, MethodType
from typing import Any

from ..attributes import instance_attributes, is_a
from ..findings import SUSPECTED, Finding
from ..graph import Graph, Node
from ..snapshot import Place, TaskView
from ..stacks import chain
from ..state import State
from ..threads.frames import is_stdlib, module_of, variables
from ..threads.sleepers import Sleepers
from ..threads.world import Party, World
from ..views import Views, loop_name
from ..waits.joiners import joiners, resumed_by
from ..waits.model import Mode, Wait
from ..waits.reading import table
from .model import Sight

KIND = "wrong-thread"
_MOST_FRAMES = 50
_HELP = {
    "asyncio.Event": "loop.call_soon_threadsafe(event.set)",
    "asyncio.Queue.get": "loop.call_soon_threadsafe(queue.put_nowait, item)",
    "asyncio.Queue.put": "loop.call_soon_threadsafe(queue.get_nowait)",
    "asyncio.Condition": "asyncio.run_coroutine_threadsafe(a coroutine that takes the condition and notifies, loop)",
    "asyncio.Lock": "loop.call_soon_threadsafe(lock.release)",
    "asyncio.Semaphore": "loop.call_soon_threadsafe(semaphore.release)",
    "future": "loop.call_soon_threadsafe(future.set_result, result)",
    "new task": "asyncio.run_coroutine_threadsafe(coroutine, loop)",
    "callback": "loop.call_soon_threadsafe(callback)",
    "timer": "loop.call_soon_threadsafe(loop.call_later, delay, callback)",
}


class WrongThread:
    """A detector, see ``model``."""

    kind = KIND
    lasting = False
    often = True

    def __init__(self, state: State) -> None:
        self.state = state
        self._sleepers = Sleepers(state)
        self._told: dict[tuple[str, int, int], Finding] = {}

    def rests(self) -> bool:
        """Whether there is nothing to look at if the loops have nothing to run."""
        return not self._told and not self._sleepers.suspected()

    def look(self, sight: Sight) -> Iterator[Finding]:
        """The loops that sleep over a ready callback now."""
        told, self._told = self._told, {}
        for loop, handle, since, world in self._sleepers.look(sight.now):
            subject = (KIND, id(loop), id(handle))
            finding = told.get(subject)
            if finding is None:
                finding = _describe(loop, handle, world, self.state, sight.now - since, sight.now, subject)
            self._told[subject] = finding
            yield finding
        self.state.oversleeping = self._sleepers.suspected() - {key for _kind, key, _handle in self._told}


def _describe(
    loop: Any, handle: Any, world: World, state: State, age: float, now: float, subject: tuple[str, int, int]
) -> Finding:
    callback = _callback(handle)
    task = _resumed(callback)
    if task is not None:
        what, thing = _waited_for(task)
        tasks, resources, edges = _views(task, what, thing, state, now).picture([id(task)], [])
    else:
        what, thing = "timer" if hasattr(handle, "when") else "callback", callback
        tasks, resources, edges = (_plain(callback),), (), ()
    culprit = _only_thread_with(thing, world, loop) if thing is not None else None
    return Finding(
        kind=KIND,
        verdict=SUSPECTED,
        title=_title(what),
        age_s=age,
        loop=loop_name(loop),
        tasks=tasks,
        resources=resources,
        edges=edges,
        note=_note(culprit),
        help=f"hand it over from other threads and signal handlers: {_HELP.get(what, _HELP['future'])}",
        subject=subject,
    )


def _title(what: str) -> str:
    if what in ("callback", "timer"):
        return f"a {what} is due, but its loop sleeps: nothing woke it"
    if what == "new task":
        return "a new task could begin, but its loop sleeps: nothing woke it"
    return "a task could go on, but its loop sleeps: nothing woke it"


def _note(culprit: Party | None) -> str:
    if culprit is None:
        return "done by another thread or a signal handler, without call_soon_threadsafe"
    return f"the only other thread that refers to it is {culprit.name}"


def _callback(handle: Any) -> Any:
    callback = getattr(handle, "_callback", None)
    if callback is not None:
        return callback
    return next((each for each in gc.get_referents(handle) if callable(each)), None)  # uvloop's handles


def _resumed(callback: Any) -> Any:
    """The task that the callback resumes, directly or through a gather, wait or shield."""
    found = resumed_by(callback)
    return found if found is None or isinstance(found, asyncio.Task) else next(joiners(found), None)


def _waited_for(task: Any) -> tuple[str, Any]:
    """The kind of the task's wait and the thing it waited for, though that is done by now."""
    coro, future = task.get_coro(), getattr(task, "_fut_waiter", None)
    if inspect.iscoroutine(coro) and inspect.getcoroutinestate(coro) == inspect.CORO_CREATED:
        return "new task", task
    links = list(chain(coro))
    match = table().match(links)
    if match is None:
        return "future", future
    link, row = match
    wait = row.read(link, links, future)
    return (wait.kind or row.kind).replace("Bounded", ""), wait.resource if wait.resource is not None else future


def _views(task: Any, what: str, thing: Any, state: State, now: float) -> Views:
    graph = Graph()
    is_new = thing is None or thing is task
    needs = () if is_new else (id(thing),)
    graph.nodes[id(task)] = Node(task, "task", needs=needs, wait=Wait(what, Mode.FREE, thing))
    if not is_new:
        graph.nodes[id(thing)] = Node(thing, "resource")
    return Views(graph, state, now)


def _plain(callback: Any) -> TaskView:
    code = getattr(inspect.unwrap(callback), "__code__", None) if callable(callback) else None
    name = str(getattr(callback, "__qualname__", "callback"))
    stack = (Place.at(code.co_filename, code.co_firstlineno, code.co_qualname),) if code is not None else ()
    return TaskView(f"callback-{id(callback):x}", "callback", name, "core", None, 0.0, None, (), stack, None)


def _only_thread_with(thing: Any, world: World, loop: Any) -> Party | None:
    """The one thread beside the loop's whose variables refer to the thing, or None."""
    runner = world.runner(loop)
    found = [party for party in world.parties.values() if party is not runner and _refers(party, thing, world)]
    return found[0] if len(found) == 1 else None


def _refers(party: Party, thing: Any, world: World) -> bool:
    for frame in world.stack(party)[:_MOST_FRAMES]:
        if is_stdlib(frame) or module_of(frame).startswith("unstuck."):
            continue
        for name, value in variables(frame).items():
            if value is thing or _is_bound_to(value, thing) or (name == "self" and _has(value, thing)):
                return True
    return False


def _is_bound_to(value: Any, thing: Any) -> bool:
    return is_a(value, (MethodType, BuiltinMethodType)) and value.__self__ is thing


def _has(owner: Any, thing: Any) -> bool:
    return any(value is thing for value in instance_attributes(owner).values())
