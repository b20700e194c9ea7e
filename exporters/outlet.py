"""One signal on its way to the backend: what waits to be sent, and how the backend is.

Laws:
- Bounded: when the backend is slow or gone, the oldest is dropped, and counted.
- After a failure it waits, longer each time up to a minute, and then tries again with the same batch.
- The first failure is one sentence for people, and so is the end of an outage; everything between is counted only.
"""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

from .hush import Hush

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
_ABANDONED: list[Any] = []
"""Exporters of a parent's: to collect them would close what is open, under locks that nobody may ever release."""


class Outlet:
    """Delivers through an exporter of the SDK's. All is called in the exporting thread; times are monotonic seconds.

    ``most_at_once`` 0: the exporter takes items one by one, not as a batch.
    """

    def __init__(self, signal: str, exporter: Any, most: int, most_at_once: int, hush: Hush) -> None:
        self.signal, self.exporter = signal, exporter
        self.dropped = 0
        """Items that were never delivered."""
        self.failures = 0
        """In a row, up to now."""
        self.is_away = False
        """Whether it waits for the backend at the moment."""
        self.retry_at = 0.0
        self._most, self._most_at_once = most, most_at_once
        self._waiting: deque[Any] = deque()
        self._hush = hush
        self._dropped_before = 0
        self._failed_with = ""
        self._is_shut = False

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, items: Iterable[Any]) -> None:
        """To be sent; the oldest have to go when it is too much."""
        self._waiting.extend(items)
        while len(self._waiting) > self._most:
            self._waiting.popleft()
            self.dropped += 1

    def send(self, now: float, complain: Callable[[str], None]) -> bool:
        """Send a batch if it is time. Whether the backend took it, and there may be more to send."""
        if not self._waiting or now < self.retry_at:
            return False
        batch = list(islice(self._waiting, self._most_at_once or 1))
        if not self._export(batch):
            self._fail(complain)
            return False
        for _ in batch:
            self._waiting.popleft()
        self._recover(complain)
        return True

    def disown(self, is_at_rest: bool) -> None:
        """In a forked child: close its copy of the connection, if that is safe; otherwise never touch it again."""
        if is_at_rest and ".grpc." not in type(self.exporter).__module__:
            self.exporter.shutdown()
        else:
            _ABANDONED.append(self.exporter)

    def shut(self) -> None:
        """Let an export that is under way fail soon, and those after it at once; from any thread, and once only."""
        if self._is_shut:
            return
        self._is_shut = True
        try:
            self.exporter.shutdown()
        except Exception:  # noqa: BLE001 - it is over anyway
            return

    def give_up(self) -> None:
        """What waits will not be sent any more."""
        self.dropped += len(self._waiting)
        self._waiting.clear()

    def _export(self, batch: list[Any]) -> bool:
        self._hush.forget()
        self.is_away = True
        try:
            result = self.exporter.export(batch if self._most_at_once else batch[0])
        except Exception as failed:  # noqa: BLE001 - whatever it is, the backend did not get it
            self._failed_with = repr(failed)
            return False
        finally:
            self.is_away = False
        self._failed_with = ""
        return getattr(result, "name", "") == "SUCCESS"

    def _fail(self, complain: Callable[[str], None]) -> None:
        pause = min(_FIRST_PAUSE * 2**self.failures, _LONGEST_PAUSE)
        self.retry_at = time.monotonic() + pause * random.uniform(0.8, 1.2)  # to try may itself have taken long
        self.failures = min(self.failures + 1, 32)
        if self.failures == 1:
            self._dropped_before = self.dropped
            why = self._failed_with or self._hush.heard() or "no reason given"
            complain(f"{self.signal} cannot be exported to {self._where()}: {why}; it is tried again, now and then")

    def _recover(self, complain: Callable[[str], None]) -> None:
        if self.failures:
            lost = self.dropped - self._dropped_before
            complain(f"{self.signal} are exported again to {self._where()}; {lost or 'none'} were dropped meanwhile")
        self.failures, self.retry_at = 0, 0.0

    def _where(self) -> str:
        return str(getattr(self.exporter, "_endpoint", "the backend"))
