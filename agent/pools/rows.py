"""The table: how each library's pool is recognised in a suspended frame, and what it knows of itself.

Laws:
- Attributes are read as the library keeps them, past any property; a version that keeps them otherwise makes a pool
  that is not seen, never an error: what a reader raises means "no".
- A pool is waited for only while none of its connections is free and no more can be made.
- A connection is what the library gives out anew each time, or what it counts as being out.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import CodeType, FrameType
from typing import Any

from ..attributes import content, is_a, own
from ..stacks import Link

_GREENLET_FRAMES = 12


@dataclass(frozen=True, slots=True)
class Library:
    """A library and its pool."""

    name: str
    """How the pool is called in what is told."""
    module: str
    """The module of the pool; where that is not loaded there is none."""
    waits: tuple[str, ...]
    """Functions in which a task waits for a connection, as ``module:qualified.name``; the names of some versions."""
    below: str
    """The function below it that is the wait itself, not a connection being made; empty if nothing else is awaited."""
    found_in: Callable[[Link, list[Link]], Any]
    """The pool, from the frame of the wait and the whole chain; None if it waits for something else."""
    taken: Callable[[Any], int]
    """How many connections of a pool are out, if none is free and no more can be made; else 0."""
    waiters: Callable[[Any], int]
    """How many wait for one."""
    connection: Callable[[Any, Any], bool]
    """Whether (pool, object) an object is a connection of the pool that is out."""
    part: Callable[[Any], Any] = lambda pool: pool
    """What of a pool can be referred to weakly,"""
    whole: Callable[[Any], Any] = lambda part: part
    """and back to the pool."""


def waited_for(library: Library, link: Link, links: list[Link], below: CodeType | None) -> Any:
    """The pool that the frame ``link`` of a task's chain waits for, or None."""
    try:
        if library.below and not any(each.code is below for each in links):
            return None
        pool = library.found_in(link, links)
        return pool if pool is not None and library.taken(pool) else None
    except Exception:  # noqa: BLE001 - another version keeps it otherwise, or it changes while it is read
        return None


def _self_of(*names: str) -> Callable[[Link, list[Link]], Any]:
    """Finds an instance of a class with one of these names among the locals of a frame and what it closes over."""

    def find(link: Link, _links: list[Link]) -> Any:
        values = map(content, link.referents())
        return next((each for each in values if any(base.__name__ in names for base in type(each).__mro__)), None)

    return find


def _class(module: str, name: str) -> Any:
    return getattr(sys.modules.get(module), name, ())


# -- asyncpg ----------------------------------------------------------------------------------------------


def _asyncpg_taken(pool: Any) -> int:
    taken = sum(own(holder, "_in_use") is not None for holder in list(pool._holders))
    return taken if taken == len(pool._holders) == pool._maxsize else 0


def _asyncpg_connection(pool: Any, thing: Any) -> bool:
    if not is_a(thing, _class("asyncpg.pool", "PoolConnectionProxy")):
        return False
    holder = own(thing, "_holder")
    return holder is not None and own(holder, "_pool") is pool


# -- SQLAlchemy -------------------------------------------------------------------------------------------


def _sqlalchemy_pool(link: Link, _links: list[Link]) -> Any:
    """The pool whose ``_do_get`` waits in the greenlet that this coroutine drives."""
    greenlet = next((each for each in link.referents() if type(each).__name__ == "_AsyncIoGreenlet"), None)
    frame: FrameType | None = getattr(greenlet, "gr_frame", None)
    inner = None
    for _ in range(_GREENLET_FRAMES):
        if frame is None:
            return None
        if frame.f_code.co_name == "_do_get":
            return frame.f_locals.get("self") if inner == "get" else None  # not while it makes a connection
        inner, frame = frame.f_code.co_name, frame.f_back
    return None


def _sqlalchemy_taken(pool: Any) -> int:
    if pool._max_overflow < 0 or pool._overflow < pool._max_overflow or pool._pool.qsize():
        return 0
    return int(pool._pool.maxsize + pool._overflow)


def _sqlalchemy_connection(pool: Any, thing: Any) -> bool:
    if not is_a(thing, _class("sqlalchemy.pool.base", "_ConnectionFairy")):
        return False
    return own(thing, "_pool") is pool and own(thing, "dbapi_connection") is not None


# -- psycopg ----------------------------------------------------------------------------------------------


