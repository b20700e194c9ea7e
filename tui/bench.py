"""The bench: one thread on which views are worked out, so that the screen's thread only draws.

Laws:
- Of several pieces of work under one name only the last is done.
- What comes round with each picture waits for as long as it took the processor before, so that keys are answered at
  any size; what somebody asked for by a key is ``urgent`` and waits for nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

Work = Callable[[], Any]
Done = Callable[[str, Any, Exception | None], None]


class Bench:
    """Works one piece after the other; ``done`` gets name, result and failure, on the bench's thread."""

    def __init__(self, done: Done) -> None:
        self._done = done
        self._waiting: dict[str, tuple[Work, bool]] = {}
        self._rests: dict[str, float] = {}
        self._changed = threading.Condition()
        self._busy = self._stopping = False
        self._thread = threading.Thread(target=self._run, name="bench", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, after what is being worked on."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def ask(self, name: str, work: Work, urgent: bool = False) -> None:
        """Have this done instead of what waits under that name."""
        with self._changed:
            was_urgent = self._waiting.get(name, (None, False))[1]
            self._waiting[name] = (work, urgent or was_urgent)
            self._changed.notify_all()

    @property
    def idle(self) -> bool:
        """Whether nothing is to be done."""
        with self._changed:
            return not self._waiting and not self._busy

    def _run(self) -> None:
        while (taken := self._next()) is not None:
            name, work = taken
            start = time.thread_time()
            try:
                self._done(name, work(), None)
            except Exception as failed:  # noqa: BLE001 - a view that cannot be drawn is told, and the others go on
                self._done(name, None, failed)
            spent = time.thread_time() - start
            with self._changed:
                self._rests[name] = time.monotonic() + min(1.0, spent)
                self._busy = False
                self._changed.notify_all()

    def _next(self) -> tuple[str, Work] | None:
        with self._changed:
            while not self._stopping:
                now = time.monotonic()
                due = {
                    name: 0.0 if urgent else self._rests.get(name, 0.0) for name, (_, urgent) in self._waiting.items()
                }
                if due and min(due.values()) <= now:
                    name = min(due, key=lambda each: due[each])
                    self._busy = True
                    return name, self._waiting.pop(name)[0]
                self._changed.wait(min(due.values()) - now if due else None)
            return None
