"""Reading suspended coroutines: the chain of awaits, and the context managers each frame has entered.

Laws:
- Walks are iterative and bounded; what cannot be followed ends the chain, it never raises.
- Before 3.13 ``f_locals`` of the program's frames is not touched: it would make, or overwrite, a dict that
  the program may hold. Locals and the evaluation stack are read through ``gc.get_referents``, which lists a
  suspended frame's locals in order and then its stack in order.
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
import inspect
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from types import (
    AsyncGeneratorType,
    BuiltinMethodType,
    CodeType,
    CoroutineType,
    FrameType,
    FunctionType,
    GeneratorType,
    MethodDescriptorType,
    MethodType,
    WrapperDescriptorType,
)
from typing import Any

from .attributes import content, follow, is_a
from .bytecode import Path, deletes_locals, exit_beyond_handlers, handlers_around, is_inside, per_place

MAX_DEPTH = 1000
_BETWEEN = ("asyncio", "anyio", "contextlib", "unstuck", "")
_EXITS = ("__exit__", "__aexit__")
_SUSPENDABLE = (CoroutineType, GeneratorType, AsyncGeneratorType)
# Since 3.14 a with block keeps the unbound exit and the manager on the stack, before a bound method.
_UNBOUND: tuple[type, ...] = ()
if sys.version_info >= (3, 14):
    _UNBOUND = (FunctionType, MethodDescriptorType, WrapperDescriptorType)


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

    @property
    def is_own(self) -> bool:
        """Whether it is the program's, not one of those that the standard library or the agent puts in between."""
        return self.module.partition(".")[0] not in _BETWEEN

    def referents(self) -> list[Any]:
        """The frame's locals in order, then its evaluation stack, after a few objects of the coroutine's own."""
        return gc.get_referents(self.awaitable)

    def find(self, kind: type | tuple[type, ...]) -> Any:
        """The first local (so: the first argument, such as self) of that kind, or None."""
        return next((value for value in self.referents() if is_a(value, kind)), None)

    def variables(self) -> dict[str, Any]:
        """Local variables by name: all of them since 3.13, the arguments alone before (see the laws)."""
        frame = self.frame
        if frame is None or not self.code.co_flags & inspect.CO_OPTIMIZED:
            return {}
        if sys.version_info >= (3, 13):
            return dict(frame.f_locals)
        count = self.code.co_argcount + self.code.co_kwonlyargcount
        values = self.referents()
        at = next(
            (
                index
                for index, value in enumerate(values)
                if index and value is self.code and _made_of(values[index - 1], value)
            ),
            None,
        )
        if at is None or deletes_locals(self.code):
            return {}
        named = zip(self.code.co_varnames[:count], values[at + 1 :], strict=False)
        return {name: content(value) for name, value in named}

    def lookup(self, path: Path) -> Any:
        """What an expression of this frame stands for at this moment, or None; runs no code of the program."""
        frame = self.frame
        if frame is None:
            return None
        if path.kind == "global":
            return follow(frame.f_globals.get(path.root), path.attributes)
        if path.kind == "deref" and path.root in self.code.co_freevars:
            return follow(self._closed_over(path.root), path.attributes)
        return follow(self.variables().get(path.root), path.attributes)

    def _closed_over(self, name: str) -> Any:
        function = next((each for each in self.referents() if getattr(each, "__code__", None) is self.code), None)
        cells = getattr(function, "__closure__", None)
        return content(cells[self.code.co_freevars.index(name)]) if cells else None

    def handled(self) -> BaseException | None:
        """The exception that the suspended frame is handling in an ``except``, ``finally`` or ``with``; None if none.

        The interpreter keeps it with the coroutine and lists it last, after the stack, on top of which is the awaited.
        """
        last = self.referents()[-1:]
        return last[0] if last and isinstance(last[0], BaseException) else None

    def entered(self) -> list[Entered] | None:
        """The context managers whose blocks cover the suspended instruction, outermost first.

        None when the frame's stack and its code do not agree to the last exit (a local that holds a bound
        ``__exit__`` is enough): better no answer than a wrong one.
        """
        if not is_inside(self.code, self.lasti):
            return []
        handlers = [each for each in handlers_around(self.code, self.lasti) if each.is_with]
        beyond = exit_beyond_handlers(self.code, self.lasti)
        exits = list(_exits_on_stack(self.referents()))
        if len(exits) != len(handlers) + beyond:
            return None
        pairs = zip(exits, reversed(handlers), strict=False)
        return [Entered(manager, handler.line, is_async) for (manager, is_async), handler in pairs]


@dataclass(frozen=True, slots=True)
class Chain:
    """An await chain, outermost frame first, and whether it was followed to its very end."""

    links: tuple[Link, ...]
    complete: bool


def chain_of(task: Any) -> Chain:
    """The await chain of a suspended task; complete when it ends at the future the task waits on."""
    future = task._fut_waiter
    links, end = _walk(task.get_coro())
    reaches = end is future or (
        type(end).__name__ == "FutureIter" and any(each is future for each in gc.get_referents(end))
    )
    by_python = bool(links) and links[-1].code.co_qualname == "Future.__await__"
    return Chain(tuple(links), future is not None and (reaches or by_python))


def chain(coroutine: Any) -> list[Link]:
    """The suspended frames from ``coroutine`` inwards, outermost first.

    Follows coroutines, generators, async generators (also through their asend/athrow objects) and
    ``__await__`` wrappers; ends at a future, a foreign awaitable or a running frame.
    """
    return _walk(coroutine)[0]


def _walk(coroutine: Any) -> tuple[list[Link], Any]:
    links: list[Link] = []
    current = coroutine
    while current is not None and len(links) < MAX_DEPTH:
        if not is_a(current, _SUSPENDABLE):
            inner = _unwrap(current)
            if inner is None:
                break
            current = inner
            continue
        frame, inner = _step(current)
        if frame is None:
            break
        links.append(Link(current, frame.f_code, frame.f_lasti))
        current = inner
    return links, current


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
        if is_a(value, _SUSPENDABLE) or type(value).__name__.startswith("async_generator_a"):
            return value
    return None


def _exits_on_stack(values: list[Any]) -> Iterator[tuple[Any, bool]]:
    """(manager, is async) for each exit among the values, in order."""
    following: Any = None
    for value, following in zip(values, [*values[1:], None], strict=True):
        if is_a(value, (MethodType, BuiltinMethodType)):
            if value.__name__ in _EXITS:
                yield value.__self__, value.__name__ == "__aexit__"
        elif is_a(value, _UNBOUND):
            name = getattr(value, "__name__", "")
            if name in _EXITS and _defines(following, value):
                yield following, name == "__aexit__"


def _defines(manager: Any, exit_function: Any) -> bool:
    """Whether this function is, or was before somebody patched it, the exit of the manager's class."""
    name, qualname = exit_function.__name__, exit_function.__qualname__
    return any(
        vars(base).get(name) is exit_function or qualname == f"{base.__qualname__}.{name}"
        for base in type(manager).__mro__
    )


def _made_of(function: Any, code: CodeType) -> bool:
    return is_a(function, FunctionType) and function.__code__ is code


@per_place
def line_of(code: CodeType, lasti: int) -> int:
    """The source line of the instruction at byte offset ``lasti``, or of the definition when there is none."""
    if lasti < 0:
        return code.co_firstlineno
    for start, end, line in code.co_lines():
        if start <= lasti < end and line is not None:
            return line
    return code.co_firstlineno
