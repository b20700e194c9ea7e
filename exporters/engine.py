"""All of the exporting: from events and numbers, through providers, to the backend.

Laws:
- Everything is called in one thread, the exporting one; what the application's own metric reader calls from another
  thread reads frozen data only.
- The application's providers are used where it has set any, and looked for again each time; else our own.
- Nothing about the exporting is exported: the thread is marked for instrumentations to pass over, and what the
  exporting libraries log in it is kept out of the program's logs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from opentelemetry import context

from ..agent.findings import Event
from ..agent.snapshot import Vitals
from . import choosing
from .drawing import Drawing, application_provider
from .hush import Hush
from .metering import Metering
from .outlet import Outlet
from .resource import resource_for
from .telling import Telling
from .ways import Ways

_SUPPRESSED = getattr(context, "_SUPPRESS_INSTRUMENTATION_KEY", "suppress_instrumentation")
_MOST_METRICS = 10
"""Readings of all metrics that wait to be sent."""
_THEIR_TIME = 2_000
"""Milliseconds that the application's providers have to send what they were given last."""


class Engine:
    """Made in the exporting thread, which alone may call it. ``version`` is unstuck's."""

    def __init__(self, spans: str, complain: Callable[[str], None], version: str) -> None:
        self.complain, self._spans = complain, spans
        self._hush = Hush()
        self._outlets: dict[str, Outlet | None] = {}
        self._is_over = False
        self._borrowed: dict[int, Any] = {}
        """Providers of the application's that were used, by id."""
        self._known: Any = None
        ways = Ways(self._outlet, self._resource, self._borrow, version)
        self._telling, self._drawing, self._metering = Telling(ways), Drawing(ways), Metering(ways)
        self.adopt_thread()

    def adopt_thread(self) -> None:
        """This is the exporting thread from now on."""
        context.attach(context.set_value(_SUPPRESSED, True))
        self._hush.listen_here()

    # -- what there is to tell ---------------------------------------------------------------------

    def tell(self, events: Iterable[Event], resent: bool = False) -> None:
        """Turn events into records and spans, and put them on their way."""
        for event in events:
            self._telling.tell(event, resent)
            if not resent:
                self._metering.note_event(event)
                if self._spans != "off":
                    self._drawing.draw(event)

    def note(self, vitals: Vitals, lost_events: int, lost_lives: int) -> None:
        """The process in numbers; lost is what never came here."""
        dropped = self.dropped()
        for signal, lost in ((choosing.LOGS, lost_events), (choosing.TRACES, lost_lives)):
            if lost:
                dropped[signal] = dropped.get(signal, 0) + lost
        self._metering.measured.dropped.update(dropped)
        self._metering.note(vitals)
        self._drawing.draw_lives(vitals.lifespans)

    # -- sending -----------------------------------------------------------------------------------

    def send(self, is_last: bool = False) -> bool:
        """Send what is due, last what failed before, for that may take long. Whether a backend came back."""
        came_back = False
        self._metering.read(time.monotonic(), is_last)
        for outlet in sorted(self._open(), key=_trouble):
            was_out = outlet.failures > 0
            while outlet.send(time.monotonic(), self._say):
                came_back = came_back or was_out
        return came_back

    def pause(self) -> float | None:
        """Seconds until there is something to do; None when nothing is under way."""
        due = [outlet.retry_at for outlet in self._open() if len(outlet)]
        due += [self._metering.due] if self._metering.due is not None else []
        return max(0.0, min(due) - time.monotonic()) if due else None

    @property
    def is_out(self) -> bool:
        """Whether some backend does not take what it is sent."""
        return any(outlet.failures for outlet in self._open())

    @property
    def is_hopeless(self) -> bool:
        """Whether nothing is taken at all."""
        return all(outlet.failures for outlet in self._open())

    @property
    def is_away(self) -> bool:
        """Whether the thread waits for a backend at the moment, and so holds no lock that others may need."""
        return any(outlet.is_away for outlet in self._open())

    def dropped(self) -> dict[str, int]:
        """What was never delivered, by signal."""
        return {outlet.signal: outlet.dropped for outlet in self._open() if outlet.dropped}

    def flush_theirs(self) -> None:
        """The application may not get the chance to: send what was handed to its providers."""
        for provider in self._borrowed.values():
            try:
                provider.force_flush(timeout_millis=_THEIR_TIME)
            except Exception:  # noqa: BLE001 - whatever processors the application has
                continue

    def undelivered(self) -> dict[str, int]:
        """The same with what waits, or is under way."""
        return {outlet.signal: lost for outlet in self._open() if (lost := outlet.dropped + len(outlet))}

    def give_up(self) -> None:
        """Nothing more will be sent."""
        for outlet in self._open():
            outlet.give_up()

    def abort(self, only_in_trouble: bool = False) -> None:
        """Let an export that is under way fail soon; may be called from another thread."""
        self._is_over = True
        for outlet in self._open():
            if outlet.failures or not only_in_trouble:
                outlet.shut()

    def disown(self, is_at_rest: bool) -> None:
        """In a forked child: what is open is the parent's. ``is_at_rest``: it had no thread of ours when it forked."""
        self._hush.leave()
        for outlet in self._open():
            outlet.disown(is_at_rest)

    def leave(self) -> None:
        """Let go of connections, of the application's meters and of the program's loggers."""
        self._metering.leave()
        self.abort()
        self._hush.leave()

    def _say(self, sentence: str) -> None:
        """To people; not about exports that fail because it is all over."""
        if not self._is_over:
            self.complain(sentence)

    def _borrow(self, provider: Any) -> None:
        self._borrowed[id(provider)] = provider

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
        if signal == choosing.METRICS:
            return Outlet(signal, exporter, _MOST_METRICS, 0, self._hush)
        batch = "BSP" if signal == choosing.TRACES else "BLRP"
        most = int(choosing.number(f"OTEL_{batch}_MAX_QUEUE_SIZE", 2048))
        most_at_once = int(choosing.number(f"OTEL_{batch}_MAX_EXPORT_BATCH_SIZE", 512))
        return Outlet(signal, exporter, most, min(most, most_at_once), self._hush)

    def _resource(self) -> Any:
        """Who we are: once for all signals, so that they can be told to be one process's."""
        if self._known is None:
            theirs = application_provider()
            self._known = resource_for(theirs.resource if theirs is not None else None)
        return self._known


def _trouble(outlet: Outlet) -> int:
    return outlet.failures
