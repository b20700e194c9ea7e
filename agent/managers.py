"""Context managers inside context managers: what entering one of these has entered in turn.

Law: only the standard library's own combinators are opened (``@asynccontextmanager``, ``AsyncExitStack``);
what they contain now counts, so a stack emptied by ``pop_all()`` contains nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from .attributes import is_a
from .stacks import Entered, Link, chain

_GENERATED: tuple[type, ...] = (contextlib._AsyncGeneratorContextManager, contextlib._GeneratorContextManager)
_STACKS = (contextlib.AsyncExitStack, contextlib.ExitStack)
_MOST = 100


def within(link: Link) -> Iterator[Entered]:
    """The managers that a suspended frame has entered, and those inside them; the line is the frame's own."""
    for entered in link.entered() or ():
        for manager in unfold(entered.manager):
            yield Entered(manager, entered.line, entered.is_async)


def generator_of(manager: Any) -> list[Link]:
    """The suspended frames of the generator that a ``@contextmanager`` is; none for any other manager."""
    return chain(manager.gen) if is_a(manager, _GENERATED) else []


def unfold(manager: Any) -> Iterator[Any]:
    """A manager and, recursively, the managers that it has entered itself."""
    todo, seen = [manager], set[int]()
    while todo and len(seen) < _MOST:
        current = todo.pop()
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        todo.extend(_inside(current))


def _inside(manager: Any) -> list[Any]:
    if is_a(manager, _GENERATED):
        return [each.manager for link in generator_of(manager) for each in link.entered() or ()]
    if is_a(manager, _STACKS):
        return [getattr(leave, "__self__", None) for _is_sync, leave in manager._exit_callbacks]
    return []
