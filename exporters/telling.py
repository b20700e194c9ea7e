"""Findings as log records: through the application's logger provider, or one of our own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..agent.findings import Event
from . import choosing, logs, logs_api
from .outlet import Outlet


class Telling:
    """``outlet`` gives the way out for what is ours to send, or None; ``resource`` says who we are."""

    def __init__(self, outlet: Callable[[str], Outlet | None], resource: Callable[[], Any], version: str) -> None:
        self._outlet, self._resource, self._version = outlet, resource, version
        self._own: Any = None

    def tell(self, event: Event, resent: bool = False) -> None:
        """Turn an event into log records, and put them on their way."""
        if not choosing.is_wanted(choosing.LOGS):
            return
        theirs = logs_api.application_provider()
        to = logs_api.logger(theirs, self._version) if theirs is not None else self._logger()
        for entry in logs.entries(event, resent) if to is not None else ():
            logs_api.emit(to, entry)

    def _logger(self) -> Any:
        outlet = self._outlet(choosing.LOGS)
        if self._own is None and outlet is not None:
            provider = logs_api.own_provider(self._resource(), lambda record: outlet.put([record]))
            self._own = logs_api.logger(provider, self._version)
        return self._own