def _psycopg_taken(pool: Any) -> int:
    return int(pool._nconns) if not pool._pool and pool._nconns >= pool._max_size else 0


def _psycopg_connection(pool: Any, thing: Any) -> bool:
    return is_a(thing, _class("psycopg", "AsyncConnection")) and own(thing, "_pool") is pool


# -- redis ------------------------------------------------------------------------------------------------


def _redis_taken(pool: Any) -> int:
    taken = len(pool._in_use_connections)
    return taken if not pool._available_connections and taken >= pool.max_connections else 0


def _redis_connection(pool: Any, thing: Any) -> bool:
    if not is_a(thing, _class("redis.asyncio.connection", "AbstractConnection")):
        return False
    return any(each is thing for each in list(pool._in_use_connections))


# -- aiohttp ----------------------------------------------------------------------------------------------


def _aiohttp_taken(pool: Any) -> int:
    taken = len(pool._acquired)
    return taken if pool._limit and taken >= pool._limit else 0


def _aiohttp_connection(pool: Any, thing: Any) -> bool:
    if not is_a(thing, _class("aiohttp.client_proto", "ResponseHandler")):
        return False
    return any(each is thing for each in list(pool._acquired))


# -- httpx ------------------------------------------------------------------------------------------------


def _httpcore_pool(_link: Link, links: list[Link]) -> Any:
    find = _self_of("AsyncConnectionPool")
    return next((pool for link in links if (pool := find(link, links)) is not None), None)


def _httpcore_taken(pool: Any) -> int:
    served = [each.connection for each in list(pool._requests) if each.connection is not None]
    distinct = len({id(each) for each in served})
    return distinct if distinct >= pool._max_connections else 0


def _httpcore_connection(pool: Any, thing: Any) -> bool:
    """A request that has a connection; several may share one of HTTP/2."""
    if not is_a(thing, _class("httpcore._async.connection_pool", "AsyncPoolRequest")):
        return False
    return own(thing, "connection") is not None and any(each is thing for each in list(pool._requests))


LIBRARIES = (
    Library(
        "asyncpg.Pool",
        "asyncpg.pool",
        ("asyncpg.pool:Pool._acquire._acquire_impl",),
        "asyncio.queues:Queue.get",
        _self_of("Pool"),
        _asyncpg_taken,
        lambda pool: len(pool._queue._getters),
        _asyncpg_connection,
        part=lambda pool: pool._holders[0],
        whole=lambda holder: own(holder, "_pool"),
    ),
    Library(
        "sqlalchemy.QueuePool",
        "sqlalchemy.pool.impl",
        ("sqlalchemy.util.concurrency:greenlet_spawn", "sqlalchemy.util._concurrency_py3k:greenlet_spawn"),
        "",
        _sqlalchemy_pool,
        _sqlalchemy_taken,
        lambda pool: len(pool._pool._queue._getters),
        _sqlalchemy_connection,
    ),
    Library(
        "psycopg_pool.AsyncConnectionPool",
        "psycopg_pool.pool_async",
        ("psycopg_pool.pool_async:AsyncConnectionPool._getconn_unchecked",),
        "psycopg_pool.pool_async:WaitingClient.wait",
        _self_of("AsyncConnectionPool"),
        _psycopg_taken,
        lambda pool: len(pool._waiting),
        _psycopg_connection,
    ),
    Library(
        "redis.BlockingConnectionPool",
        "redis.asyncio.connection",
        ("redis.asyncio.connection:BlockingConnectionPool.get_connection",),
        "asyncio.locks:Condition.wait",
        _self_of("BlockingConnectionPool"),
        _redis_taken,
        lambda pool: len(pool._condition._waiters),
        _redis_connection,
    ),
    Library(
        "aiohttp.TCPConnector",
        "aiohttp.connector",
        ("aiohttp.connector:BaseConnector._wait_for_available_connection",),
        "",
        _self_of("BaseConnector"),
        _aiohttp_taken,
        lambda pool: sum(map(len, list(pool._waiters.values()))),
        _aiohttp_connection,
    ),
    Library(
        "httpx.AsyncClient",
        "httpcore._async.connection_pool",
        ("httpcore._async.connection_pool:AsyncPoolRequest.wait_for_connection",),
        "",
        _httpcore_pool,
        _httpcore_taken,
        lambda pool: sum(each.connection is None for each in list(pool._requests)),
        _httpcore_connection,
    ),
)
