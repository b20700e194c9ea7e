"""The sink ``otlp``: what the agent's thread hands over, and the thread that exports it.

Laws:
- The agent's thread appends to a bounded queue and rings; it never waits, and imports nothing of opentelemetry.
- One thread of our own, made with the first event and ended when there is nothing to do at exit. It is no
  ``threading.Thread``: the program's list of threads is the program's own.
- Around a fork it is asked to end; a child lets go of everything and begins anew with its own first event.
- After an outage the findings that are open then are told again: the backend may have lost them, or never got them.
"""

from __future__ import annotations

import _thread
import os
import sys
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..agent.findings import Event
from ..agent.snapshot import Vitals
from . import choosing

if TYPE_CHECKING:
    from .engine import Engine

_MOST_QUEUED, _PORTION = 2_048, 100
_MOST_OPEN = 1_000
_MOST_NUMBERS, _FEW_NUMBERS = 600, 5
_MOST_LIVES = 20_000
"""Tasks that have ended, to become spans."""
_PAUSE_AT_FORK, _LONGEST_PAUSE_AT_FORK = 0.05, 5.0
_STEP = 0.01
_IMPORTS_TAKE = 10.0
_GATHERED_FOR = 0.05
"""Seconds from the first event to its export: what comes together is sent together."""
_PATIENCE, _PATIENCE_IN_VAIN = 3.0, 0.5
"""Seconds that the end of the program may be held up: by a backend that answers, and by one that did not lately."""
_VERSION: str = sys.modules[__name__.partition(".")[0]].__version__


class OtlpSink:
    """Takes events in the agent's thread, exports them in its own."""

    name = "otlp"

    def __init__(
        self, spans: str, complain: Callable[[str], None], somebody_imports: Callable[[], bool] = lambda: False
    ) -> None:
        self._spans, self._complain, self._somebody_imports = spans, complain, somebody_imports
        self._renew()

    def _renew(self) -> None:
        self._inbox: deque[Event] = deque()
        self._open: dict[str, Event] = {}
        self._numbers: deque[Vitals] = deque(maxlen=_MOST_NUMBERS)
        self._is_measured = False
        self._dropped = self._dropped_lives = self._in_hand = 0
        self._engine: Engine | None = None
        self._worker: _Worker | None = None
        self._is_useless = False

    # -- called by the agent -----------------------------------------------------------------------

    def write(self, event: Event) -> None:
        """Take an event; the oldest goes when there are too many."""
        self._remember(event)
        self._inbox.append(event)
        while len(self._inbox) > _MOST_QUEUED:
            self._inbox.popleft()
            self._dropped += 1
        self._wake()

    def close(self) -> None:
        """Send what is left, for a few seconds at most, and say what could not be sent."""
        if self._inbox or self._engine is not None:
            self._wake()
        worker = self._worker
        if worker is not None:
            worker.is_last = True
            worker.ring()
            if not self._ends(worker):
                if self._engine is not None:
                    self._engine.abort()
                worker.join(_PATIENCE_IN_VAIN)
        self._tell_dropped()
        self._renew()

    def pause(self) -> None:
        """A fork is about to happen: no thread, if that can be had within a moment.

        A thread that imports, or is within the application's providers, may hold locks that the child would never get:
        that is waited for. One that waits for a backend holds none but its own.
        """
        worker = self._worker
        if worker is None:
            return
        worker.is_stopping = True
        worker.ring()
        now = time.monotonic()
        moment, end = now + _PAUSE_AT_FORK, now + _LONGEST_PAUSE_AT_FORK
        while not worker.join(_STEP) and time.monotonic() < (moment if self._is_away() else end):
            continue
        worker.await_system_thread()

    def disown(self) -> None:
        """In a forked child: what is under way is the parent's."""
        if self._engine is not None:
            self._engine.disown(is_at_rest=self._worker is None or self._worker.has_ended)
        self._renew()

    def offer(self, vitals: Vitals) -> None:
        """Take the process's numbers; the oldest go when nobody exports them."""
        if not self._numbers and not self._is_measured:
            has_lives = self._spans in ("slow", "all") and choosing.is_wanted(choosing.TRACES)
            self._is_measured = has_lives or choosing.is_wanted(choosing.METRICS)
        self._numbers.append(vitals)
        while sum(len(each.lifespans) for each in tuple(self._numbers)) > _MOST_LIVES:
            self._forget_oldest()
        if self._is_measured and (self._worker is None or len(self._numbers) % _FEW_NUMBERS == 0):
            self._wake()

    # -- in between --------------------------------------------------------------------------------

    def _forget_oldest(self) -> None:
        try:
            self._dropped_lives += len(self._numbers.popleft().lifespans)
        except IndexError:  # they have just been taken
            return

    def _remember(self, event: Event) -> None:
        finding = event.finding
        if event.event in ("closed", "retracted"):
            self._open.pop(finding.id, None)
        elif not finding.happened and (finding.id in self._open or len(self._open) < _MOST_OPEN):
            self._open[finding.id] = event

    def _wake(self) -> None:
        if self._is_useless:
            return
        if self._worker is None or self._worker.has_ended:
            self._worker = _Worker(self._work)
            try:
                self._worker.start()
            except RuntimeError:  # the interpreter goes down and starts no thread any more
                self._worker.run()
        self._worker.ring()

    def _ends(self, worker: _Worker) -> bool:
        """Whether all is sent in time. A signal that was not taken before holds the others up for a moment only."""
        engine = self._engine
        if engine is None or not engine.is_out:
            return worker.join(_PATIENCE)
        if worker.join(_PATIENCE_IN_VAIN):
            return True
        engine.abort(only_in_trouble=True)
        return not engine.is_hopeless and worker.join(_PATIENCE - _PATIENCE_IN_VAIN)

    def _is_away(self) -> bool:
        return self._engine is not None and self._engine.is_away

    def _tell_dropped(self) -> None:
        lost = self._engine.undelivered() if self._engine is not None else {}
        late = len(self._inbox) + self._dropped + self._in_hand
        if late:
            lost["findings' events"] = late
        lives = self._dropped_lives + sum(len(each.lifespans) for each in tuple(self._numbers))
        if lives:
            lost["tasks"] = lives
        if lost and not self._is_useless:
            told = ", ".join(f"{count:,} {what}" for what, count in lost.items())
            self._complain(f"not exported, for the backend was slow or gone: {told}")

    # -- in the exporting thread -------------------------------------------------------------------

    def _work(self, worker: _Worker) -> None:
        try:
            self._export(worker)
        except Exception as failed:  # noqa: BLE001 - whatever it is, the agent and the program go on
            self._is_useless = True
            self._complain(f"nothing is exported any more, for that has failed: {failed!r}")

    def _export(self, worker: _Worker) -> None:
        engine = self._engine or self._start(worker)
        if engine is None:
            return
        engine.adopt_thread()
        while not worker.is_stopping:
            is_last = worker.is_last
            if self._pass_on(engine, is_last) and not is_last:
                engine.tell(list(self._open.values()), resent=True)
                engine.send()
            if is_last:
                engine.flush_theirs()
                engine.give_up()
                engine.leave()
                return
            worker.sleep(engine.pause())
            worker.doze(_GATHERED_FOR)

    def _pass_on(self, engine: Engine, is_last: bool) -> bool:
        """Export what has been handed over, portion by portion. Whether a backend came back after an outage."""
        came_back = False
        while self._numbers:
            engine.note(self._numbers.popleft(), self._dropped, self._dropped_lives)
        while self._inbox:
            portion = [self._inbox.popleft() for _ in range(min(_PORTION, len(self._inbox)))]
            self._in_hand = len(portion)
            engine.tell(portion)
            self._in_hand = 0
            came_back = engine.send() or came_back
        return engine.send(is_last) or came_back

    def _start(self, worker: _Worker) -> Engine | None:
        self._let_others_import(worker)
        if worker.is_stopping:
            return None
        try:
            from .engine import Engine

            self._engine = Engine(self._spans, self._complain, _VERSION)
        except Exception as failed:  # noqa: BLE001 - an opentelemetry that cannot be used, whatever the reason
            self._is_useless = True
            if isinstance(failed, RuntimeError) and "shutdown" in str(failed):  # it starts threads when it is imported
                self._complain("nothing was exported: the program ended before opentelemetry was loaded")
            else:
                self._complain(f"nothing is exported: opentelemetry cannot be used here: {failed!r}")
        return self._engine

    def _let_others_import(self, worker: _Worker) -> None:
        """Two threads that import the same big package may get it half done; the program's imports come first."""
        end = time.monotonic() + _IMPORTS_TAKE
        while not (worker.is_last or worker.is_stopping) and time.monotonic() < end and self._somebody_imports():
            worker.doze(_GATHERED_FOR)


