"""Finding the processes that run the agent, and talking with one of them: plain, blocking, for scripts and commands.

Laws:
- Whoever looks removes what the dead have left: a socket at which nobody listens.
- Every wait has an end. A process that is stopped, or too busy, is told from one that is gone.
- A folder that is not safe is not looked into.
"""

from __future__ import annotations

import os
import select
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..agent import folder, wire
from .picture import Picture

NOT_THERE = 3
"""Exit code: there is no such process, or it does not run the agent."""
NO_ANSWER = 4
"""Exit code: it is there, but does not answer, is another user's, or will not talk with this version."""
PATIENCE = 5.0
_CHUNK = 1 << 16
_PAUSE = 0.02


class Unreachable(Exception):
    """A process cannot be looked at; the text says why and what to do, ``code`` is the command's exit code."""

    def __init__(self, text: str, code: int = NOT_THERE) -> None:
        super().__init__(text)
        self.code = code


class Left(Unreachable):
    """The process has hung up: it ended, or its agent was switched off, or did not want to wait for us any longer."""


@dataclass(frozen=True, slots=True)
class Process:
    """A process that has a socket, and where."""

    pid: int
    path: str


def processes(folders: Sequence[str] | None = None) -> list[Process]:
    """The processes of this user that run the agent and have a loop, by pid.

    Raises Unreachable when there are none and a folder in which they could be is not safe.
    """
    found: dict[int, Process] = {}
    refused: list[Unreachable] = []
    for each in folders or folder.everywhere():
        try:
            found = {process.pid: process for process in _in_folder(each)} | found
        except Unreachable as unsafe:
            refused.append(unsafe)
    if refused and not found:
        raise refused[0]
    return [found[pid] for pid in sorted(found)]


def find(pid: int, folders: Sequence[str] | None = None) -> Process:
    """The process with that pid. Raises Unreachable."""
    for process in processes(folders):
        if process.pid == pid:
            return process
    raise _why_not(pid, folders or folder.everywhere())


def look(process: Process, attach: wire.Attach, patience: float, linger: float = 0.0) -> Picture:
    """One picture of a process: complete, unless that takes longer than ``patience``; then ``linger`` seconds more.

    Raises Unreachable.
    """
    with Connection(process, attach, patience) as talk:
        picture = Picture(talk.greeting)
        for frame in talk.frames(patience):
            picture.apply(frame)
            if picture.complete:
                break
        for frame in talk.frames(linger) if linger else ():
            picture.apply(frame)
    return picture


class Connection:
    """A conversation with one process, from ``attach`` on. ``greeting`` is what it said first.

    Raises Unreachable when it does not come about. Close it, or use it in a ``with``.
    """

    def __init__(self, process: Process, attach: wire.Attach | None = None, patience: float = PATIENCE) -> None:
        self.process = process
        self._unpacker = wire.from_process()
        self._waiting: list[wire.Told] = []
        self._socket = _connect(process, patience)
        try:
            self.greeting = self._introduce(attach or wire.Attach(wire.VERSION), patience)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_failure: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def fileno(self) -> int:
        """The descriptor, for ``select``."""
        return self._socket.fileno()

    def send(self, frame: wire.Asked, patience: float = PATIENCE) -> None:
        """Say something. Raises Unreachable."""
        self._socket.settimeout(patience)
        try:
            self._socket.sendall(wire.pack(frame))
        except OSError as failed:
            raise self._lost(failed) from None

    def frames(self, patience: float = PATIENCE) -> Iterator[wire.Told]:
        """What the process says, as it comes, for so many seconds. Raises Unreachable; Left when it hangs up."""
        end = time.monotonic() + patience
        while True:
            while self._waiting:
                yield self._waiting.pop(0)
            left = end - time.monotonic()
            if not select.select([self._socket], [], [], max(0.0, left))[0]:
                return
            self._receive()

    def _receive(self) -> None:
        try:
            data = self._socket.recv(_CHUNK)
        except OSError as failed:
            raise self._lost(failed) from None
        if not data:
            raise Left(f"process {self.process.pid} has hung up")
        try:
            self._waiting += self._unpacker.feed(data)
        except wire.Malformed as wrong:
            raise Unreachable(f"process {self.process.pid} sent {wrong}", NO_ANSWER) from None

    def _introduce(self, attach: wire.Attach, patience: float) -> wire.Greeting:
        try:
            self.send(attach, patience)
        except Left:
            pass  # it may have said why
        for frame in self.frames(patience):
            if isinstance(frame, wire.Refusal):
                raise Unreachable(f"process {self.process.pid} refuses: {frame.reason}", NO_ANSWER)
            if isinstance(frame, wire.Greeting):
                if frame.version != wire.VERSION:
                    raise Unreachable(_other_version(self.process.pid, frame), NO_ANSWER)
                return frame
        raise Unreachable(_silent(self.process), NO_ANSWER)

    def _lost(self, failed: OSError) -> Unreachable:
        if isinstance(failed, TimeoutError):
            return Unreachable(f"process {self.process.pid} does not read what it is sent", NO_ANSWER)
        return Left(f"process {self.process.pid} has hung up")


