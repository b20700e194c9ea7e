"""The sink for people: a finding as a diagnostic in the manner of a good compiler.

Laws:
- ``render`` is a pure function: first what there is to say (``telling``), then how it is set out (``page``).
- A diagnostic is one ``write``, so that it does not mix with what the program prints.
- It goes to the ``sys.stderr`` of that moment, as a logger's does: who redirects it (a test runner, a
  daemon) gets the findings too. It is never closed here, and what goes wrong with it ends this sink only.
- At most SHOWN diagnostics in WINDOW seconds, the rest is counted and said. A finding whose opening was
  not shown is told in full when it is updated, and not at all when it ends.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from ..findings import Event
from .page import ASCII, BOX, LEAST_WIDTH, Page
from .places import waiting_place
from .terminal import encodable, manner_of
from .text import age, count_of

__all__ = ["StderrSink", "age", "manner_of", "render", "waiting_place"]

SHOWN, WINDOW = 10, 10.0
_MOST_HIDDEN = 1000


def render(event: Event, colour: bool, width: int, ascii_only: bool = False) -> str:
    """What a terminal of ``width`` columns shows of the event, ending in a newline.

    The whole diagnostic for ``opened``, one line for the others. ``ascii_only`` draws without box characters.
    """
    page = Page(colour, max(width, LEAST_WIDTH), ASCII if ascii_only else BOX)
    lines = page.diagnostic(event.finding) if event.event == "opened" else [page.one_line(event)]
    return "\n".join(lines) + "\n"


class StderrSink:
    """Writes diagnostics to standard error. ``clock`` gives monotonic seconds."""

    name = "stderr"

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._shown: deque[float] = deque(maxlen=SHOWN)
        self._hidden: dict[str, None] = {}
        self._missed, self._missed_since = 0, 0.0
        self._stopped = False

    def write(self, event: Event) -> None:
        """Show the event, unless too many were shown just now."""
        now, unseen = self._clock(), event.finding.id in self._hidden
        full = len(self._shown) == SHOWN and now - self._shown[0] < WINDOW
        if event.event == "updated" and unseen:
            event = replace(event, event="opened")
        if event.event == "closed" and event.finding.happened:
            self._hidden.pop(event.finding.id, None)
        elif event.event != "opened":
            self._hidden.pop(event.finding.id, None)
            if not unseen:
                self._emit(event, "" if full else self._missing(now))
        elif full:
            self._hide(event.finding.id, now)
        else:
            self._hidden.pop(event.finding.id, None)
            self._shown.append(now)
            self._emit(event, self._missing(now))

    def close(self) -> None:
        """Say what was not shown. Standard error itself stays open."""
        self._emit(None, self._missing(self._clock()))
        self._stopped = True

    def _hide(self, finding: str, now: float) -> None:
        if finding not in self._hidden:
            self._missed_since = self._missed_since if self._missed else now
            self._missed += 1
        self._hidden[finding] = None
        if len(self._hidden) > _MOST_HIDDEN:
            del self._hidden[next(iter(self._hidden))]

    def _missing(self, now: float) -> str:
        if not self._missed:
            return ""
        count, self._missed = count_of(self._missed, "more finding"), 0
        span = age(max(WINDOW, now - self._missed_since))
        return f"unstuck: {count} in the last {span} not shown; they are in the other sinks\n"

    def _emit(self, event: Event | None, before: str) -> None:
        stream = sys.stderr
        if self._stopped or stream is None:
            return
        text = before + (render(event, *manner_of(stream)) if event else "")
        try:
            if text:
                stream.write(encodable(text, stream))
                stream.flush()
        except BlockingIOError:
            pass  # a full pipe that may not block: this text is lost, the next may pass
        except Exception:  # noqa: BLE001 (broken pipe, closed file, or whatever the program put in its place)
            self._stopped = True
