"""anyio on asyncio, 4.0 and later; entered when the program has it, never imported.

Laws:
- Up to 4.4 locks wait on an event and group exits in ``asyncio.wait``: such rows are composite, for the
  outermost name is the one that tells what ends the wait.
- A class that the program derived is not judged: it may give back in ways of its own.
- A child that fails ends its group's exit, for it cancels the others.
"""

from __future__ import annotations

import asyncio
from typing import Any

from ..attributes import own
from ..libraries import ANYIO, Anyio
from ..stacks import Link
from . import stdlib
from .model import Mode, Wait
from .reading import callbacks, closed_over
from .rows import Reader, Row, Table, find_code

_BACKEND, _CORE, _STREAMS = ANYIO, "anyio._core._synchronization", "anyio.streams.memory"
_MOST_CHILDREN = 1_000
_SOCKETS = (
    "SocketStream.receive", "SocketStream.send", "UNIXSocketStream.receive", "UNIXSocketStream.send",
    "TCPSocketListener.accept", "UNIXSocketListener.accept", "UDPSocket.receive", "ConnectedUDPSocket.receive",
    "AsyncIOBackend.wait_readable", "AsyncIOBackend.wait_writable",
)  # fmt: skip


def fill(table: Table, library: Anyio) -> None:
    """Enter the rows."""
    lock = Row("anyio.Lock", _held(library.locks), composite=True, joins=True)
    limiter = Row("anyio.CapacityLimiter", _held(library.limiters), composite=True, joins=True)
    semaphore = Row("anyio.Semaphore", _owner(library.semaphores), composite=True)
    stream = _owner(library.streams)
    handle = Row("anyio.TaskHandle", _handle(library), composite=True, joins=True)
    for target, row in {
        f"{_BACKEND}:Lock.acquire": lock,
        f"{_CORE}:Lock.acquire": lock,
        f"{_BACKEND}:CapacityLimiter.acquire_on_behalf_of": limiter,
        f"{_BACKEND}:Semaphore.acquire": semaphore,
        f"{_CORE}:Semaphore.acquire": semaphore,
        f"{_BACKEND}:Event.wait": Row("anyio.Event", _owner(library.events), composite=True),
        f"{_CORE}:Condition.wait": Row("anyio.Condition", _owner(library.conditions), composite=True),
        f"{_STREAMS}:MemoryObjectReceiveStream.receive": Row("anyio memory stream receive", stream, composite=True),
        f"{_STREAMS}:MemoryObjectSendStream.send": Row("anyio memory stream send", stream, composite=True),
        f"{_BACKEND}:TaskGroup.__aexit__": Row("anyio.TaskGroup", _group(library), composite=True, joins=True),
        f"{_BACKEND}:TaskGroup.start": Row("anyio.TaskGroup.start", _start(library), joins=True),
        "anyio._core._tasks:TaskHandle.wait": handle,
        "anyio._core._tasks:TaskHandle.__await__": handle,
        f"{_BACKEND}:AsyncIOBackend.run_sync_in_worker_thread": Row("anyio.to_thread", _plain, outside=True),
        **{f"{_BACKEND}:{name}": Row("anyio socket", _plain, composite=True, outside=True) for name in _SOCKETS},
    }.items():
        table.add(target, row)
    if not _has_future_of_its_own():
        table.add("asyncio.tasks:wait", Row("asyncio.wait", _wait, composite=True, joins=True))


def _has_future_of_its_own() -> bool:
    """Whether a group's exit waits for a future, as since 4.7; before, it is in ``asyncio.wait``."""
    code = find_code(f"{_BACKEND}:TaskGroup.__aexit__")
    return code is not None and "_on_completed_fut" in code.co_names


def _held(classes: tuple[type, ...]) -> Reader:
    def read(link: Link, _links: list[Link], future: Any) -> Wait:
        resource = link.find(classes)
        if type(resource) not in classes:
            return Wait("", Mode.FREE, future)
        return Wait("", Mode.HELD, resource)

    return read


def _owner(classes: tuple[type, ...]) -> Reader:
    def read(link: Link, _links: list[Link], future: Any) -> Wait:
        return Wait("", Mode.FREE, link.find(classes) or future)

    return read


def _plain(_link: Link, _links: list[Link], future: Any) -> Wait:
    return Wait("", Mode.FREE, future)


def _wait(link: Link, links: list[Link], future: Any) -> Wait:
    """``asyncio.wait`` by its outer function, so that what stands around it can be seen."""
    return stdlib.read_wait(links[links.index(link) + 1], links, future)


def children(group: Any) -> tuple[Any, ...]:
    """The unfinished tasks of a group; up to 4.1 its cancel scope kept them."""
    kept: Any = getattr(group, "_tasks", None)
    if kept is None:
        kept = getattr(getattr(group, "cancel_scope", None), "_tasks", ())
    return tuple(kept)


def _group(library: Anyio) -> Reader:
    def read(link: Link, _links: list[Link], future: Any) -> Wait:
        group = link.find(library.groups)
        tasks = children(group)
        if not tasks or future is not getattr(group, "_on_completed_fut", future):
            return Wait("", Mode.FREE, future)
        return Wait("", Mode.FAIL_FAST, group, tasks)

    return read


def _start(library: Anyio) -> Reader:
    """Waits for the child to say that it has started, or to end; but it may let somebody else say so."""

    def read(link: Link, _links: list[Link], future: Any) -> Wait:
        code = find_code(f"{_BACKEND}:TaskGroup._spawn.task_done")
        for child in children(link.find(library.groups))[:_MOST_CHILDREN]:
            noted = [each for each in callbacks(child) if own(each, "__code__") is code]
            if any(closed_over(each, "task_status_future") is future for each in noted):
                return Wait("", Mode.ALL, child, (child,), certain=False)
        return Wait("", Mode.FREE, future)

    return read


def _handle(library: Anyio) -> Reader:
    """A task's handle: its event is set when the task ends, by nobody else. The task is its scope's host."""

    def read(link: Link, _links: list[Link], future: Any) -> Wait:
        scope = getattr(link.find(library.handles), "_cancel_scope", None)
        task = getattr(scope, "_host_task", None)
        if not isinstance(task, asyncio.Task):
            return Wait("", Mode.FREE, future)
        return Wait("", Mode.ALL, task, (task,))

    return read
