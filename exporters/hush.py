"""What the libraries that export have to say about it: kept for us, and out of the program's logs.

Law: only what is said in the exporting thread. Otherwise a backend that is gone would fill the program's log, and be
exported with that.
"""

from __future__ import annotations

import _thread
import logging

_SPEAKERS = ("opentelemetry", "urllib3", "requests", "grpc")


class Hush(logging.Filter):
    """A filter on these libraries' loggers."""

    def __init__(self) -> None:
        super().__init__()
        self.last = ""
        """What was said last."""
        self._thread = 0

    def listen_here(self) -> None:
        """This is the exporting thread."""
        self._thread = _thread.get_ident()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the program's log gets the record."""
        if record.thread != self._thread:
            return True
        if record.levelno >= logging.WARNING:
            self.last = record.getMessage()
        return False

    def cover(self) -> None:
        """Listen to all loggers that there are by now."""
        for name in list(logging.root.manager.loggerDict):
            if name.partition(".")[0] in _SPEAKERS:
                logging.getLogger(name).addFilter(self)

    def leave(self) -> None:
        """Listen no more."""
        for name in list(logging.root.manager.loggerDict):
            if name.partition(".")[0] in _SPEAKERS:
                logging.getLogger(name).removeFilter(self)
