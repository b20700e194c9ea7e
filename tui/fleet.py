"""The processes that a dashboard watches: found, followed to their successors, seen as one scene.

Laws:
- One watch a process. While a list is shown to choose from, every process has a light one, without tasks.
- A process that has ended keeps its last shot until one of the same service or command takes its place; what was wrong
  with it is then kept among the past findings.
- ``changed`` is called from the threads of watches, at most once until somebody has looked.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from ..agent import wire
from .connection import Connection, Process, Unreachable, processes
from .picture import MOST_ENDED, Record
from .scene import ENDED, Scene, Shot
from .watching import HAS_ENDED, Watch, is_alive

EVERY = 0.5
"""Seconds between two looks at who is there."""
MOST_ENDED_SHOTS = 8
_SHORT = 0.5
_PACE = 0.15


def alike(one: wire.Greeting, other: wire.Greeting) -> bool:
    """Whether two processes are workers, or successors, of one service."""
    if one.service or other.service:
        return one.service == other.service
    return bool(one.command) and one.command == other.command


class Fleet:
    """Processes to watch: ``pids``, all workers of a ``service``, or none, to choose from a list.

    ``folders`` is where to look for sockets.
    """

    def __init__(
        self, pids: Iterable[int] = (), folders: Sequence[str] | None = None, service: str | None = None
    ) -> None:
        self.trouble = ""
        """Why the processes cannot be looked for; empty when they can."""
        self._folders = folders
        self._wanted = set(pids)
        self._model = None if service is None else wire.Greeting(wire.VERSION, "", 0, service=service)
        self._browsing = not self._wanted and self._model is None
        self._watches: dict[int, Watch] = {}
        self._shots: dict[int, Shot] = {}
        self._strangers: dict[int, wire.Greeting] = {}
        self._answers: deque[wire.Answer] = deque(maxlen=20)
        self._lock = threading.RLock()
        self._changed: Callable[[], None] = lambda: None
        self._told = self._behind = False
        self._called = 0.0
        self._wake, self._stopping = threading.Event(), False
        self._thread = threading.Thread(target=self._scout, name="scout", daemon=True)

    # For the screen's thread

    def start(self, changed: Callable[[], None]) -> None:
        """Begin; ``changed`` is called when there is something new to see."""
        self._changed = changed
        self._thread.start()

    def close(self) -> None:
        """Hang up everywhere."""
        self._stopping = True
        self._wake.set()
        with self._lock:
            watches = list(self._watches.values())
        for watch in watches:
            watch.stop()
        for watch in watches:
            watch.join()
        if self._thread.is_alive():
            self._thread.join(2.0)

    def scene(self) -> Scene:
        """What is watched, as it is now: those chosen, or while browsing all."""
        with self._lock:
            self._told = False
            shown = [shot for pid, shot in self._shots.items() if self._browsing or pid in self._wanted]
        return Scene(tuple(sorted(shown, key=lambda shot: shot.pid)))

    @property
    def chosen(self) -> bool:
        """Whether something was chosen before."""
        return bool(self._wanted) or self._model is not None

    def browse(self, on: bool = True) -> None:
        """Show all processes, to choose from; or no more, but those that were chosen before."""
        with self._lock:
            self._browsing = on
        self._wake.set()

    def choose(self, pids: Iterable[int], model: wire.Greeting | None = None) -> None:
        """Watch these; with ``model`` also those that come later and are alike."""
        with self._lock:
            self._browsing, self._wanted, self._model = False, set(pids), model
        self._wake.set()

    def answers(self) -> list[wire.Answer]:
        """What has become of actions, each told once."""
        with self._lock:
            answers = list(self._answers)
            self._answers.clear()
        return answers

    def troubles(self) -> list[str]:
        """Why processes cannot be looked for, or cannot be looked at."""
        with self._lock:
            faults = [self.trouble] if self.trouble else []
            return faults + [
                watch.fault for pid, watch in self._watches.items() if watch.fault and pid not in self._shots
            ]

    @property
    def browsing(self) -> bool:
        """Whether all processes are shown, to choose from."""
        return self._browsing

    def send(self, pid: int, frame: wire.Asked) -> None:
        """Say something to a process. Raises Unreachable."""
        with self._lock:
            watch = self._watches.get(pid)
        if watch is None:
            raise Unreachable(f"process {pid} is not watched")
        watch.send(frame)

    # On the scout's thread

    def _scout(self) -> None:
        while not self._stopping:
            self._wake.clear()
            self._look()
            self._wake.wait(EVERY)

    def _look(self) -> None:
        try:
            there = {process.pid: process for process in processes(self._folders) if process.pid != os.getpid()}
            self.trouble = ""
        except Unreachable as refused:
            there, self.trouble = {}, str(refused)
        self._greet(there)
        with self._lock:
            self._forget(there)
            self._bury()
            self._follow()
            for pid, process in there.items():
                self._see_to(pid, process)
        if self.trouble or self._browsing or self._behind:
            self._tell()

    def _greet(self, there: dict[int, Process]) -> None:
        """Ask those that are not watched who they are, if one of them may be wanted. Not while the lock is held."""
        self._strangers = {pid: hello for pid, hello in self._strangers.items() if pid in there}
        if self._model is None and all(shot.pid in there for shot in self._ended()):
            return
        for pid, process in there.items():
            if pid not in self._wanted and pid not in self._strangers:
                try:
                    with Connection(process, wire.Attach(wire.VERSION, rows=False), _SHORT) as connection:
                        self._strangers[pid] = connection.greeting
                except Unreachable:
                    continue

    def _see_to(self, pid: int, process: Process) -> None:
        """Watch a process as closely as is wanted."""
        full = pid in self._wanted
        watch = self._watches.get(pid)
        if not full and not self._browsing:
            self._hang_up(pid)
            return
        if watch is not None and watch.rows == full and not watch.wants_retry:
            return
        self._hang_up(pid)
        self._watches[pid] = Watch(process, self._take, self._answers.append, rows=full)
        self._watches[pid].start()

    def _forget(self, there: dict[int, Process]) -> None:
        for pid in [pid for pid in self._watches if pid not in there and pid not in self._shots]:
            self._hang_up(pid)
        for pid, shot in list(self._shots.items()):
            if pid not in self._wanted and (pid not in there or not self._browsing):
                del self._shots[pid]
                self._hang_up(pid)
            elif shot.state == ENDED and pid in self._wanted and len(self._ended()) > MOST_ENDED_SHOTS:
                self._drop(pid)

    def _ended(self) -> list[Shot]:
        with self._lock:
            return [shot for pid, shot in self._shots.items() if shot.state == ENDED and pid in self._wanted]

    def _bury(self) -> None:
        """Some take a while to die after they have hung up."""
        for shot in self._ended():
            if shot.note != HAS_ENDED and not is_alive(shot.pid):
                self._shots[shot.pid] = replace(shot, note=HAS_ENDED)
                self._behind = True

    def _drop(self, pid: int) -> None:
        self._wanted.discard(pid)
        self._shots.pop(pid, None)
        self._hang_up(pid)

    def _hang_up(self, pid: int) -> None:
        watch = self._watches.pop(pid, None)
        if watch is not None:
            watch.stop()

    def _follow(self) -> None:
        """Successors take the places of those that have ended; the like of the model joins."""
        ended = self._ended()
        for pid, hello in self._strangers.items():
            if pid in self._wanted:
                continue
            before = next((shot for shot in ended if _follows(hello, shot.greeting)), None)
            if before is not None:
                ended.remove(before)
                self._drop(before.pid)
                self._wanted.add(pid)
                self._shots[pid] = _heir(before, hello)
            elif self._model is not None and alike(self._model, hello):
                self._wanted.add(pid)

    # On the watches' threads

    def _take(self, watch: Watch, shot: Shot) -> None:
        with self._lock:
            if self._watches.get(shot.pid) is not watch:
                return
            before = self._shots.get(shot.pid)
            if before is not None and before.past and before.greeting.started == shot.greeting.started:
                shot = replace(shot, past=_kept(before.past, shot.past))
            self._shots[shot.pid] = shot
        self._tell()

    def _tell(self) -> None:
        """Say that there is something new: once until somebody has looked, and not for each of many processes."""
        now = time.monotonic()
        with self._lock:
            self._behind = True
            if self._told or now - self._called < _PACE:
                return
            self._told, self._behind, self._called = True, False, now
        self._changed()


def _follows(hello: wire.Greeting, before: wire.Greeting) -> bool:
    return alike(hello, before) and hello.started >= before.started


def _heir(before: Shot, hello: wire.Greeting) -> Shot:
    """The first shot of a successor: nothing of its own yet, but what was wrong with the one before."""
    now = time.time()
    over = tuple(_ended_with(record, before) for record in before.findings.values())
    note = f"process {before.pid} has ended; this is its successor"
    return Shot(hello, now, past=(*before.past, *over)[-MOST_ENDED:], note=note)


def _ended_with(record: Record, shot: Shot) -> Record:
    when = datetime.fromtimestamp(shot.time, UTC).isoformat(timespec="milliseconds")
    over = {"event": "ended", "time": when, "age_s": shot.age_of(record), "victims": shot.victims_of(record)}
    return record | over | {"note": f"process {shot.pid} ended with it"}


def _kept(before: tuple[Record, ...], now: tuple[Record, ...]) -> tuple[Record, ...]:
    """What was known to have ended, and what has ended since: a new conversation does not tell the old ends again."""
    known = {(record["id"], record["time"], record["event"]) for record in now}
    older = tuple(record for record in before if (record["id"], record["time"], record["event"]) not in known)
    return (*older, *now)[-MOST_ENDED:] if older else now
