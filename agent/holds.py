"""Who holds what, and how sure that is.

Laws:
- The hooks' note names the holder; certainty comes from the holder's own suspended frames: it must be
  inside a block that gives this very unit back by itself. Then, and only then, nobody else is meant to.
- Blocks that do: ``async with`` over the lock, or over a condition made of it, as long as nobody has
  overridden how those give back; a ``finally`` whose body calls ``release`` in straight-line code on an
  expression that is this lock at this moment; an ``@asynccontextmanager`` or ``AsyncExitStack`` that is inside
  such a block or ``finally``; a manager of the program's own whose ``__aexit__``, or the ``release`` that this
  calls, does as such a ``finally``.
- A block around the acquire() that is still going on gives back what that one will take, nothing else.
- While a task that was seen to release too early lives, nothing is sure: it may do so again (``hooks.doubt``).
- A semaphore is accounted for only when the units noted make up exactly the units missing.
- An anyio lock can be given back by its owner only, so that hold is sure without a block.
- Of an anyio semaphore those are known to hold a unit who stand in a block over it; there may be others.
"""

from __future__ import annotations

import asyncio
import weakref
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import CodeType
from typing import Any

from .attributes import follow
from .bytecode import handlers_around, released_paths
from .hooks.doubt import is_debtor
from .hooks.knot import FOREIGN
from .managers import generator_of, within
from .pools import ConnectionPool
from .resources import holder_ids, is_anyio, is_owned, is_unowned, stands_for
from .stacks import Entered, Link, chain, line_of
from .state import DEBTORS, HOLDS, PLACES, SITE, State

_KINDS = (asyncio.Semaphore, asyncio.Lock)
_MOST_WAITERS = 10_000


@dataclass(frozen=True, slots=True)
class Hold:
    """Units of a resource held by a task. ``sure`` when the holder's own frames will give them back."""

    task: Any
    units: int
    sure: bool
    line: int | None = None
    code: CodeType | None = None


def holds_on(resource: Any, state: State) -> tuple[Hold, ...] | None:
    """The holders of a lock or semaphore, or None when it is free or not fully accounted for."""
    ids = holder_ids(resource)
    if not ids:
        return None
    if isinstance(resource, ConnectionPool):
        return _connections(resource)
    units = getattr(resource, HOLDS, None) if isinstance(resource, asyncio.Semaphore) else None
    if units is not None and not _accounted(resource, units):
        return None
    found = []
    for key in ids:
        task = state.task_by_id(key)
        if task is None:
            return None
        found.append(hold_of(task, resource, units.count(key) if units is not None else 1))
    return tuple(found)


def _connections(pool: ConnectionPool) -> tuple[Hold, ...] | None:
    """The holders of a library's connections, as they were last seen: never sure."""
    holds = [
        Hold(task, len(holder.connections), False, holder.line, holder.code)
        for holder in pool.holders
        if (task := holder.task()) is not None
    ]
    return tuple(holds) if len(holds) == len(pool.holders) else None


class Blocks:
    """Which of these tasks stand in an ``async with`` over an anyio semaphore. Looked up when first asked."""

    def __init__(self, tasks: Iterable[Any]) -> None:
        self._tasks = tuple(tasks)
        self._holds: dict[int, list[Hold]] | None = None

    def holds_on(self, semaphore: Any) -> tuple[Hold, ...]:
        """The holders among the tasks."""
        if self._holds is None:
            self._holds = defaultdict(list)
            for task in self._tasks:
                self._note(task, self._holds)
        return tuple(self._holds.get(id(semaphore), ()))

    def _note(self, task: Any, holds: dict[int, list[Hold]]) -> None:
        for link in chain(task.get_coro()):
            for entered in within(link):
                inner = stands_for(entered.manager)
                if entered.is_async and is_unowned(inner):
                    holds[id(inner)].append(Hold(task, 1, True, entered.line, link.code))


def _accounted(semaphore: Any, units: list[int]) -> bool:
    site = getattr(semaphore, SITE, None)
    return site is not None and semaphore._value == 0 and len(units) == site[2]


def hold_of(task: Any, resource: Any, units: int) -> Hold:
    """How ``task`` holds ``units`` of ``resource``: where it entered, and whether that is sure."""
    if task.done():
        return Hold(task, units, False)
    links = chain(task.get_coro())
    doubtful = any(map(is_debtor, getattr(resource, DEBTORS, None) or ()))
    places = [
        (link, line)
        for link, inner in zip(links, [*links[1:], None], strict=True)
        for line in _blocks(link, inner, resource)
    ]
    if not places:
        return Hold(task, units, is_owned(resource), *(noted_place(resource, id(task)) or (None, None)))
    link, line = places[0]
    return Hold(task, units, len(places) >= units and not doubtful, line, link.code)


Place = tuple[int, CodeType]
"""Where a unit was taken by hand: line and code."""


def noted_place(resource: Any, key: int) -> Place | None:
    """Where the task with that id took its last unit by ``acquire()`` called by hand; None if it did not so."""
    return next((place for holder, _ref, place in reversed(_by_hand(resource)) if holder == key), None)


Finished = tuple[weakref.ref[Any] | None, Place | None]


