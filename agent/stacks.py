"""Reading suspended coroutines: the chain of awaits, and the context managers each frame has entered.

Laws:
- Walks are iterative and bounded; what cannot be followed ends the chain, it never raises.
- Nothing here touches ``f_locals`` of the program's frames: before 3.13 that would make a dict on the
  frame and so keep the program's objects alive. Locals and the evaluation stack are read through
  ``gc.get_referents``, which lists a suspended frame's locals in order and then its stack in order.
- A frame that is running has no readable stack; it is reported with no contexts.

Theory. ``async with x`` leaves x's exit on the frame's evaluation stack until the block ends: a bound
method up to 3.13, the function followed by x since 3.14. Which ``with`` blocks cover the instruction
where the frame is suspended is written in the code's exception table: each block's handler begins with
PUSH_EXC_INFO, WITH_EXCEPT_START. Outermost first, handlers and exits on the stack correspond one to one,
save that a block being *entered* has its exit on the stack and no handler yet. So for each entered
context manager we know the object and the line of its ``with``, at no cost to the running program.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from types import (
    AsyncGeneratorType,
    BuiltinMethodType,
    CodeType,
    CoroutineType,
    FrameType,
    FunctionType,
    GeneratorType,
    MethodType,
)
from typing import Any

from .exceptiontable import handlers_around

MAX_DEPTH = 1000
_EXITS = ("__exit__", "__aexit__")
_SUSPENDABLE = (CoroutineType, GeneratorType, AsyncGeneratorType)


@dataclass(frozen=True, slots=True)
class Entered:
    """A context manager that a suspended frame is inside of, and the line of its ``with``."""

    manager: Any
    line: int
    is_async: bool


@dataclass(frozen=True, slots=True)
class Link:
    """One suspended frame of an await chain. ``lasti`` is the offset of the awaiting instruction, -1 at the start."""

    awaitable: Any
    code: CodeType
    lasti: int

    @property
    def line(self) -> int:
        """The source line at which the frame is suspended."""
        return line_of(self.code, self.lasti)

    @property
    def frame(self) -> FrameType | None:
        """The frame object; None when it has ended meanwhile."""
        return _step(self.awaitable)[0]

    @property
    def module(self) -> str:
        """Name of the module whose function this is; empty when it cannot be told."""
        frame = self.frame
        return str(frame.f_globals.get("__name__", "")) if frame is not None else ""

    def referents(self) -> list[Any]:
        """The frame's locals in order, then its evaluation stack, after a few objects of the coroutine's own."""
        return gc.get_referents(self.awaitable)

    def find(self, kind: type | tuple[type, ...]) -> Any:
        """The first local (so: the first argument, such as self) of that kind, or None."""
        return next((value for value in self.referents() if isinstance(value, kind)), None)

    def entered(self) -> list[Entered] | None:
        """The context managers whose blocks cover the suspended instruction, outermost first.

        None when the frame's stack and its exception table disagree: better no answer than a wrong one.
        """
        handlers = [line for line, is_with in handlers_around(self.code, self.lasti) if is_with]
        if not handlers:
            return []
        exits = list(_exits_on_stack(self.referents()))
        if len(exits) not in (len(handlers), len(handlers) + 1):
            return None
        return [Entered(manager, line, is_async) for (manager, is_async), line in zip(exits, reversed(handlers), strict=False)]


def chain(coroutine: Any) -> list[Link]:
    """The suspended frames from ``coroutine`` inwards, outermost first.

    Follows coroutines, generators, async generators (also through their asend/athrow objects) and
    ``__await__`` wrappers; ends at a future, a foreign awaitable or a running frame.
    """
    links: list[Link] = []
    current = coroutine
    while current is not None and len(links) < MAX_DEPTH:
        if not isinstance(current, _SUSPENDABLE):
            current = _unwrap(current)
            continue
        frame, inner = _step(current)
        if frame is None:
            break
        links.append(Link(current, frame.f_code, frame.f_lasti))
        current = inner
    return links


def _step(awaitable: Any) -> tuple[FrameType | None, Any]:
    if isinstance(awaitable, CoroutineType):
        return awaitable.cr_frame, awaitable.cr_await
    if isinstance(awaitable, GeneratorType):
        return awaitable.gi_frame, awaitable.gi_yieldfrom
    return awaitable.ag_frame, awaitable.ag_await


def _unwrap(awaitable: Any) -> Any:
    """What a C-level wrapper (coroutine_wrapper, async_generator_asend, …) drives, or None."""
    name = type(awaitable).__name__
    if name not in ("coroutine_wrapper", "async_generator_asend", "async_generator_athrow", "anext_awaitable"):
        return None
    for value in gc.get_referents(awaitable):
        if isinstance(value, _SUSPENDABLE) or type(value).__name__.startswith("async_generator_a"):
            return value
    return None


def _exits_on_stack(values: list[Any]) -> Iterator[tuple[Any, bool]]:
    """(manager, is async) for each exit among the values, in order."""
    following: Any = None
    for value, following in zip(values, [*values[1:], None], strict=True):
        if isinstance(value, MethodType | BuiltinMethodType):
            if value.__name__ in _EXITS:
                yield value.__self__, value.__name__ == "__aexit__"
        elif isinstance(value, FunctionType) and value.__name__ in _EXITS and _defines(following, value):
            yield following, value.__name__ == "__aexit__"


def _defines(manager: Any, exit_function: FunctionType) -> bool:
    """Whether this function is, or was before somebody patched it, the exit of the manager's class."""
    name, qualname = exit_function.__name__, exit_function.__qualname__
    return any(
        vars(base).get(name) is exit_function or qualname == f"{base.__qualname__}.{name}"
        for base in type(manager).__mro__
    )


@lru_cache(maxsize=2048)
def line_of(code: CodeType, lasti: int) -> int:
    """The source line of the instruction at byte offset ``lasti``, or of the definition when there is none."""
    if lasti < 0:
        return code.co_firstlineno
    for start, end, line in code.co_lines():
        if start <= lasti < end and line is not None:
            return line
    return code.co_firstlineno


def frames_from(frame: FrameType | None, limit: int = 200) -> list[tuple[CodeType, int]]:
    """(code, line) of a running frame and its callers, innermost first."""
    found = []
    while frame is not None and len(found) < limit:
        found.append((frame.f_code, frame.f_lineno or frame.f_code.co_firstlineno))
        frame = frame.f_back
    return found


def thread_frame(thread_id: int) -> FrameType | None:
    """The innermost Python frame of a thread at this moment, or None when it has ended."""
    return sys._current_frames().get(thread_id)
