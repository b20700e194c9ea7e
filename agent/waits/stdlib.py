"""asyncio's own primitives, as they are in every version from 3.11 to 3.15."""

from __future__ import annotations

import asyncio
from typing import Any

from ..stacks import Link
from .locals import local
from .model import Mode, Wait
from .rows import Reader, Row, Table


def fill(table: Table) -> None:
    """Enter the rows."""
    held, of = _held, _owner
    for target, row in {
        "asyncio.locks:Lock.acquire": Row("asyncio.Lock", held("asyncio.Lock", asyncio.Lock), joins=True),
        "asyncio.locks:Semaphore.acquire": Row(
            "asyncio.Semaphore", held("asyncio.Semaphore", asyncio.Semaphore), joins=True
        ),
        "asyncio.locks:Condition.wait": Row("asyncio.Condition", of(asyncio.Condition)),
        "asyncio.locks:Condition.wait_for": Row("asyncio.Condition", of(asyncio.Condition), composite=True),
        "asyncio.locks:Event.wait": Row("asyncio.Event", of(asyncio.Event)),
        "asyncio.locks:Barrier.wait": Row("asyncio.Barrier", of(asyncio.Barrier), composite=True),
        "asyncio.locks:Barrier._block": Row("asyncio.Barrier", of(asyncio.Barrier), composite=True),
        "asyncio.locks:Barrier._wait": Row("asyncio.Barrier", of(asyncio.Barrier), composite=True),
        "asyncio.queues:Queue.get": Row("asyncio.Queue.get", of(asyncio.Queue)),
        "asyncio.queues:Queue.put": Row("asyncio.Queue.put", of(asyncio.Queue)),
        "asyncio.queues:Queue.join": Row("asyncio.Queue.join", of(asyncio.Queue), composite=True),
        "asyncio.tasks:sleep": Row("asyncio.sleep", _sleep, outside=True),
        "asyncio.tasks:_wait": Row("asyncio.wait", read_wait, joins=True),
        "asyncio.taskgroups:TaskGroup.__aexit__": Row("asyncio.TaskGroup", _group, joins=True),
        "asyncio.taskgroups:TaskGroup._aexit": Row("asyncio.TaskGroup", _group, joins=True),
        "asyncio.threads:to_thread": Row("asyncio.to_thread", _plain, outside=True),
        "asyncio.streams:StreamReader._wait_for_data": Row(
            "asyncio.StreamReader", of(asyncio.StreamReader), outside=True
        ),
        "asyncio.streams:FlowControlMixin._drain_helper": Row("asyncio.StreamWriter.drain", _plain, outside=True),
        "asyncio.streams:StreamWriter.wait_closed": Row(
            "asyncio.StreamWriter.wait_closed", of(asyncio.StreamWriter), outside=True
        ),
        "asyncio.base_subprocess:BaseSubprocessTransport._wait": Row(
            "asyncio.subprocess.Process.wait", _plain, outside=True
        ),
        "asyncio.subprocess:Process.communicate": Row("asyncio.subprocess.Process.communicate", _plain, outside=True),
        "asyncio.base_events:Server.serve_forever": Row("asyncio.Server.serve_forever", _plain, outside=True),
        "asyncio.base_events:Server.wait_closed": Row("asyncio.Server.wait_closed", _plain, outside=True),
        "asyncio.base_events:BaseEventLoop.getaddrinfo": Row("loop.getaddrinfo", _plain, composite=True, outside=True),
        "asyncio.base_events:BaseEventLoop.create_connection": Row("loop.create_connection", _plain, outside=True),
        "asyncio.selector_events:BaseSelectorEventLoop.sock_recv": Row("loop.sock_recv", _plain, outside=True),
        "asyncio.selector_events:BaseSelectorEventLoop.sock_sendall": Row("loop.sock_sendall", _plain, outside=True),
        "asyncio.selector_events:BaseSelectorEventLoop.sock_connect": Row("loop.sock_connect", _plain, outside=True),
        "asyncio.selector_events:BaseSelectorEventLoop.sock_accept": Row("loop.sock_accept", _plain, outside=True),
    }.items():
        table.add(target, row)


def _held(kind: str, cls: type) -> Reader:
    def read(link: Link, _links: list[Link], _future: Any) -> Wait:
        resource = link.find(cls)
        name = "asyncio.BoundedSemaphore" if isinstance(resource, asyncio.BoundedSemaphore) else kind
        return Wait(name, Mode.HELD if resource is not None else Mode.FREE, resource)

    return read


def _owner(cls: type) -> Reader:
    def read(link: Link, _links: list[Link], future: Any) -> Wait:
        return Wait("", Mode.FREE, link.find(cls) or future)

    return read


def _plain(_link: Link, _links: list[Link], future: Any) -> Wait:
    return Wait("", Mode.FREE, future)


def _sleep(link: Link, _links: list[Link], _future: Any) -> Wait:
    timer = link.find(asyncio.TimerHandle)
    return Wait("", Mode.FREE, None, due=timer.when() if timer is not None else None)


def read_wait(link: Link, _links: list[Link], _future: Any) -> Wait:
    """What a frame of ``asyncio.tasks._wait`` waits for."""
    mode = {
        asyncio.FIRST_COMPLETED: Mode.ANY,
        asyncio.FIRST_EXCEPTION: Mode.FAIL_FAST,
        asyncio.ALL_COMPLETED: Mode.ALL,
    }.get(local(link, "return_when"), Mode.FREE)
    timer = local(link, "timeout_handle")
    return Wait("", mode, None, tuple(local(link, "fs") or ()), due=timer.when() if timer is not None else None)


def _group(link: Link, _links: list[Link], future: Any) -> Wait:
    group = link.find(asyncio.TaskGroup)
    tasks = getattr(group, "_tasks", None)
    if group is None or not tasks or future is not group._on_completed_fut:
        return Wait("", Mode.FREE, future)
    return Wait("", Mode.FAIL_FAST, group, tuple(tasks))
