"""Who holds what, and how sure that is.

Laws:
- The hooks' note names the holder; certainty comes from the holder's own suspended frames: it must be
  inside a block that gives the unit back by itself. Then, and only then, nobody else is meant to.
- Blocks that do: ``async with`` over the lock or over a condition made of it; an ``@asynccontextmanager``
  or an ``AsyncExitStack`` that is inside such a block; a context manager whose ``__aexit__`` releases and
  that refers to the lock; a ``try`` whose handler releases in a frame that refers to the lock.
- A semaphore is accounted for only when the units noted make up exactly the units missing.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
from dataclasses import dataclass
from types import CodeType
from typing import Any

from .exceptiontable import handler_names_around
from .hooks.knot import holder_ids
from .stacks import Link, chain
from .state import HOLDS, SITE, State

_RELEASING = frozenset({"release", "__aexit__", "__exit__", "put_nowait"})
_AGEN_MANAGER: type = contextlib._AsyncGeneratorContextManager


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
    units = getattr(resource, HOLDS, None) if isinstance(resource, asyncio.Semaphore) else None
    if units is not None and not _accounted(resource, units):
        return None
    found = []
    for key in ids:
        task = state.task_by_id(key)
        if task is None:
            return None
        found.append(hold_of(task, resource, units.get(key, 0) if units is not None else 1))
    return tuple(found)


def _accounted(semaphore: Any, units: dict[int, int]) -> bool:
    site = getattr(semaphore, SITE, None)
    return bool(site) and semaphore._value == 0 and sum(units.values()) == site[2]


def hold_of(task: Any, resource: Any, units: int) -> Hold:
    """How ``task`` holds ``units`` of ``resource``: where it entered, and whether that is sure."""
    if task.done():
        return Hold(task, units, False)
    places = [(link, line) for link in chain(task.get_coro()) for line in _blocks(link, resource)]
    if not places:
        return Hold(task, units, False, *_noted(resource))
    link, line = places[0]
    return Hold(task, units, len(places) >= units, line, link.code)


def _noted(resource: Any) -> tuple[int | None, CodeType | None]:
    note = getattr(resource, "_locked", None)
    if not isinstance(note, tuple):
        return None, None
    from .stacks import line_of

    return line_of(note[1], note[2]), note[1]


def _blocks(link: Link, resource: Any) -> list[int]:
    """The line of each block around the suspended instruction that will give ``resource`` back."""
    lines = [each.line for each in link.entered() or () if each.is_async and gives_back(each.manager, resource)]
    if lines:
        return lines
    names = handler_names_around(link.code, link.lasti)
    released = [line for line, loaded in names if "release" in loaded]
    return released if released and _refers(link.awaitable, resource) else []


def gives_back(manager: Any, resource: Any) -> bool:
    """Whether leaving this context manager releases ``resource``."""
    todo, seen = [manager], set()
    while todo and len(seen) < 100:
        current = todo.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        if current is resource or _is_condition_of(current, resource) or _is_wrapper_of(current, resource):
            return True
        todo.extend(_inner_managers(current))
    return False


def _inner_managers(manager: Any) -> list[Any]:
    if isinstance(manager, _AGEN_MANAGER):
        return [each.manager for link in chain(manager.gen) for each in link.entered() or ()]
    if isinstance(manager, contextlib.AsyncExitStack):
        return [getattr(exit_, "__self__", None) for _is_sync, exit_ in manager._exit_callbacks]  # type: ignore[attr-defined]
    return []


def _is_condition_of(manager: Any, resource: Any) -> bool:
    return isinstance(manager, asyncio.Condition) and manager._lock is resource  # type: ignore[attr-defined]


def _is_wrapper_of(manager: Any, resource: Any) -> bool:
    """A context manager of the program's own, whose exit releases and that refers to the resource."""
    exit_function = getattr(type(manager), "__aexit__", None)
    code = getattr(exit_function, "__code__", None)
    if code is None or isinstance(manager, asyncio.Lock | asyncio.Semaphore | asyncio.Condition):
        return False
    return not _RELEASING.isdisjoint(code.co_names) and _refers(manager, resource)


def _refers(start: Any, resource: Any, depth: int = 3, most: int = 2000) -> bool:
    """Whether ``resource`` is among what ``start`` refers to, a few steps away."""
    level, seen = [start], set()
    for _ in range(depth):
        following = []
        for value in gc.get_referents(*level):
            if value is resource:
                return True
            if id(value) not in seen and not isinstance(value, type | CodeType | asyncio.Task):
                seen.add(id(value))
                following.append(value)
        if len(seen) > most:
            return False
        level = following
    return False
