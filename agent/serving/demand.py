"""How much of the processor the program uses, and how much more it would use if it could.

Laws:
- The agent's own thread does not count.
- That a thread waits for a processor, on a machine or in a container that has none to spare, the kernel knows. Where it
  does not say (outside Linux), a machine with more who want to run than can is taken to keep this program waiting too.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable
from typing import NamedTuple


class Demand(NamedTuple):
    """Parts of a core: ``used`` by the program's threads, ``wanted`` by them, which is more where they have to wait."""

    used: float
    wanted: float


class Meter:
    """Measures the demand between two calls."""

    def __init__(self) -> None:
        self._clock = time.monotonic()
        self._processor = self._program()
        self._delays: dict[int, int] = {}

    def read(self, threads: Iterable[int | None]) -> Demand:
        """Since the last call; ``threads`` are the identities of those whose waiting counts."""
        clock, processor = time.monotonic(), self._program()
        elapsed = max(clock - self._clock, 1e-6)
        used = max(0.0, processor - self._processor) / elapsed
        delay = self._delay(threads)
        self._clock, self._processor = clock, processor
        return Demand(used, used * _crowd() if delay is None else used + delay / elapsed)

    def _program(self) -> float:
        return time.process_time() - time.thread_time()

    def _delay(self, threads: Iterable[int | None]) -> float | None:
        """Seconds that these threads were ready to run and did not since the last call; None where nobody can say."""
        known, self._delays = self._delays, {}
        for ident in threads:
            thread = threading._active.get(ident)  # type: ignore[attr-defined]
            if thread is None or thread.native_id is None:
                continue
            try:
                with open(f"/proc/self/task/{thread.native_id}/schedstat", "rb") as file:
                    self._delays[thread.native_id] = int(file.read().split()[1])
            except (OSError, IndexError, ValueError):
                return None
        if not known:
            return None
        return sum(now - known.get(key, now) for key, now in self._delays.items()) / 1e9


def _crowd() -> float:
    """How many want to run for each processor there is; at least 1."""
    try:
        return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    except OSError:
        return 1.0
