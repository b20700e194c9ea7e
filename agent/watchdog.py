"""The watcher: one daemon thread a process, asleep until there is a loop to watch.

Laws:
- It sleeps without a timeout while the process has no event loop.
- It is stopped before a fork and started again after it, on both sides: a forked child never inherits a
  lock that the thread held, and Python 3.12+ has no thread of ours to warn about.
"""

from __future__ import annotations

import collections
import threading
import time

from .pipeline import Pipeline


class Watchdog:
    """Calls the pipeline when it is time, or when a hook says so."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self._knots: collections.deque[int] = collections.deque()
        self._wake = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread."""
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="unstuck", daemon=True)
        self._thread.start()

    def stop(self, patience: float = 2.0) -> None:
        """End the thread; it finishes what it is at."""
        thread, self._thread = self._thread, None
        if thread is None or thread is threading.current_thread():
            return
        self._stopping = True
        self._wake.set()
        thread.join(patience)

    def renew(self) -> None:
        """In a forked child: fresh locks, nothing pending; the thread starts with the child's first loop."""
        self._stopping = False
        self._wake = threading.Event()
        self._knots.clear()
        self._thread = None

    def on_loop(self) -> None:
        """There is a loop to watch now."""
        if self._thread is None and not self._stopping:  # a forked child with its first loop
            self.start()
        self._wake.set()

    def on_knot(self, key: int) -> None:
        """A task's wait may have closed a knot."""
        self._knots.append(key)
        self._wake.set()

    def _run(self) -> None:
        period = self.pipeline.loop_watch.period
        interval = self.pipeline.settings.interval
        tick = time.monotonic() + interval
        while not self._stopping:
            watching = len(self.pipeline.state.loops) > 0
            self._wake.wait(min(period, interval) if watching else None)
            self._wake.clear()
            if self._stopping:
                break
            self._serve_knots()
            self.pipeline.look_at_loops()
            if time.monotonic() >= tick:
                self.pipeline.tick()
                tick = time.monotonic() + interval

    def _serve_knots(self) -> None:
        keys = set()
        while self._knots:
            keys.add(self._knots.popleft())
        if keys:
            self.pipeline.knots(keys)
