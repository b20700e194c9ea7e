"""All of the exporting: from events and numbers, through providers, to the backend.

Laws:
- Everything is called in one thread, the exporting one; what the application's own metric reader calls from another
  thread reads frozen data only.
- The application's providers are used where it has set any, and looked for again each time; else our own.
- Nothing about the exporting is exported: the thread is marked for instrumentations to pass over.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from opentelemetry import context, trace
from opentelemetry.sdk.trace import TracerProvider

from ..agent.findings import Event
from . import choosing, logs, logs_api
from .hush import Hush
from .outlet import Outlet
from .resource import resource_for

_SUPPRESSED = getattr(context, "_SUPPRESS_INSTRUMENTATION_KEY", "suppress_instrumentation")


class Engine:
    """Made in the exporting thread, which alone may call it. ``version`` is unstuck's."""

    def __init__(self, spans: str, complain: Callable[[str], None], version: str) -> None:
        self.complain = complain
        self._version, self._spans = version, spans
        context.attach(context.set_value(_SUPPRESSED, True))
        self._hush = Hush()
        self._outlets: dict[str, Outlet | None] = {}
        self._logger: Any = None

    # -- what there is to tell ---------------------------------------------------------------------

    def tell(self, events: Iterable[Event], resent: bool = False) -> None:
        """Turn events into records, and put them on their way."""
        for event in events:
            if choosing.is_wanted(choosing.LOGS):
                self._log(event, resent)

    def _log(self, event: Event, resent: bool) -> None:
        theirs = logs_api.application_provider()
        if theirs is not None:
            to = logs_api.logger(theirs, self._version)
        else:
            to = self._own_logger()
        for entry in logs.entries(event, resent) if to is not None else ():
            logs_api.emit(to, entry)

    def _own_logger(self) -> Any:
        outlet = self._outlet(choosing.LOGS)
        if self._logger is None and outlet is not None:
            provider = logs_api.own_provider(self._resource(), lambda record: outlet.put([record]))
            self._logger = logs_api.logger(provider, self._version)
        return self._logger

    # -- sending -----------------------------------------------------------------------------------

    def send(self) -> bool:
        """Send what is due, a batch of each signal. Whether a backend came back after an outage."""
        came_back = False
        for outlet in self._open():
            was_out = outlet.failures > 0
            while outlet.send(time.monotonic(), self.complain):
                came_back = came_back or was_out
        return came_back

    def pause(self) -> float | None:
        """Seconds until there is something to be sent; None when there is nothing."""
        due = [outlet.retry_at for outlet in self._open() if len(outlet)]
        return max(0.0, min(due) - time.monotonic()) if due else None

    @property
    def is_out(self) -> bool:
        """Whether some backend does not take what it is sent."""
        return any(outlet.failures for outlet in self._open())

    def dropped(self) -> dict[str, int]:
        """What was never delivered, by signal."""
        return {outlet.signal: outlet.dropped for outlet in self._open() if outlet.dropped}

    def give_up(self) -> None:
        """Nothing more will be sent."""
        for outlet in self._open():
            outlet.give_up()

    def abort(self) -> None:
        """Let an export that is under way fail soon; called from another thread."""
        for outlet in self._open():
            try:
                outlet.exporter.shutdown()
            except Exception:  # noqa: BLE001 - it is over anyway
                continue

    def leave(self) -> None:
        """Let go of connections, and of the program's loggers."""
        self.abort()
        self._hush.leave()

    def _open(self) -> list[Outlet]:
        return [outlet for outlet in list(self._outlets.values()) if outlet is not None]

    def _outlet(self, signal: str) -> Outlet | None:
        if signal not in self._outlets:
            self._outlets[signal] = self._make(signal)
            self._hush.cover()
        return self._outlets[signal]

    def _make(self, signal: str) -> Outlet | None:
        try:
            exporter = choosing.exporter(signal)
        except choosing.Unavailable as missing:
            self.complain(f"{missing}; no {signal} are exported")
            return None
        batch = "BSP" if signal == choosing.TRACES else "BLRP"
        most = int(choosing.number(f"OTEL_{batch}_MAX_QUEUE_SIZE", 2048))
        most_at_once = int(choosing.number(f"OTEL_{batch}_MAX_EXPORT_BATCH_SIZE", 512))
        return Outlet(signal, exporter, most, min(most, most_at_once), lambda: self._hush.last)

    def _resource(self) -> Any:
        theirs = trace.get_tracer_provider()
        return resource_for(theirs.resource if isinstance(theirs, TracerProvider) else None)
