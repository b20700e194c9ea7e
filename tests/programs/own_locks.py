"""Mutexes that programs make of ``asyncio.Lock``, all of them where anybody can reach them, and their twins."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from . import Pair, Program
from .deadlocks import both, pause, spawn

PAIRS: list[Pair] = []
reachable: dict[str, Any] = {}
"""What keeps them all reachable: nothing is proven by nobody being left."""


class Mutex:
    """Takes and gives back in its block."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    async def __aenter__(self) -> None:
        await self._lock.acquire()

    async def __aexit__(self, *_exc: Any) -> None:
        self._lock.release()


class Latch:
    """The same by methods of its own."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    async def acquire(self) -> None:
        await self._lock.acquire()

    def release(self) -> None:
        self._lock.release()

    async def __aenter__(self) -> None:
        await self.acquire()

    async def __aexit__(self, *_exc: Any) -> None:
        self.release()


class Reentrant:
    """An owner and a depth: gives back when the outermost block ends, so no single block is sure to."""

    def __init__(self) -> None:
        self._lock, self._owner, self._depth = asyncio.Lock(), object(), 0

    async def __aenter__(self) -> None:
        if self._owner is not asyncio.current_task():
            await self._lock.acquire()
            self._owner = asyncio.current_task()
        self._depth += 1

    async def __aexit__(self, *_exc: Any) -> None:
        self._depth -= 1
        if not self._depth:
            self._owner = object()
            self._lock.release()


class Keyed:
    """One lock a key, in blocks of various making."""

    def __init__(self) -> None:
        self._locks = defaultdict[str, asyncio.Lock](asyncio.Lock)

    def __getitem__(self, key: str) -> asyncio.Lock:
        return self._locks[key]

    @contextlib.asynccontextmanager
    async def entered(self, key: str) -> AsyncIterator[None]:
        async with self._locks[key]:
            yield

    @contextlib.asynccontextmanager
    async def taken(self, lock: asyncio.Lock) -> AsyncIterator[None]:
        await lock.acquire()
        try:
            yield
        finally:
            lock.release()

    @contextlib.contextmanager
    def given_back(self, lock: asyncio.Lock) -> Iterator[None]:
        try:
            yield
        finally:
            lock.release()


async def nested(first: Callable[[], Any], second: Callable[[], Any]) -> None:
    """``both`` for blocks that are made anew each time."""
    async with first():
        await pause()
        async with second():
            await pause()


def crossed(make: Callable[[], tuple[Any, Any]], function: Any, verdict: str = "proven") -> None:
    """Enter a pair: two tasks take what ``make`` makes in opposite order, or in one."""

    async def opposite_order() -> None:
        a, b = reachable[make.__name__] = make()
        await asyncio.gather(spawn("one", function(a, b)), spawn("two", function(b, a)))

    async def one_order() -> None:
        a, b = reachable[make.__name__] = make()
        await asyncio.gather(spawn("one", function(a, b)), spawn("two", function(a, b)))

    opposite_order.__name__, one_order.__name__ = make.__name__, f"{make.__name__}_in_one_order"
    PAIRS.append(Pair(opposite_order, one_order, "deadlock", verdict, frozenset(("one", "two"))))


def mutexes() -> tuple[Any, Any]:
    return Mutex(), Mutex()


def latches() -> tuple[Any, Any]:
    return Latch(), Latch()


def reentrant_locks() -> tuple[Any, Any]:
    return Reentrant(), Reentrant()


def conditions() -> tuple[Any, Any]:
    return asyncio.Condition(), asyncio.Condition()


def keyed_locks() -> tuple[Any, Any]:
    keyed = reachable["keyed"] = Keyed()
    return keyed["a"], keyed["b"]


def keyed_blocks() -> tuple[Any, Any]:
    keyed = reachable["keyed"] = Keyed()
    return lambda: keyed.entered("a"), lambda: keyed.entered("b")


def keyed_blocks_with_a_finally() -> tuple[Any, Any]:
    keyed = reachable["keyed"] = Keyed()
    return lambda: keyed.taken(keyed["a"]), lambda: keyed.taken(keyed["b"])


def locks_given_back_by_a_plain_block() -> tuple[Any, Any]:
    return asyncio.Lock(), asyncio.Lock()


async def take_and_give_back(first: asyncio.Lock, second: asyncio.Lock) -> None:
    await first.acquire()
    with Keyed().given_back(first):
        await pause()
        await second.acquire()
        with Keyed().given_back(second):
            await pause()


for make in (mutexes, latches, conditions, keyed_locks):
    crossed(make, both)
for make in (keyed_blocks, keyed_blocks_with_a_finally):
    crossed(make, nested)
crossed(locks_given_back_by_a_plain_block, take_and_give_back)
crossed(reentrant_locks, both, verdict="suspected")


async def reentered() -> None:
    lock = reachable["reentered"] = Reentrant()

    async def twice() -> None:
        async with lock:
            await pause()
            async with lock:
                await pause()

    await asyncio.gather(twice(), twice())


HEALTHY: list[Program] = [reentered]
