"""anyio's cancel scopes, as anyio itself sees them: which ones can cancel this task?

Laws:
- The scopes that a task is in are linked from the innermost one outwards; a shielded scope is the last that
  reaches the task. So neither a deadline behind a shield is one, nor that of a scope the task is not in.
- A scope that is cancelled cancels its tasks again and again until they have left it: they are not stuck.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import MethodType
from typing import Any

from .libraries import anyio

_MOST = 1_000
_OWN = ("_timeout", "_deliver_cancellation")


def is_scope(thing: Any) -> bool:
    """Whether it is a cancel scope of anyio's, of which the functions below can tell."""
    library = anyio()
    return library is not None and library.states is not None and issubclass(type(thing), library.scopes)


def is_managed(task: Any) -> bool:
    """Whether anyio knows in which scopes the task is."""
    return _innermost(task) is not None


def around(task: Any) -> list[Any]:
    """The scopes whose cancellation reaches the task, innermost first."""
    found = []
    for scope in _outwards(task):
        found.append(scope)
        if getattr(scope, "_shield", False):
            break
    return found


def shielded_from(task: Any) -> set[int]:
    """Ids of the scopes that the task is in but whose cancellation does not reach it."""
    scopes = list(_outwards(task))
    return set(map(id, scopes)) - set(map(id, around(task)))


def is_own_callback(callback: Any) -> bool:
    """Whether it is what a scope itself asks its loop to call: at its deadline, and while it is cancelling."""
    return issubclass(type(callback), MethodType) and callback.__name__ in _OWN and is_scope(callback.__self__)


def cancelled_by(scope: Any) -> list[Any]:
    """The tasks that the scope would cancel: those in it, and in scopes within it that are not shielded."""
    found, seen, todo = list[Any](), set[int](), [scope]
    while todo and len(seen) < _MOST:
        current = todo.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        found += list(getattr(current, "_tasks", ()))
        todo += [each for each in list(getattr(current, "_child_scopes", ())) if not getattr(each, "_shield", False)]
    return found


def due(scope: Any, now: float) -> float | None:
    """Loop time at which the scope cancels its tasks: ``now`` once it has begun to, None when it has no deadline."""
    if getattr(scope, "_cancel_called", False):
        return now
    return float(scope._deadline) if getattr(scope, "_timeout_handle", None) is not None else None


def _outwards(task: Any) -> Iterator[Any]:
    scope, seen = _innermost(task), set[int]()
    while scope is not None and id(scope) not in seen and len(seen) < _MOST:
        seen.add(id(scope))
        yield scope
        scope = getattr(scope, "_parent_scope", None)


def _innermost(task: Any) -> Any:
    library = anyio()
    if library is None or library.states is None:
        return None
    return getattr(library.states.get(task), "cancel_scope", None)
