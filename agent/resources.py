"""Resources that tasks take and give back: what each kind knows of its holders and its queue.

Laws:
- asyncio's are told of by the hooks; anyio's know their holders themselves, so they are only read.
- Whoever borrows from an anyio limiter may be any object: if one is no task, its holders are not known.
- Reading runs no code of the program.
"""

from __future__ import annotations

import asyncio
from typing import Any

from .attributes import instance_attributes
from .hooks.knot import holder_ids as noted_holders
from .libraries import anyio
from .pools import ConnectionPool, at
from .state import site_of


def is_resource(thing: Any) -> bool:
    """Whether it is something that tasks hold."""
    kinds = (asyncio.Lock, asyncio.Semaphore, ConnectionPool)
    return issubclass(type(thing), kinds) or is_anyio(thing) or is_unowned(thing)


def is_connection_pool(thing: Any) -> bool:
    """Whether it stands for a library's pool of connections."""
    return type(thing) is ConnectionPool


def is_anyio(thing: Any) -> bool:
    """Whether it is a lock or limiter of anyio's own."""
    library = anyio()
    return library is not None and type(thing) in library.resources


def is_unowned(thing: Any) -> bool:
    """Whether tasks hold units of it but it does not know which tasks: anyio's semaphore."""
    library = anyio()
    return library is not None and type(thing) in library.semaphores


def is_owned(thing: Any) -> bool:
    """Whether nobody but the holder himself can give it back: anyio's lock refuses everybody else."""
    library = anyio()
    return library is not None and type(thing) in library.locks


def is_pool(thing: Any) -> bool:
    """Whether it has several units."""
    if issubclass(type(thing), (asyncio.Semaphore, ConnectionPool)):
        return True
    return is_unowned(thing) or (is_anyio(thing) and not is_owned(thing))


def holder_ids(thing: Any) -> tuple[int, ...]:
    """Ids of the tasks that hold it; empty when a unit is free or a holder is unknown."""
    if isinstance(thing, asyncio.Lock | asyncio.Semaphore):
        return noted_holders(thing)
    if isinstance(thing, ConnectionPool):
        return thing.holder_ids()
    if is_owned(thing):
        owner = getattr(thing, "_owner_task", None)
        if owner is None or isinstance(owner, asyncio.Task):
            return () if owner is None else (id(owner),)
        return (owner.id,) if isinstance(getattr(owner, "id", None), int) else ()  # up to 4.4 a TaskInfo
    if is_unowned(thing):
        return ()
    borrowers = tuple(thing._borrowers)
    if len(borrowers) < thing._total_tokens or not all(isinstance(each, asyncio.Task) for each in borrowers):
        return ()
    return tuple(map(id, borrowers))


def waiters(thing: Any) -> int:
    """How many tasks are queued for it."""
    if isinstance(thing, ConnectionPool):
        return thing.waiters()
    return len(getattr(thing, "_waiters", None) or getattr(thing, "_wait_queue", None) or ())


def units(thing: Any) -> int | None:
    """How many units it has, when it is a pool and that is known."""
    if isinstance(thing, ConnectionPool):
        return thing.taken() or None
    if is_anyio(thing):
        total = getattr(thing, "_total_tokens", None)
        return total if isinstance(total, int) else None
    site = site_of(thing)
    return site[2] if site and len(site) > 2 else None


def type_name(thing: Any) -> str:
    """Its type as the program calls it."""
    if isinstance(thing, ConnectionPool):
        return thing.library.name
    cls = type(thing)
    library = cls.__module__.partition(".")[0]
    return f"{library}.{cls.__name__}" if library in ("asyncio", "anyio") else cls.__qualname__


def stands_for(thing: Any) -> Any:
    """What taking ``thing`` takes in truth: a condition's lock, an adapter's; itself when it stands for nothing."""
    if (pool := at(thing)) is not None:
        return pool
    for _ in range(3):
        inner = _inner(thing)
        if inner is None:
            break
        thing = inner
    return thing


def _inner(thing: Any) -> Any:
    if type(thing) is asyncio.Condition:
        return thing._lock  # type: ignore[attr-defined]
    library = anyio()
    name = library.inner.get(type(thing)) if library is not None else None
    return instance_attributes(thing).get(name) if name is not None else None
