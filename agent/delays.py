"""How late the loops are, seen from the watcher's thread.

Laws:
- No loop is woken, and nothing is scheduled on it: the first timer that is due tells how late its loop is, and so does
  the callback that has been running for long. A loop with neither is on time.
- A loop of a foreign make (uvloop) shows no timers, and gives no samples.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

_MOST_LOOKED = 5
_MOST_KEPT = 1_000


def lateness(loop: Any, stalled: float = 0.0) -> float | None:
    """By how many seconds the loop is late at this moment; None when it does not run, or cannot be seen.

    ``stalled`` is for how long it has been running one and the same callback.
    """
    timers = getattr(loop, "_scheduled", None)
    if timers is None or not loop.is_running():
        return None
    pending = [timer.when() for timer in timers[:_MOST_LOOKED] if not timer.cancelled()]
    late = loop.time() - min(pending) if pending else 0.0
    return float(max(late, stalled, 0.0))


class Delays:
    """Samples of how late each loop is, taken whenever ``sample`` is called, until they are taken away."""

    def __init__(self, stalled: Callable[[Any], float]) -> None:
        self._stalled = stalled
        self._samples: dict[int, deque[float]] = {}

    def sample(self, loops: Iterable[Any]) -> None:
        """One sample of each of these loops; all others are forgotten."""
        kept = {}
        for loop in loops:
            kept[id(loop)] = samples = self._samples.get(id(loop)) or deque(maxlen=_MOST_KEPT)
            late = lateness(loop, self._stalled(loop))
            if late is not None:
                samples.append(late)
        self._samples = kept

    def take(self) -> dict[int, tuple[float, ...]]:
        """The samples since the last call, by the loop's id."""
        taken = {key: tuple(samples) for key, samples in self._samples.items()}
        self._samples.clear()
        return taken
