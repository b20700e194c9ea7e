"""Which tasks have the connections of a pool: a search from their frames.

Laws:
- Only when somebody has waited for a while, of a pool that has nothing left; then not more often than every _AGAIN
  seconds. In between only those are looked at again who have moved.
- Breadth first through what the frames refer to, bounded; never through the pool, nor what the whole program shares
  (modules, classes, functions' globals, loops, tasks). No code of the program or of a library's objects runs.
- What several tasks have, any of them may give back.
- A pool one of whose connections was not found has holders that are not known.
"""

from __future__ import annotations

import asyncio
import contextvars
import gc
import logging
import threading
import types
import weakref
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from ..attributes import is_a
from ..pace import breathe
from ..stacks import Link, chain
from ..state import OwnReference
from .handle import ConnectionPool, Holder

_PATIENT = 1.0
_AGAIN = 5.0
_MOST_TASKS = 2_000
_MOST_VISITS, _MOST_IN_MANAGERS = 2_000, 500
_MOST_ITEMS = 200
_AT_A_STRETCH = 1_000
_CUT = (
    str, bytes, bytearray, int, float, complex, type(None), type, types.ModuleType, types.CodeType, types.FrameType,
    types.BuiltinFunctionType, weakref.ref, asyncio.Future, asyncio.AbstractEventLoop, contextvars.Context,
    threading.Thread, logging.Logger, logging.Handler, property,
)  # fmt: skip
_CONTAINERS: tuple[Any, ...] = (dict, list, tuple, set, frozenset, deque)


def refresh(handle: ConnectionPool, first: int, since: float, tasks: Iterable[Any], now: float) -> None:
    """Find out who has the connections of a pool for which the task with this id has waited longest, since when."""
    if handle.first != first:
        handle.first, handle.since = first, now
    taken = handle.taken()
    if not taken or now - since < _PATIENT:
        handle.forget()
        return
    if handle.is_complete and not _check(handle):
        handle.forget()
    if not handle.is_complete and now >= handle.again:
        handle.again = now + _AGAIN
        _search(handle, taken, list(tasks))


def _check(handle: ConnectionPool) -> bool:
    """Look again at the holders who have moved; False if one does not have what he had."""
    checked = []
    for holder in handle.holders:
        if holder.has_moved():
            task = holder.task()
            again = _holder(task, handle) if task is not None else None
            if again is None or again.connections != holder.connections:
                return False
            checked.append(again)
        else:
            checked.append(holder)
    handle.holders = tuple(checked)
    return True


def _search(handle: ConnectionPool, taken: int, tasks: list[Any]) -> None:
    found = [holder for task in tasks[:_MOST_TASKS] if (holder := _holder(task, handle)) is not None]
    handle.holders = tuple(found)
    connections = frozenset[int]().union(*(holder.connections for holder in found))
    handle.is_searched = len(tasks) <= _MOST_TASKS
    handle.is_complete = handle.is_searched and len(connections) == taken


def _holder(task: Any, handle: ConnectionPool) -> Holder | None:
    if task.done():
        return None
    future = task._fut_waiter
    found = list(_connections(task, handle))
    if not found:
        return None
    first = found[0]
    line = next((each.line for each in found if each.line is not None), None)
    return Holder(
        OwnReference(task),
        id(task),
        OwnReference(future) if future is not None else None,
        frozenset(each.key for each in found),
        line,
        first.link.code,
    )


_Start = tuple[Any, Link, int | None]
"""An object, the frame that has it, and the line of the block."""


class _Found(NamedTuple):
    key: int
    link: Link
    line: int | None


def _connections(task: Any, handle: ConnectionPool) -> Iterator[_Found]:
    """The pool's connections to which the frames of a task lead, once each."""
    pool = handle.pool()
    if pool is None:
        return
    links, seen = chain(task.get_coro()), {id(pool)}
    todo = deque(_managers(links))
    yield from _reached(todo, handle, pool, seen, _MOST_IN_MANAGERS)
    todo.extendleft(_locals(links))
    yield from _reached(todo, handle, pool, seen, _MOST_VISITS)


def _reached(todo: deque[_Start], handle: ConnectionPool, pool: Any, seen: set[int], most: int) -> Iterator[_Found]:
    visits = 0
    while todo and visits < most:
        thing, link, line = todo.popleft()
        if id(thing) in seen or is_a(thing, _CUT) or _size(thing) > _MOST_ITEMS:
            continue
        seen.add(id(thing))
        visits += 1
        if visits % _AT_A_STRETCH == 0:
            breathe()
        if handle.is_connection(pool, thing):
            yield _Found(id(thing), link, line)
        else:
            todo.extend((inner, link, line) for inner in _inside(thing))


def _managers(links: list[Link]) -> Iterator[_Start]:
    """What the frames are in an ``async with`` of, and its line."""
    for link in links:
        yield from ((entered.manager, link, entered.line) for entered in link.entered() or ())


def _locals(links: list[Link]) -> Iterator[_Start]:
    for link in links:
        yield from ((each, link, None) for each in link.referents())


def _size(thing: Any) -> int:
    """How many items a container has, whatever its class says of that."""
    return next((kind.__len__(thing) for kind in _CONTAINERS if is_a(thing, kind)), 0)


def _inside(thing: Any) -> Iterable[Any]:
    if is_a(thing, types.FunctionType):
        return thing.__closure__ or ()
    return gc.get_referents(thing)