def _in_folder(path: str) -> Iterator[Process]:
    try:
        pids = folder.pids(path)
        every = [Process(pid, folder.path_of(path, pid)) for pid in pids]
    except FileNotFoundError:
        return
    except OSError as refused:
        raise Unreachable(str(refused), NO_ANSWER) from None
    for process in every:
        if folder.is_alive(process.pid) or not _is_removed(process):
            yield process


def _connect(process: Process, patience: float) -> socket.socket:
    stream, end = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM), time.monotonic() + patience
    stream.settimeout(patience)
    try:
        while not _is_connected(stream, process, end):
            time.sleep(_PAUSE)
    except BaseException:
        stream.close()
        raise
    return stream


def _is_connected(stream: socket.socket, process: Process, end: float) -> bool:
    """Whether that has come about; False when so many wait to be let in that there is no room for one more."""
    try:
        stream.connect(process.path)
    except (TimeoutError, BlockingIOError):
        if time.monotonic() < end:
            return False
        raise Unreachable(_silent(process), NO_ANSWER) from None
    except OSError as failed:
        if isinstance(failed, ConnectionRefusedError):
            _is_removed(process)
        raise Unreachable(f"process {process.pid} has ended, or its agent was switched off") from None
    return True


def _silent(process: Process) -> str:
    return f"process {process.pid} does not answer: it is stopped, or something holds its interpreter"


def _is_removed(process: Process) -> bool:
    """Take away the socket of a process that has died. Only Linux refuses for no other reason than that."""
    if sys.platform != "linux" and folder.is_alive(process.pid):
        return False
    try:
        return folder.remove_dead(process.path)
    except OSError:
        return True  # somebody else has just done so


def _why_not(pid: int, folders: Sequence[str]) -> Unreachable:
    if not folder.is_alive(pid):
        return Unreachable(f"there is no process {pid}")
    owner = _owner(pid)
    if owner is not None and owner != os.geteuid():
        name = folder.user_of(owner)
        text = f"process {pid} belongs to another user ({name}); only its own user can look into it: sudo -u {name} …"
        return Unreachable(text, NO_ANSWER)
    return Unreachable(
        f"process {pid} does not run the agent, or has no event loop yet (no socket in {' or '.join(folders)}). "
        "Start it with UNSTUCK=1; if it has a UNSTUCK_SOCKET_DIR of its own, set that here too"
    )


def _owner(pid: int) -> int | None:
    import psutil

    try:
        return int(psutil.Process(pid).uids().effective)
    except (psutil.Error, OSError):
        return None


def _other_version(pid: int, greeting: wire.Greeting) -> str:
    from .. import __version__

    return (
        f"process {pid} runs unstuck {greeting.unstuck}, which speaks version {greeting.version} of the protocol; this "
        f"is unstuck {__version__}, which speaks version {wire.VERSION}. Use the `unstuck` of the Python that runs it"
    )
