"""Numbers as metrics: through the application's meter provider, or one of our own that is read now and then.

Laws:
- The application's provider is read, and its metrics are sent, by the application.
- Our own is read every ``OTEL_METRIC_EXPORT_INTERVAL``, and soon after a finding was opened or has ended.
- Histograms are exponential unless ``OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION`` says otherwise; in
  the application's provider that is for its views to say.
"""

from __future__ import annotations

import os
import time
from typing import Any

from opentelemetry import context, metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View

from ..agent.findings import Event
from ..agent.snapshot import EndedWait, Vitals
from . import choosing, names
from .logs_api import span_context
from .metrics import Instruments, Measured
from .ways import Ways

_AGGREGATION = "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION"
_SCALE = 3
"""Buckets are at least 9% wide: where each is a series of its own (VictoriaMetrics), these shall stay few."""
_SOON, _APART = 1.5, 10.0
"""Seconds from an event to the metrics that show it, and at least between two that were brought forward."""


class Metering:
    """As ``telling.Telling``, for metrics. All times are monotonic seconds."""

    def __init__(self, ways: Ways) -> None:
        self._ways = ways
        self.measured = Measured()
        self._provider: Any = None
        self._instruments: Instruments | None = None
        self._reader: InMemoryMetricReader | None = None
        self._interval = choosing.number("OTEL_METRIC_EXPORT_INTERVAL", 60_000) / 1_000
        self._read_at = time.monotonic()
        self._due = self._read_at + min(self._interval, _APART)

    @property
    def due(self) -> float | None:
        """When our own provider is to be read; None while there is nothing of ours to read."""
        return self._due if self._reader is not None else None

    def note(self, vitals: Vitals) -> None:
        """The process in numbers, newly."""
        self.measured.note(vitals)
        self.measured.cpu["export"] = time.thread_time()
        self._find_provider()
        if self._instruments is not None:
            self._instruments.record(vitals)

    def note_event(self, event: Event) -> None:
        """Something has happened to a finding: an alert shall not wait for long."""
        self.measured.note_event(event)
        if event.event != "updated":
            soon = max(time.monotonic() + _SOON, self._read_at + min(_APART, self._interval))
            self._due = min(self._due, soon)

    def read(self, now: float, is_last: bool = False) -> None:
        """Read our own provider if it is time, and put what it says on its way."""
        outlet = self._ways.outlet(choosing.METRICS) if self._reader is not None else None
        if self._reader is None or outlet is None or (now < self._due and not is_last):
            return
        self._read_at, self._due = now, now + self._interval
        data = self._reader.get_metrics_data()
        if data is not None:
            outlet.put([data])

    def leave(self) -> None:
        """The application's provider may live on: it gets nothing more."""
        self.measured.is_over = True

    def _find_provider(self) -> None:
        """The application's as soon as there is one."""
        if not choosing.is_wanted(choosing.METRICS):
            return
        theirs = metrics.get_meter_provider()
        if isinstance(theirs, MeterProvider):
            self._ways.borrow(theirs)
            self._use(theirs)
            self._reader = None
        elif self._provider is None:
            self._make_own()

    def _make_own(self) -> None:
        outlet = self._ways.outlet(choosing.METRICS)
        if outlet is None:
            return
        exporter = outlet.exporter
        self._reader = InMemoryMetricReader(
            getattr(exporter, "_preferred_temporality", None), getattr(exporter, "_preferred_aggregation", None)
        )
        views = (
            [] if os.environ.get(_AGGREGATION) else [_exponential(names.LOOP_DELAY), _exponential(names.WAIT_DURATION)]
        )
        self._use(MeterProvider([self._reader], self._ways.resource(), shutdown_on_exit=False, views=views))

    def _use(self, provider: MeterProvider) -> None:
        if provider is not self._provider:
            self._provider = provider
            meter = provider.get_meter(names.SCOPE, self._ways.version)
            self._instruments = Instruments(meter, self.measured, _context_of)


def _exponential(name: str) -> View:
    return View(instrument_name=name, aggregation=ExponentialBucketHistogramAggregation(max_scale=_SCALE))


def _context_of(wait: EndedWait) -> Any:
    """For an exemplar: the request that waited."""
    span = trace.NonRecordingSpan(span_context(wait.trace_id, wait.span_id))
    return trace.set_span_in_context(span, context.Context())
