"""Does the arithmetic hold on this interpreter? Waits known dead and known alive, judged before anything is.

Law: each is made of the same parts as a program's waits (frames with arguments, cells, values on the
evaluation stack, nested coroutines), but for a stand-in in place of the task, so that no loop is needed.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

from .growth import grow
from .island import Island
from .kinds import StandIn
from .reading import read
from .spread import Spread

_TRIES = 5  # a collection at the wrong moment makes a reading void
_tries = 0
_verdict: list[bool] = []
_kept: list[Any] = []


class _Loop:
    """As much of a loop as a future asks for that is never done."""

    def get_debug(self) -> bool:
        return False


class _Box:
    def __init__(self, content: Any) -> None:
        self.content = content
        self.peek = self.look  # a cycle

    def look(self) -> Any:
        return self.content


def trusted() -> bool:
    """Whether all answers come out right: the dead are closed, the living open. Tried a few times."""
    global _tries
    if not _verdict and _tries < _TRIES:
        _tries += 1
        if _answers_right():
            _verdict.append(True)
        _kept.clear()
    return bool(_verdict)


def _answers_right() -> bool:
    return all(_closed(make()) for make in _DEAD) and not any(_closed(*make()) for make in _ALIVE)


def _closed(tasks: list[StandIn], holder: Any = None) -> bool:
    island = Island()
    island.add_tasks(tasks)
    grow(island, 100)
    island.add_dicts(island.expanded())
    surplus = read(island)
    closed = surplus is not None and len(Spread(island, surplus).closed()) == len(tasks)
    for task in tasks:
        task.coro.close()
    return closed


def _future() -> Any:
    return asyncio.Future(loop=_Loop())  # type: ignore[arg-type]


def _started(coroutine: Any) -> StandIn:
    return StandIn(coroutine, coroutine.send(None))


async def _wait(future: Any) -> Any:
    return await future


async def _outer(thing: Any, take: Callable[[Any], Any]) -> Any:
    inner = thing
    with contextlib.nullcontext(thing):
        return (inner, take(thing), [await _wait(take(inner))])


def _same(thing: Any) -> Any:
    return thing


def _plain() -> list[StandIn]:
    return [_started(_outer(_future(), _same))]


def _boxed() -> list[StandIn]:
    return [_started(_outer(_Box(_future()), lambda box: box.content))]


def _closure() -> list[StandIn]:
    future = _future()

    async def wait() -> Any:
        return await future

    return [_started(wait())]


def _crossed() -> list[StandIn]:
    first, second = _future(), _future()
    return [_started(_both(first, second)), _started(_both(second, first))]


async def _both(first: Any, second: Any) -> Any:
    return (second, await first)


_DEAD = (_plain, _boxed, _closure, _crossed)


def _held_by_frame() -> tuple[list[StandIn], Any]:
    future = _future()
    return [_started(_outer(future, _same))], future


def _held_by_module() -> tuple[list[StandIn], Any]:
    future = _future()
    _kept.append(future)
    return [_started(_outer(future, _same))], None


def _held_by_generator() -> tuple[list[StandIn], Any]:
    def hold(thing: Any) -> Iterator[Any]:
        yield thing

    future = _future()
    generator = hold(future)
    next(generator)
    return [_started(_outer(future, _same))], generator


def _held_beside_a_yield() -> tuple[list[StandIn], Any]:
    """The island has a generator whose frame borrows the future; somebody outside holds it as well."""

    def borrow(thing: Any) -> Iterator[Any]:
        _ = (thing, thing, (yield))

    async def wait(future: Any, generator: Any) -> Any:
        return await future, generator

    future = _future()
    generator = borrow(future)
    next(generator)
    return [_started(wait(future, generator))], future


def _held_by_function() -> tuple[list[StandIn], Any]:
    future = _future()

    async def wait() -> Any:
        return await future

    return [_started(wait())], wait


def _held_by_c() -> tuple[list[StandIn], Any]:
    future = _future()
    return [_started(_outer(_Box(future), lambda box: box.content))], functools.partial(future.set_result, None)


def _held_by_wakeup() -> tuple[list[StandIn], Any]:
    future = _future()
    task = _started(_outer(future, _same))
    return [task], future._callbacks[0]


def _held_dict() -> tuple[list[StandIn], Any]:
    box = _Box(_future())
    return [_started(_outer(box, lambda box: box.content))], vars(box)


_ALIVE = (
    _held_by_frame, _held_by_module, _held_by_generator, _held_beside_a_yield, _held_by_function, _held_by_c,
    _held_by_wakeup, _held_dict,
)  # fmt: skip
