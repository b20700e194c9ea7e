"""The OpenTelemetry span that a task works for, read from its context when somebody asks.

Laws:
- Nothing is imported: where the program has not loaded opentelemetry there is no span, and no cost.
- Nothing is noted at a task's creation. A task keeps its own context, with the span that is current in it now, which
  is closer to the trouble than the span that was current when it was made.
- A glimpse, from any thread: what cannot be read is None.
"""

from __future__ import annotations

import gc
import sys
from contextvars import Context
from typing import Any, NamedTuple

_TRACE, _CONTEXT = "opentelemetry.trace", "opentelemetry.context"


class SpanId(NamedTuple):
    """A span by its ids as they are written: 32 and 16 hexadecimal digits. None where there is no span."""

    trace_id: str | None = None
    span_id: str | None = None


NO_SPAN = SpanId()


def span_of(task: Any) -> SpanId:
    """The span that is current in the task."""
    trace, runtime = sys.modules.get(_TRACE), sys.modules.get(_CONTEXT)
    if trace is None or runtime is None or task is None:
        return NO_SPAN
    try:
        return _read(trace, runtime, task)
    except Exception:  # noqa: BLE001 - half imported, another version, or spans of somebody else's make
        return NO_SPAN


def context_of(task: Any) -> Context | None:
    """The context that a task runs in."""
    if hasattr(task, "get_context"):  # since 3.12
        context: Context = task.get_context()
        return context
    # On 3.11 it is not shown. The task's own comes first among what it refers to, its callbacks' after it.
    found = getattr(task, "_context", None)  # a task in pure Python
    return found or next((each for each in gc.get_referents(task) if type(each) is Context), None)


def current_span() -> SpanId:
    """The span that is current here."""
    trace = sys.modules.get(_TRACE)
    try:
        return _ids(trace.get_current_span().get_span_context()) if trace is not None else NO_SPAN
    except Exception:  # noqa: BLE001 - as above
        return NO_SPAN


def _read(trace: Any, runtime: Any, task: Any) -> SpanId:
    context = context_of(task)
    current = context.get(runtime._RUNTIME_CONTEXT._current_context) if context is not None else None
    if current is None:
        return NO_SPAN
    return _ids(trace.get_current_span(current).get_span_context())


def _ids(span: Any) -> SpanId:
    return SpanId(f"{span.trace_id:032x}", f"{span.span_id:016x}") if span.is_valid else NO_SPAN