class _Worker:
    """A thread, and the bell that wakes it."""

    def __init__(self, work: Callable[[_Worker], None]) -> None:
        self.is_stopping = self.is_last = self.has_ended = False
        """Asked to end at once; asked to end when everything has been sent."""
        self._work, self._native = work, 0
        self._bell, self._end = _thread.allocate_lock(), _thread.allocate_lock()
        self._bell.acquire()
        self._end.acquire()

    def start(self) -> None:
        """Start the thread."""
        _thread.start_new_thread(self.run, ())

    def run(self) -> None:
        """Work until it is over."""
        try:
            self._native = _thread.get_native_id()
            self._work(self)
        finally:
            self.has_ended = True
            self._end.release()

    def ring(self) -> None:
        """There is something to do."""
        try:
            self._bell.release()
        except RuntimeError:  # rung already
            return

    def sleep(self, longest: float | None) -> None:
        """Until it is rung."""
        self._bell.acquire(timeout=-1 if longest is None else longest)

    def doze(self, seconds: float) -> None:
        """That long, unless it is to end."""
        end = time.monotonic() + seconds
        while not (self.is_stopping or self.is_last) and time.monotonic() < end:
            time.sleep(_STEP)

    def join(self, patience: float) -> bool:
        """Whether it ended in time."""
        if not self._end.acquire(timeout=patience):
            return False
        self._end.release()
        return True

    def await_system_thread(self) -> None:
        """The kernel's thread outlives Python's by a moment, and Python counts the kernel's when it forks."""
        path, patience = f"/proc/self/task/{self._native}", 50
        while self.has_ended and patience and os.path.exists(path):
            time.sleep(0.0001)
            patience -= 1
