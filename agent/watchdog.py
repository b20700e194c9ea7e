"""The watcher: one thread a process, asleep until there is a loop to watch.

Laws:
- It sleeps without a timeout while the process has no event loop and no task.
- It is no ``threading.Thread``: the program's list of threads is the program's own.
- It is stopped before a fork: a forked child never inherits a lock that the thread held, and Python 3.12+
  has no thread of ours to warn about. It starts again when a loop turns, in the parent and in the child;
  not in the after-fork hook, for 3.12 and 3.13 count the threads only after that.
"""

from __future__ import annotations

import _thread
import collections
import os
import time
from collections.abc import Callable

from .pipeline import Pipeline


class Watchdog:
    """Calls the pipeline when it is time, or when a hook says so."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self._knots: collections.deque[int] = collections.deque()
        self.on_dismissal: Callable[[], None] = _nothing
        """Called when somebody who may has asked for the agent to be switched off."""
        self._stopping = self._paused = False
        self._reset()

    def _reset(self) -> None:
        self._bell = _thread.allocate_lock()
        self._bell.acquire()
        self._ended: _thread.LockType | None = None
        self._native = 0

    def start(self) -> None:
        """Start the thread."""
        self._stopping = self._paused = False
        self._ended = _thread.allocate_lock()
        self._ended.acquire()
        _thread.start_new_thread(self._run, (self._ended,))

    def stop(self, patience: float = 2.0) -> None:
        """End the thread; it finishes what it is at."""
        ended, self._ended = self._ended, None
        if ended is None or self._native == _thread.get_native_id():
            return
        self._stopping = True
        self._ring()
        if ended.acquire(timeout=patience):
            self._await_system_thread()

    def pause(self) -> None:
        """Stop until a loop runs or says so, as around a fork."""
        self.stop()
        self._paused = True

    def renew(self) -> None:
        """In a forked child: fresh locks, nothing pending; the thread starts with the child's first loop."""
        self._knots.clear()
        self._reset()

    def on_loop(self) -> None:
        """There is a loop to watch now."""
        if self._paused:
            self.start()
        self._ring()

    def on_knot(self, key: int) -> None:
        """A task's wait may have closed a knot."""
        self._knots.append(key)
        self._ring()

    def _ring(self) -> None:
        try:
            self._bell.release()
        except RuntimeError:  # rung already
            return

    def _await_system_thread(self) -> None:
        """The kernel's thread outlives Python's by a moment, and Python counts the kernel's when it forks."""
        path, patience = f"/proc/self/task/{self._native}", 50
        while self._native and patience and os.path.exists(path):
            time.sleep(0.0001)
            patience -= 1

    def _run(self, ended: _thread.LockType) -> None:
        try:
            self._native = _thread.get_native_id()
            self._watch()
        finally:
            ended.release()

    def _watch(self) -> None:
        pipeline, interval = self.pipeline, self.pipeline.settings.interval
        tick = time.monotonic() + interval
        look = 0.0
        while not self._stopping:
            is_rung = self._bell.acquire(timeout=self._patience())
            if self._stopping:
                return
            self._serve_knots()
            now = time.monotonic()
            if is_rung or now >= look:
                pipeline.look_at_loops()
                look = now + 0.9 * pipeline.period  # a wait may end a moment early
            if now >= tick:
                pipeline.tick()
                tick = time.monotonic() + interval
            pipeline.measure()
            pipeline.serve()
            if pipeline.server is not None and pipeline.server.has_to_go:
                pipeline.server.has_to_go = False
                self.on_dismissal()

    def _patience(self) -> float:
        """How long to sleep at most; -1: until somebody rings."""
        pipeline = self.pipeline
        asked = pipeline.server.due_within if pipeline.server is not None else None
        if len(pipeline.state.loops) > 0:
            return pipeline.period if asked is None else min(asked, pipeline.period)
        if pipeline.state.records and asked is None:
            return pipeline.settings.interval
        return -1 if asked is None else asked

    def _serve_knots(self) -> None:
        keys = set()
        while self._knots:
            keys.add(self._knots.popleft())
        if keys:
            self.pipeline.knots(keys)


def _nothing() -> None:
    return None
