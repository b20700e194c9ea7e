"""From a task or a future to its wait.

Laws:
- What is not recognised is FREE: an unknown waker is a waker.
- A future that a known helper made (gather, shield, a thread's result) is judged by what it stands for.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from functools import cache
from types import FunctionType
from typing import Any

from ..attributes import own
from ..libraries import anyio, is_loaded
from ..pools import LIBRARIES, ConnectionPool, handle_of, waited_for
from ..resources import is_connection_pool
from ..stacks import Link, chain
from . import stdlib, stdlib_311, stdlib_313
from .model import READY, Mode, Wait
from .rows import Table, find_code

Gathering: Any = asyncio.tasks._GatheringFuture  # type: ignore[attr-defined]
_CFuture: type = asyncio.Future
JOINABLE = (asyncio.Task, Gathering)
"""Futures that are awaited for other tasks' sake."""


def table() -> Table:
    """The rows that this interpreter has, and those of the libraries that the program has loaded by now."""
    filled = _table()
    if not filled.has_anyio and (library := anyio()) is not None:
        from . import anyio_rows

        filled.has_anyio = True
        anyio_rows.fill(filled, library)
    if len(sys.modules) != filled.modules:
        filled.modules = len(sys.modules)
        for each in LIBRARIES:
            if each.module not in filled.libraries and is_loaded(each.module):
                filled.add_pool(each)
    return filled


@cache
def _table() -> Table:
    filled = Table()
    stdlib.fill(filled)
    (stdlib_311 if sys.version_info < (3, 12) else stdlib_313).fill(filled)
    if sys.version_info[:2] == (3, 12):
        stdlib_311.fill_as_completed(filled)
    return filled


def wait_of(task: Any, links: list[Link] | None = None) -> Wait:
    """What ``task`` waits for at this moment; ``links`` is its await chain, where that is known already.

    Exact in the loop's own thread while the task is suspended; from another thread it is a glimpse.
    """
    future = getattr(task, "_fut_waiter", None)
    if future is None or future.done() or task.done():
        return READY
    if isinstance(future, JOINABLE):
        return future_wait(future)
    if links is None:
        links = chain(task.get_coro())
    return pooled(_primitive(links, future), links)


def primitive_wait(task: Any) -> Wait:
    """What ``task`` waits for, as ``wait_of``; in a library's pool, the primitive that this waits with."""
    wait = wait_of(task)
    return _primitive(list(chain(task.get_coro())), task._fut_waiter) if is_connection_pool(wait.resource) else wait


def _primitive(links: list[Link], future: Any) -> Wait:
    match = table().match(links)
    if match is None:
        return future_wait(future)
    link, row = match
    wait = row.read(link, links, future)
    return wait if wait.kind else Wait(row.kind, wait.mode, wait.resource, wait.needs, wait.due, wait.certain)


def pooled(wait: Wait, links: list[Link]) -> Wait:
    """The wait itself, or that for the library's pool that the task with these frames waits for in this way."""
    pool = _pool_of(links)
    return wait if pool is None else Wait(pool.library.name, Mode.HELD, pool, due=wait.due)


def _pool_of(links: list[Link]) -> ConnectionPool | None:
    """The library's pool, with no connection left, that a task with these frames waits for."""
    pools = table().pools
    for link in links if pools else ():
        library, below = pools.get(id(link.code), (None, None))
        if library is None:
            continue
        pool = waited_for(library, link, links, below)
        handle = handle_of(library, pool) if pool is not None else None
        if handle is not None:
            return handle
    return None


def future_wait(future: Any) -> Wait:
    """What awaiting ``future`` itself means."""
    if isinstance(future, asyncio.Task):
        return Wait("task", Mode.ALL, future, (future,))
    if isinstance(future, Gathering):
        children = tuple(future._children)
        mode = Mode.ALL if _returns_exceptions(future, children) else Mode.FAIL_FAST
        return Wait("asyncio.gather", mode, future, children)
    for function in _own_functions(future):
        if function.__code__ is find_code("asyncio.tasks:shield._outer_done_callback"):
            inner = closed_over(function, "inner")
            if inner is not None:
                return Wait("asyncio.shield", Mode.ALL, inner, (inner,))
        if function.__code__ is find_code("asyncio.futures:_chain_future._call_check_cancel"):
            return Wait("thread", Mode.FREE, future)
    return Wait("future", Mode.FREE, future)


def stands_for_another(future: Any) -> bool:
    """Whether a plain future is a shield's; in constant time, however many await it."""
    shield = find_code("asyncio.tasks:shield._outer_done_callback")
    return any(function.__code__ is shield for function in _own_functions(future))


def _own_functions(future: Any) -> list[FunctionType]:
    """The function that was the future's first done-callback; all of them for a future of Python's own.

    The C future keeps its first callback apart, so this does not copy the list of all who await it.
    """
    found = [each for each in gc.get_referents(future) if type(each) is FunctionType]
    if found or isinstance(future, _CFuture):
        return found
    return [each for each in callbacks(future) if type(each) is FunctionType]


def _returns_exceptions(gathering: Any, children: tuple[Any, ...]) -> bool:
    """Whether this very gather was told to collect exceptions; its callback on an unfinished child tells."""
    for child in children:
        for callback in callbacks(child):
            is_gather = own(callback, "__code__") is find_code("asyncio.tasks:gather._done_callback")
            if is_gather and closed_over(callback, "outer") is gathering:
                return closed_over(callback, "return_exceptions") is True
    return False


def callbacks(future: Any) -> list[Any]:
    """The done-callbacks of a future, without their contexts."""
    return [entry[0] for entry in getattr(future, "_callbacks", None) or ()]


def closed_over(function: Any, name: str) -> Any:
    """The value of a closed-over variable of a function, or None."""
    names = function.__code__.co_freevars
    if name not in names or not function.__closure__:
        return None
    try:
        return function.__closure__[names.index(name)].cell_contents
    except ValueError:
        return None
