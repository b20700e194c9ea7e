"""Timers read backwards: which task, future, lock or semaphore may a pending timer or callback wake?

Laws:
- Followed from the timer's callback and arguments: closures, bound methods, partials and what such an
  object has as its own attributes, one container deep. That is how far every timeout known keeps its task.
- A timer whose callback belongs to the task, future or lock itself, or to a context manager, is SURE: the
  wait has a deadline. Whatever else can reach it (a heartbeat that knows its connection, which knows its
  task) is a possible waker: it takes away the proof, not the suspicion.
- asyncio.sleep's own timers are passed over: they wake the sleeper, who is no party to a deadlock. So are those
  that anyio's cancel scopes have for themselves: whom they reach, and whom a shield keeps from it, ``scopes`` knows
  exactly. Whoever else can reach a scope can cancel the tasks in it.
"""

from __future__ import annotations

import asyncio
import functools
import gc
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import compress, repeat
from operator import is_not
from types import BuiltinMethodType, FunctionType, MethodType, MethodWrapperType, ModuleType
from typing import Any

from .attributes import instance_attributes, is_a, items
from .resources import is_anyio
from .scopes import cancelled_by, is_own_callback, is_scope

_SLEEP = asyncio.futures._set_result_unless_cancelled  # type: ignore[attr-defined]
_WAKEABLE = (asyncio.Future, asyncio.Lock, asyncio.Semaphore)
_MOST_ITEMS = 1_000
_OPAQUE = (str, bytes, int, float, type, ModuleType, asyncio.AbstractEventLoop)
_BOUND = (MethodType, BuiltinMethodType, MethodWrapperType)


@dataclass(frozen=True, slots=True)
class Due:
    """Loop time at which something may be woken, and whether that is sure."""

    when: float
    sure: bool


def earlier(first: Due | None, second: Due | None) -> Due | None:
    """The one that says more: a sure one before an unsure one, then the earlier."""
    if first is None or second is None:
        return first or second
    return min(first, second, key=lambda due: (not due.sure, due.when))


def pending(loop: Any) -> list[Any]:
    """A loop's handles that are yet to run, timers and ready ones (a timer that is due has become ready)."""
    return _to_run(_handles(loop))


def _handles(loop: Any) -> list[Any]:
    """The same, and those that were cancelled, and what else may be found there."""
    queues = [getattr(loop, name, None) for name in ("_scheduled", "_ready")]
    if queues[0] is None:  # uvloop keeps its queues where only the collector looks
        queues = [each for each in gc.get_referents(loop) if is_a(each, (set, deque))]
    return [each for queue in queues for each in list(queue or ())]


def _to_run(handles: Iterable[Any]) -> list[Any]:
    return [each for each in handles if hasattr(each, "cancelled") and not each.cancelled()]


def _but_sleeps(handles: list[Any]) -> Iterator[Any]:
    """All but the timers of ``asyncio.sleep``, of which there may be very many."""
    callbacks = map(getattr, handles, repeat("_callback"), repeat(None))
    return compress(handles, map(is_not, callbacks, repeat(_SLEEP)))


def reach(loop: Any) -> dict[int, Due]:
    """What the loop's timers may wake, by id."""
    found: dict[int, Due] = {}
    for handle in _to_run(_but_sleeps(_handles(loop))):
        when = handle.when() if hasattr(handle, "when") else loop.time()
        for key, sure in _reached(handle):
            due = earlier(found.get(key), Due(when, sure))
            if due is not None:
                found[key] = due
    return found


def _reached(timer: Any) -> Iterator[tuple[int, bool]]:
    for thing in _with_nested(_agents(timer)):
        if _is_wakeable(thing):
            yield id(thing), True
            continue
        if is_scope(thing):
            yield from ((id(task), True) for task in cancelled_by(thing))
            continue
        sure = hasattr(type(thing), "__exit__") or hasattr(type(thing), "__aexit__")
        for value in _own(thing):
            for each in [value] if _is_wakeable(value) or is_scope(value) else items(value, _MOST_ITEMS):
                if _is_wakeable(each):
                    yield id(each), sure
                elif is_scope(each):
                    yield from ((id(task), sure) for task in cancelled_by(each))


def _is_wakeable(thing: Any) -> bool:
    return is_a(thing, _WAKEABLE) or is_anyio(thing)


def _with_nested(things: Iterable[Any]) -> Iterator[Any]:
    """Each thing, and what it contains of its own kind: a cancel scope cancels the scopes within it."""
    seen, todo = set[int](), list(things)
    while todo and len(seen) < _MOST_ITEMS:
        thing = todo.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        yield thing
        if not _is_wakeable(thing) and not is_scope(thing):
            values = [item for value in _own(thing) for item in (value, *items(value, _MOST_ITEMS))]
            todo += [each for each in values if type(each) is type(thing)]


def _agents(timer: Any) -> Iterator[Any]:
    """The objects that the callback acts on: its self, its arguments, what it closes over."""
    callback = getattr(timer, "_callback", None)
    todo = [callback, *(getattr(timer, "_args", None) or ())] if callback is not None else gc.get_referents(timer)
    for _ in range(100):
        if not todo:
            return
        thing = todo.pop()
        if is_a(thing, functools.partial):
            todo += [thing.func, *thing.args, *thing.keywords.values()]
        elif is_a(thing, FunctionType):
            todo += [cell.cell_contents for cell in thing.__closure__ or () if _is_filled(cell)]
            todo += thing.__defaults__ or ()
        elif is_a(thing, tuple):
            todo += items(thing, 100)
        elif is_own_callback(thing):
            continue
        elif is_a(thing, _BOUND):
            todo.append(thing.__self__)
        elif not is_a(thing, _OPAQUE):
            yield thing


def _is_filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False


def _own(thing: Any) -> list[Any]:
    return [*instance_attributes(thing).values(), *items(thing, _MOST_ITEMS)]
