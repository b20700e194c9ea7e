"""What the system says of a process: its processor time and memory, through psutil."""

from __future__ import annotations

import time
from collections import deque

import psutil

from .picture import Picture
from .scene import Vitals

EVERY = 1.0
"""Seconds between two readings."""
_KEPT = 120


class Meter:
    """Reads one process from time to time. Silent about one that is gone, or that nobody may look at."""

    def __init__(self, pid: int) -> None:
        self.vitals = Vitals()
        self._cpus: deque[float] = deque(maxlen=_KEPT)
        self._last: tuple[float, float, float] | None = None
        self._next = 0.0
        try:
            self._process: psutil.Process | None = psutil.Process(pid)
        except (psutil.Error, OverflowError):
            self._process = None

    def read(self, picture: Picture) -> Vitals:
        """The vitals, read anew when it is time for that."""
        now = time.monotonic()
        if self._process is None or now < self._next:
            return self.vitals
        self._next = now + EVERY
        try:
            with self._process.oneshot():
                spent = self._process.cpu_times()
                memory = self._process.memory_info().rss
        except (psutil.Error, OSError):
            self._process = None
            return self.vitals
        agent = picture.health.agent_cpu if picture.health is not None else 0.0
        self._take(now, spent.user + spent.system, agent, memory)
        return self.vitals

    def _take(self, now: float, spent: float, agent: float, memory: int) -> None:
        before, self._last = self._last, (now, spent, agent)
        if before is None or now <= before[0]:
            self.vitals = Vitals(None, memory)
            return
        passed = now - before[0]
        cpu = max(0.0, (spent - before[1]) / passed)
        self._cpus.append(cpu)
        self.vitals = Vitals(cpu, memory, max(0.0, (agent - before[2]) / passed), tuple(self._cpus))