def finished_holders(resource: Any, state: State) -> list[Finished]:
    """A reference to each task that ended while it held a unit, None when the task is gone, and the unit's place.

    Empty as well when nobody knows who holds what.
    """
    by_hand = _by_hand(resource)
    over = [(ref, place) for _key, ref, place in by_hand if _is_over(ref())]
    finished: list[Finished] = [(ref if ref() is not None else None, place) for ref, place in over]
    known = {key for key, _ref, _place in by_hand}
    for key in holder_ids(resource):
        task = state.task_by_id(key)
        if key not in known and _is_over(task):
            finished.append((None if task is None else weakref.ref(task), None))
    return finished


def _is_over(task: Any) -> bool:
    return task is None or task.done()


def _by_hand(resource: Any) -> list[tuple[int, weakref.ref[Any], Place]]:
    """Holder's id, holder and place of each unit that was taken by hand, as far as it is known who holds it."""
    if not isinstance(resource, asyncio.Semaphore):
        note = getattr(resource, "_locked", None)
        return [(id(note[0]()), note[0], (line_of(note[1], note[2]), note[1]))] if isinstance(note, tuple) else []
    holds = list(getattr(resource, HOLDS, None) or ())
    places = places_of(resource) if FOREIGN not in holds else {}
    return [
        (key, ref, (line_of(code, lasti), code))
        for key in dict.fromkeys(holds)
        for ref, code, lasti, _key in places.get(key, ())[-holds.count(key) :]
    ]


def places_of(semaphore: Any) -> dict[int, list[Any]]:
    """Where each holder took its units by hand. What is only one stands by itself on the semaphore."""
    known = getattr(semaphore, PLACES, None) or {}
    known = {known[3]: known} if type(known) is tuple else dict(known)
    return {key: [found] if type(found) is tuple else list(found) for key, found in known.items()}


def _blocks(link: Link, inner: Link | None, resource: Any) -> Iterator[int]:
    """The line of each block around the suspended instruction that will give ``resource`` back."""
    for entered in within(link):
        if gives_back(entered, resource):
            yield entered.line
        for frame in generator_of(entered.manager):
            yield from (entered.line for _handler in _finally_blocks(frame, resource))
    if inner is None or _is_acquiring(inner, resource):
        return
    yield from _finally_blocks(link, resource)


def _finally_blocks(link: Link, resource: Any) -> Iterator[int]:
    """The line of each ``finally`` around the suspended instruction that releases ``resource``."""
    for handler in handlers_around(link.code, link.lasti):
        paths = () if handler.is_with else released_paths(link.code, handler.target)
        if any(stands_for(link.lookup(path)) is resource for path in paths):
            yield handler.line


def _is_acquiring(link: Link, resource: Any) -> bool:
    return link.code.co_name in ("acquire", "__aenter__") and any(each is resource for each in link.referents())


def lines_of(state: State) -> dict[int, list[int]]:
    """The tasks that are blocked on each resource, by their ids: in one pass, however many resources there are."""
    lines: dict[int, list[int]] = {}
    for key, (wanted, _since) in list(state.blocked.items())[:_MOST_WAITERS]:
        resource = wanted()
        if resource is not None:
            lines.setdefault(id(resource), []).append(key)
    return lines


def waiters_that_release(resource: Any, lines: Mapping[int, list[int]], state: State) -> Iterator[Any]:
    """Tasks blocked on ``resource`` inside a ``try`` whose handler releases it, got or not.

    Such a waiter, once its wait ends in a timeout, gives away what somebody else holds. anyio refuses that.
    """
    if is_anyio(resource):
        return
    for key in lines.get(id(resource), ()):
        task = state.task_by_id(key)
        if task is not None and any(_may_release(link, resource) for link in chain(task.get_coro())):
            yield task


def _may_release(link: Link, resource: Any) -> bool:
    """Whether a handler around the suspended instruction releases the resource, or something unknown."""
    if link.module.partition(".")[0] in ("asyncio", "unstuck"):
        return False
    for handler in handlers_around(link.code, link.lasti):
        for path in () if handler.is_with else released_paths(link.code, handler.target):
            found = link.lookup(path)
            if found is None or stands_for(found) is resource:
                return True
    return False


def gives_back(entered: Entered, resource: Any) -> bool:
    """Whether leaving this block releases ``resource``."""
    manager = entered.manager
    if not entered.is_async:
        return False
    if stands_for(manager) is resource:
        return _is_stock(resource)
    return _releases_by_name(manager, resource)


def _is_stock(resource: Any) -> bool:
    """Whether the class leaves taking and giving back to asyncio."""
    if is_anyio(resource):
        return True  # of exactly anyio's own class
    cls = type(resource)
    base = next((kind for kind in _KINDS if isinstance(resource, kind)), None)
    if base is None or cls in (base, asyncio.BoundedSemaphore):
        return base is not None
    return all(getattr(cls, name) is getattr(base, name) for name in ("acquire", "release", "__aenter__", "__aexit__"))


def _releases_by_name(manager: Any, resource: Any) -> bool:
    """A manager of the program's own: its ``__aexit__`` calls release on an attribute that is the resource.

    Or its own ``release``, which does so.
    """
    paths = _released_by(manager, "__aexit__")
    if () in paths:
        paths = [*paths, *_released_by(manager, "release")]
    return any(stands_for(follow(manager, path)) is resource for path in paths)


def _released_by(manager: Any, method: str) -> list[tuple[str, ...]]:
    """The attributes of ``self`` on which a method of the manager's class calls release for certain."""
    code = getattr(getattr(type(manager), method, None), "__code__", None)
    if code is None or not code.co_argcount:
        return []
    own = ("fast", code.co_varnames[0])
    return [path.attributes for path in released_paths(code) if (path.kind, path.root) == own]
