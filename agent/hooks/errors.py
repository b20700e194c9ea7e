"""Errors that nobody asked for: asyncio says so when it collects the future that bears one.

Laws:
- The program's exception handler gets what it always got, after the note was made.
- Noted are words and code objects: no exception, no frame, no task. The text of an exception is taken only
  where that runs no code of the program.
"""

from __future__ import annotations

import asyncio
import functools
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from types import CodeType, TracebackType
from typing import Any

from ..imports import after_import
from ..patching import Patches
from ..state import State
from ..tracing import NO_SPAN, SpanId, span_of

KIND = "lost-error"
UNASKED, DROPPED = "unasked", "dropped"
_MOST_FRAMES, _MOST_TEXT = 30, 200
_PLAIN = (str, int, float, bytes, bool, type(None))

NO_ERRORS = (SystemExit, KeyboardInterrupt, asyncio.CancelledError)
"""What ends a task without anything having gone wrong. A cancelled gather bears its cancellation as an error."""

Spot = tuple[str, int, str]
"""File, line, function: a place without its text."""


@dataclass(frozen=True, slots=True)
class LostError:
    """An exception that nobody can ask for any more."""

    how: str
    """UNASKED: its task or future was collected. DROPPED: a ``gather`` that had failed already took it."""
    key: int
    name: str
    coro: str
    error: str
    raised: tuple[Spot, ...]
    """The traceback, outermost frame first."""
    site: tuple[CodeType, int] | None
    made_at: Spot | None
    """Where the future was made, if only asyncio's debug mode knows."""
    loop: str
    sure: bool
    span: SpanId
    """Of the task's context as it ended: that of whoever made it, for its own spans are over."""


Listener = Callable[[Any, dict[str, Any]], None]


def install(patches: Patches, state: State, *listeners: Listener) -> None:
    """Show the listeners what every loop's exception handler is called for."""
    _hook(asyncio.BaseEventLoop, patches, listeners)
    after_import("uvloop", functools.partial(_hook_uvloop, patches, state, listeners))
    if "uvloop" in sys.modules:
        _hook_uvloop(patches, state, listeners)


def _hook_uvloop(patches: Patches, state: State, listeners: tuple[Listener, ...]) -> None:
    cls = getattr(sys.modules.get("uvloop"), "Loop", None)
    if state.on and cls is not None:
        _hook(cls, patches, listeners)


def _hook(cls: Any, patches: Patches, listeners: tuple[Listener, ...]) -> None:
    original = cls.call_exception_handler

    @functools.wraps(original)
    def call_exception_handler(self: Any, context: dict[str, Any]) -> None:
        for listen in listeners:
            try:
                listen(self, context)
            except Exception:  # noqa: BLE001 - a strange context is the handler's business, not ours
                pass
        original(self, context)

    patches.replace(cls, "call_exception_handler", call_exception_handler)


def listener(state: State) -> Listener:
    """Notes the errors that were never retrieved."""

    def listen(loop: Any, context: dict[str, Any]) -> None:
        if not context["message"].endswith(" exception was never retrieved"):
            return
        future, error = context["future"], context["exception"]
        if not isinstance(error, NO_ERRORS):
            state.facts[KIND].append(lost(UNASKED, future, error, state))

    return listen


def lost(how: str, future: Any, error: BaseException, state: State, sure: bool = True) -> LostError:
    """The note of an error that nobody can ask for."""
    record = state.record_of(future)
    made = getattr(future, "_source_traceback", None)
    loop, coro = future.get_loop(), getattr(future, "get_coro", lambda: None)()
    return LostError(
        how=how,
        key=id(future),
        name=future.get_name() if hasattr(future, "get_name") else type(future).__name__.lstrip("_"),
        coro=str(getattr(coro, "__qualname__", None) or type(future).__qualname__),
        error=words(error),
        raised=spots(error.__traceback__),
        site=(record.code, record.lasti) if hasattr(record, "code") else None,  # type: ignore[union-attr]
        made_at=(made[-1].filename, made[-1].lineno, made[-1].name) if made else None,
        loop=f"{type(loop).__name__}-{id(loop):x}",
        sure=sure,
        span=span_of(future) if coro is not None else NO_SPAN,
    )


_args = BaseException.args.__get__  # type: ignore[attr-defined]  # a class of the program's may have a property instead
_message, _inside = BaseExceptionGroup.message.__get__, BaseExceptionGroup.exceptions.__get__


def words(error: BaseException) -> str:
    """Type and text of an exception; only the type where the text would be made by the program's code."""
    name = type(error).__qualname__
    builtin = type(type(error).__str__).__name__ == "wrapper_descriptor"
    if issubclass(type(error), BaseExceptionGroup):
        message, inside = _message(error), _inside(error)
        text = f"{message} ({len(inside)} inside)" if type(message) is str else ""
    else:
        text = str(error) if builtin and all(type(each) in _PLAIN for each in _args(error)) else ""
    text = text if len(text) <= _MOST_TEXT else text[:_MOST_TEXT] + "…"
    return f"{name}: {text}" if text else name


def spots(trace: TracebackType | None) -> tuple[Spot, ...]:
    """The innermost frames of a traceback, outermost first, without the agent's own."""
    found: deque[Spot] = deque(maxlen=_MOST_FRAMES)
    while trace is not None:
        frame = trace.tb_frame
        if not str(frame.f_globals.get("__name__", "")).startswith("unstuck."):
            found.append((frame.f_code.co_filename, trace.tb_lineno, frame.f_code.co_qualname))
        trace = trace.tb_next
    return tuple(found)
