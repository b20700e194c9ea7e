"""What sinks with a thread of their own (``Remote``) need of the pipeline beside events: numbers, and care at a fork.

Law: without such a sink nothing of this costs anything.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from .serving.subject import Subject
from .sinks import Remote, Sink

if TYPE_CHECKING:
    from .vitals import VitalSigns

_OFFERED_EVERY = 1.0


class Exports:
    """All remote sinks. All is called in the watcher's thread, or when that has ended."""

    def __init__(self, sinks: Iterable[Sink], subject: Callable[[], Subject]) -> None:
        self.sinks = [sink for sink in sinks if isinstance(sink, Remote)]
        self._subject = subject
        self._offered = 0.0
        self._signs = self._begin()

    def measure(self, is_last: bool = False) -> None:
        """Take a look at what is told in numbers; tell it about once a second, and at the end."""
        signs = self._signs
        if signs is None:
            return
        now = time.monotonic()
        signs.look(now)
        if is_last or now - self._offered >= min(_OFFERED_EVERY, signs.subject.settings.interval):
            self._offered, vitals = now, signs.take(now, is_last)
            for sink in self.sinks:
                sink.offer(vitals)

    def pause(self) -> None:
        """The process is about to fork: no thread of a sink's, if that can be had at once."""
        for sink in self.sinks:
            sink.pause()

    def disown(self) -> None:
        """This is a forked child: nothing of the parent's is told here."""
        for sink in self.sinks:
            sink.disown()
        self._signs = self._begin()

    def _begin(self) -> VitalSigns | None:
        if not self.sinks:
            return None
        from .vitals import VitalSigns

        return VitalSigns(self._subject())
