"""Findings as log records: through the application's logger provider, or one of our own."""

from __future__ import annotations

from typing import Any

from ..agent.findings import Event
from . import choosing, logs, logs_api
from .ways import Ways


class Telling:
    """Makes records of events. ``ways`` lead out."""

    def __init__(self, ways: Ways) -> None:
        self._ways = ways
        self._own: Any = None

    def tell(self, event: Event, resent: bool = False) -> None:
        """Turn an event into log records, and put them on their way."""
        if not choosing.is_wanted(choosing.LOGS):
            return
        to = self._logger()
        for entry in logs.entries(event, resent) if to is not None else ():
            logs_api.emit(to, entry)

    def _logger(self) -> Any:
        theirs = logs_api.application_provider()
        if theirs is not None:
            self._ways.borrow(theirs)
            return logs_api.logger(theirs, self._ways.version)
        outlet = self._ways.outlet(choosing.LOGS)
        if self._own is None and outlet is not None:
            provider = logs_api.own_provider(self._ways.resource(), lambda record: outlet.put([record]))
            self._own = logs_api.logger(provider, self._ways.version)
        return self._own
