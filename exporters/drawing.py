"""Stuck waits as spans: through the application's tracer provider, or one of our own.

Law: what was drawn of a finding is remembered until the finding is over, for a bounded number of findings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.trace import SpanContext, Status, StatusCode

from ..agent.findings import Event
from ..agent.snapshot import Lifespan
from . import choosing, names
from .logs_api import span_context
from .spans import Stretch, lifetime, stretches
from .ways import Ways

_MOST_REMEMBERED = 1_000
_WAITS_FOR, _SAME = {names.LINK: "waits_for"}, {names.LINK: "same_wait"}


class Drawing:
    """As ``telling.Telling``, for spans."""

    def __init__(self, ways: Ways) -> None:
        self._ways = ways
        self._own: Any = None
        self._drawn: dict[str, dict[str, tuple[float, SpanContext]]] = {}
        """By finding and task: when the wait began, and the span that told of it."""

    def draw(self, event: Event) -> None:
        """Turn an event into spans, and put them on their way."""
        tracer = self._tracer() if choosing.is_wanted(choosing.TRACES) else None
        if tracer is None:
            return
        drawn = self._drawn.pop(event.finding.id, {})
        waits = list(stretches(event, {task: start for task, (start, _) in drawn.items()}))
        spans = self._begin(tracer, event, waits, drawn)
        requests = {task.id: span_context(task.trace_id, task.span_id) for task in event.finding.tasks}
        for wait in waits:
            _link(spans[wait.task], wait.awaits, spans, requests)
            _end(spans[wait.task], wait)
        if waits and not waits[0].is_over and len(self._drawn) < _MOST_REMEMBERED:
            self._drawn[event.finding.id] = {
                wait.task: (wait.start, spans[wait.task].get_span_context()) for wait in waits
            }

    def draw_lives(self, lives: Iterable[Lifespan]) -> None:
        """Turn tasks that have ended into spans."""
        tracer = self._tracer() if lives and choosing.is_wanted(choosing.TRACES) else None
        if tracer is None:
            return
        for wait in map(lifetime, lives):
            parent = trace.NonRecordingSpan(span_context(wait.trace_id, wait.parent_id))
            start = _nanoseconds(wait.start)
            _end(tracer.start_span(wait.name, _within(parent), start_time=start, attributes=wait.attributes), wait)

    def _begin(
        self, tracer: Any, event: Event, waits: list[Stretch], drawn: Mapping[str, tuple[float, SpanContext]]
    ) -> dict[str, Any]:
        spans, root = {}, None
        for wait in waits:
            if wait.trace_id is None and root is None:
                root = _root(tracer, event, waits)
            request = trace.NonRecordingSpan(span_context(wait.trace_id, wait.parent_id))
            before = drawn.get(wait.task)
            spans[wait.task] = tracer.start_span(
                wait.name,
                context=_within(request if wait.trace_id is not None else root),
                start_time=_nanoseconds(wait.start),
                attributes=wait.attributes,
                links=[trace.Link(before[1], _SAME)] if before is not None else (),
            )
        if root is not None:
            root.end(_nanoseconds(event.time))
        return spans

    def _tracer(self) -> Any:
        theirs = application_provider()
        if theirs is not None:
            self._ways.borrow(theirs)
            return theirs.get_tracer(names.SCOPE, self._ways.version)
        outlet = self._ways.outlet(choosing.TRACES)
        if self._own is None and outlet is not None:
            provider = TracerProvider(resource=self._ways.resource(), shutdown_on_exit=False)
            provider.add_span_processor(_Keeper(lambda span: outlet.put([span])))
            self._own = provider.get_tracer(names.SCOPE, self._ways.version)
        return self._own


def application_provider() -> Any:
    """The tracer provider that the application has set; None when there is none of the SDK's."""
    provider = trace.get_tracer_provider()
    return provider if isinstance(provider, TracerProvider) else None


def _root(tracer: Any, event: Event, waits: Iterable[Stretch]) -> Any:
    """What holds the waits together that belong to no request."""
    finding = event.finding
    return tracer.start_span(
        f"{finding.kind} found",
        context=_within(trace.INVALID_SPAN),
        start_time=_nanoseconds(min(wait.start for wait in waits)),
        attributes={names.FINDING_ID: finding.id, names.FINDING_KIND: finding.kind},
    )


def _link(span: Any, awaits: Iterable[str], spans: Mapping[str, Any], requests: Mapping[str, SpanContext]) -> None:
    """To the waits of those it waits for; to the request of one who does not wait himself."""
    for task in awaits:
        to = spans[task].get_span_context() if task in spans else requests.get(task)
        if to is not None and to.is_valid:
            span.add_link(to, _WAITS_FOR)


def _end(span: Any, wait: Stretch) -> None:
    if wait.error is not None:
        span.set_status(Status(StatusCode.ERROR, wait.error))
    span.end(_nanoseconds(wait.end))


def _within(span: Any) -> Context:
    return trace.set_span_in_context(span, Context())


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)


class _Keeper(SpanProcessor):
    """Hands on the spans that have ended."""

    def __init__(self, keep: Callable[[ReadableSpan], None]) -> None:
        self._keep = keep

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Nothing yet."""

    def on_end(self, span: ReadableSpan) -> None:
        """It can be exported."""
        if span.context is not None and span.context.trace_flags.sampled:
            self._keep(span)
