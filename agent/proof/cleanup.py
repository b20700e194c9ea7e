"""What runs when an object is collected: the clean-up code of whatever nobody refers to will be run.

Laws:
- Suspended frames run their ``with`` and ``try`` blocks, also those of generators that nobody drives any more;
  objects run their ``__del__``. Futures and tasks only log there.
- A weak reference with a callback is no matter of its referent's: the callback counts as held from outside
  (``kinds``).
"""

from __future__ import annotations

import asyncio
from types import CodeType
from typing import Any

from ..bytecode import handlers_around, per_place
from ..stacks import chain
from .kinds import FRAME, GATE

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


def _is_guarded(frame_owner: Any) -> bool:
    """Whether a suspended coroutine or generator, or one that it drives, stands inside a ``with`` or ``try``."""
    return any(
        _has_written(link.code, link.lasti) and link.module.partition(".")[0] not in ("asyncio", "unstuck")
        for link in chain(frame_owner)
    )


@per_place
def _has_written(code: CodeType, lasti: int) -> bool:
    return any(handler.is_written for handler in handlers_around(code, lasti))
