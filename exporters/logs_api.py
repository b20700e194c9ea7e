"""OpenTelemetry's logs API, which is still underscored and differs from version to version: all of that is here.

Known differences, 1.27 to 1.45: ``LogRecord`` is the SDK's (up to 1.38) or the API's; it takes ``trace_id`` and
``span_id`` or, since 1.35, a ``context``; it has no ``event_name`` at first; a processor is called by ``emit`` or, in
later versions, by ``on_emit``.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from opentelemetry import _logs as api
from opentelemetry import trace
from opentelemetry.sdk import _logs as sdk

from . import names
from .logs import Entry


def application_provider() -> Any:
    """The logger provider that the application has set; None when there is none of the SDK's."""
    provider = api.get_logger_provider()
    return provider if isinstance(provider, sdk.LoggerProvider) else None


def own_provider(resource: Any, keep: Callable[[Any], None]) -> Any:
    """A logger provider whose records are given to ``keep``, ready for an exporter."""
    provider = sdk.LoggerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_log_record_processor(_Keeper(keep))
    return provider


def logger(provider: Any, version: str) -> Any:
    """The logger that our records go through."""
    return provider.get_logger(names.SCOPE, version)


def emit(to: Any, entry: Entry) -> None:
    """Send one record through a logger."""
    record, fields = _record_class()
    attributes, values = dict(entry.attributes), dict[str, Any]()
    if "event_name" in fields:
        values["event_name"] = entry.event_name
    else:
        attributes[names.EVENT_NAME] = entry.event_name
    values |= _trace(entry, fields)
    if "resource" in fields:
        values["resource"] = getattr(to, "resource", None)
    time_ns = int(entry.time * 1e9)
    to.emit(
        record(
            timestamp=time_ns,
            observed_timestamp=time_ns,
            severity_text=entry.severity,
            severity_number=api.SeverityNumber[entry.severity],
            body=entry.body,
            attributes=attributes,
            **values,
        )
    )


def span_context(trace_id: str | None, span_id: str | None) -> trace.SpanContext:
    """The span of these ids, as one that lives elsewhere in this process."""
    if trace_id is None or span_id is None:
        return trace.INVALID_SPAN_CONTEXT
    return trace.SpanContext(int(trace_id, 16), int(span_id, 16), False, trace.TraceFlags(trace.TraceFlags.SAMPLED))


@functools.cache
def _record_class() -> tuple[Any, frozenset[str]]:
    record = getattr(sdk, "LogRecord", None) or api.LogRecord
    return record, frozenset(inspect.signature(record).parameters)


def _trace(entry: Entry, fields: frozenset[str]) -> dict[str, Any]:
    span = span_context(entry.trace_id, entry.span_id)
    if "context" in fields:
        return {"context": trace.set_span_in_context(trace.NonRecordingSpan(span), _EMPTY)}
    return {"trace_id": span.trace_id, "span_id": span.span_id, "trace_flags": span.trace_flags}


class _Keeper(sdk.LogRecordProcessor):
    """Hands on what is emitted."""

    def __init__(self, keep: Callable[[Any], None]) -> None:
        self._keep = keep

    def on_emit(self, log_record: Any) -> None:
        """In later versions; ``emit`` in earlier ones."""
        self._keep(log_record)

    emit = on_emit

    def shutdown(self) -> None:
        """There is nothing to let go of."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """There is nothing to flush."""
        return True


_EMPTY: Any = trace.set_span_in_context(trace.INVALID_SPAN)
