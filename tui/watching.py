"""Watching one process: a thread that reads what it says and delivers shots of it.

Laws:
- A watch ends by itself when the process hangs up; its last shot says so, and shows what was seen last.
- However much is said, a shot is delivered at most each PACE seconds: what crosses to the screen is bounded.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

import msgspec
import psutil

from ..agent import wire
from .connection import Connection, Left, Process, Unreachable
from .picture import Picture, Record
from .records import NoRecord, event_of
from .scene import ENDED, LIVE, SILENT, Shot
from .vitals import Meter

Told = TypeVar("Told", bound=wire.Frame)
PERIOD = 0.22
"""Seconds between two updates of a process: a little less than a quarter, so that there are four a second."""
PACE = 0.15
_SILENT_AFTER = 2.5
_SLOWEST = 1.0
_RETRY_AFTER = 1.0
_DYING = 0.3
HAS_ENDED = "the process has ended"


class Watch:
    """One conversation. ``deliver`` gets each shot, ``answer`` what became of actions, on the watch's own thread."""

    def __init__(
        self,
        process: Process,
        deliver: Callable[[Watch, Shot], None],
        answer: Callable[[wire.Answer], None],
        rows: bool = True,
    ) -> None:
        self.process = process
        self.rows = rows
        self.over = False
        """It has ended, and will deliver nothing more."""
        self.fault = ""
        """Why it did not come about."""
        self._began = time.monotonic()
        self._deliver, self._answer = deliver, answer
        self._connection: Connection | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"watch {process.pid}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Hang up, as soon as may be."""
        self._stopping.set()

    def join(self, patience: float = 2.0) -> None:
        """Wait until it has hung up."""
        self._thread.join(patience)

    @property
    def wants_retry(self) -> bool:
        """Whether another try is due."""
        return self.over and time.monotonic() - self._began > _RETRY_AFTER

    def send(self, frame: wire.Asked) -> None:
        """Say something to the process. Raises Unreachable."""
        connection = self._connection
        if connection is None or self.over:
            raise Unreachable(f"process {self.process.pid} is not connected")
        connection.send(frame, 0.5)

    def _run(self) -> None:
        picture: Picture | None = None
        meter = Meter(self.process.pid)
        try:
            attach = wire.Attach(wire.VERSION, rows=self.rows, period=PERIOD if self.rows else 1.0)
            with Connection(self.process, attach) as connection:
                self._connection, picture = connection, Picture(sound(connection.greeting))
                self._deliver(self, Shot.of(picture, meter.vitals))
                self._read(connection, picture, meter)
        except Unreachable as gone:
            if picture is not None:
                picture.ended = True
                self._tell_end(picture, meter, gone)
            else:
                self.fault = str(gone)
        finally:
            self._connection = None
            self.over = True

    def _read(self, connection: Connection, picture: Picture, meter: Meter) -> None:
        heard = told = time.monotonic()
        fresh = False
        while not self._stopping.is_set():
            for frame in connection.frames(PACE):
                picture.apply(sound(frame))
                if isinstance(frame, wire.Answer):
                    self._answer(frame)
                heard, fresh = time.monotonic(), True
                if self._stopping.is_set() or heard - told >= PACE or isinstance(frame, wire.Detail):
                    break
            now = time.monotonic()
            silent = now - heard > _SILENT_AFTER
            if (fresh and now - told >= PACE) or (silent and now - told >= _SLOWEST):
                note = f"no news for {now - heard:.0f} s: stopped, or something holds its interpreter" if silent else ""
                self._deliver(self, Shot.of(picture, meter.read(picture), SILENT if silent else LIVE, note))
                told, fresh = time.monotonic(), False

    def _tell_end(self, picture: Picture, meter: Meter, why: Unreachable) -> None:
        end = time.monotonic() + _DYING
        while (alive := is_alive(self.process.pid)) and time.monotonic() < end:  # who is killed hangs up first
            time.sleep(0.02)
        left = isinstance(why, Left)
        note = HAS_ENDED if not alive else f"{why}, but still runs: its agent is off" if left else str(why)
        self._deliver(self, Shot.of(picture, meter.vitals, ENDED, note))


def sound(frame: Told) -> Told:
    """The frame without finding records that cannot be read: a stranger's process may send anything."""
    if isinstance(frame, wire.Update) and frame.events:
        return msgspec.structs.replace(frame, events=tuple(filter(_is_readable, frame.events)))
    if isinstance(frame, wire.Greeting) and frame.findings:
        return msgspec.structs.replace(frame, findings=tuple(filter(_is_readable, frame.findings)))
    return frame


def _is_readable(record: Record) -> bool:
    try:
        event_of(record)
    except NoRecord:
        return False
    return True


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that nobody has buried yet does not."""
    try:
        return psutil.Process(pid).status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except (psutil.Error, OSError):
        return False
