"""What runs when an object is collected: the clean-up code of whatever nobody refers to will be run.

Laws:
- Suspended frames run their ``with`` and ``try`` blocks, also those of generators that nobody drives any more;
  objects run their ``__del__``. Futures and tasks only log there.
- A weak reference with a callback is no matter of its referent's: the callback counts as held from outside
  (``kinds``).
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Sequence
from types import CodeType, FunctionType
from typing import Any

from ..attributes import is_a
from ..bytecode import handlers_around, per_place
from ..stacks import chain
from ..tracing import context_of
from .kinds import FRAME, FRAMED, GATE, NOTHING

_SHARED = (*NOTHING, *FRAMED, FunctionType, asyncio.Future)
_CONTAINERS: tuple[Any, ...] = (dict, list, tuple, set, frozenset)
_MOST_STEPS = 200

_LOGGING = tuple(
    getattr(each, "__del__", None)
    for each in (
        asyncio.Future, asyncio.Task, asyncio.futures._PyFuture, asyncio.tasks._PyTask,  # type: ignore[attr-defined]
    )
)  # fmt: skip


def cleans_up(thing: Any, kind: int) -> bool:
    """Whether code of the program's runs when this is collected."""
    if kind == GATE:
        return _is_guarded(thing.get_coro())
    if kind == FRAME:
        return _is_guarded(thing)
    finalizer = getattr(type(thing), "__del__", None)
    return finalizer is not None and finalizer not in _LOGGING


def are_in_contexts(tasks: Sequence[Any], pause: Callable[[], None]) -> bool:
    """Whether the context of one of the tasks leads to one of them: nobody else may keep it.

    Contexts are no members of an island, for the whole program shares what stands in them. So they are searched, as far
    as a few steps lead.
    """
    wanted, seen = set(map(id, tasks)), set[int]()
    for task in tasks:
        pause()
        context = context_of(task)
        if context is not None and _leads_to(wanted, list(context.values()), seen):
            return True
    return False


def _leads_to(wanted: set[int], todo: list[Any], seen: set[int]) -> bool:
    for number, thing in enumerate(todo):
        if id(thing) in wanted:
            return True
        if number < _MOST_STEPS and id(thing) not in seen and not is_a(thing, _SHARED) and not _is_large(thing):
            todo += gc.get_referents(thing)
        seen.add(id(thing))
    return False


def _is_large(thing: Any) -> bool:
    return any(kind.__len__(thing) > _MOST_STEPS for kind in _CONTAINERS if is_a(thing, kind))


def _is_guarded(frame_owner: Any) -> bool:
    """Whether a suspended coroutine or generator, or one that it drives, stands inside a ``with`` or ``try``."""
    return any(
        _has_written(link.code, link.lasti) and link.module.partition(".")[0] not in ("asyncio", "unstuck")
        for link in chain(frame_owner)
    )


@per_place
def _has_written(code: CodeType, lasti: int) -> bool:
    return any(handler.is_written for handler in handlers_around(code, lasti))
