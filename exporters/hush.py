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
        self._thread = 0
        self._said = ""

    def listen_here(self) -> None:
        """This is the exporting thread."""
        self._thread = _thread.get_ident()

    def forget(self) -> None:
        """An export begins."""
        self._said = ""

    def heard(self) -> str:
        """What was said first since it began: the cause; what comes after it are consequences."""
        return self._said

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the program's log gets the record."""
        if record.thread != self._thread:
            return True
        if record.levelno >= logging.WARNING:
            self._said = self._said or record.getMessage()
        return False

    def cover(self) -> None:
        """Listen to all loggers that there are by now, before filters of theirs that leave out what is repeated."""
        for logger in _loggers():
            if self not in logger.filters:
                logger.filters.insert(0, self)

    def leave(self) -> None:
        """Listen no more."""
        for logger in _loggers():
            logger.removeFilter(self)


def _loggers() -> list[logging.Logger]:
    known = list(logging.root.manager.loggerDict)
    return [logging.getLogger(name) for name in known if name.partition(".")[0] in _SPEAKERS]
