"""The socket of this process in the folder: how it gets there, who may connect, and how it goes.

Laws:
- Nobody can connect before the socket is all it should be: it is made under another name, given its mode, and only
  then renamed. The process's umask, which its other threads use too, is not touched.
- The file is removed by the process that made it, and only while it is the very file.
- A descriptor is trusted only while it is still our socket: a program may close all descriptors, and open others.
"""

from __future__ import annotations

import os
import socket
import struct
import sys

from .. import folder

_BACKLOG = 32
_MOST_SWEPT = 100


class Listener:
    """A listening socket. Raises OSError, with a text for people, when it cannot be made."""

    def __init__(self, where: str) -> None:
        folder.make(where)
        self.path = folder.path_of(where, os.getpid())
        self.pid = os.getpid()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._appear(f"{self.path.removesuffix(folder.SUFFIX)}.new")
        except BaseException:
            self._socket.close()
            raise
        self._identity = identity(self._socket.fileno())
        _sweep(where)

    def _appear(self, hidden: str) -> None:
        _unlink(hidden)
        self._socket.setblocking(False)
        self._socket.bind(hidden)
        try:
            os.chmod(hidden, 0o600)
            self._socket.listen(_BACKLOG)
            self._file = identity(hidden)
            os.rename(hidden, self.path)
        except BaseException:
            _unlink(hidden)
            raise

    def is_ours(self) -> bool:
        """Whether the descriptor is still our socket."""
        return identity(self._socket.fileno()) == self._identity

    def is_found(self) -> bool:
        """Whether the file is still there, for others to connect to."""
        return identity(self.path) == self._file

    def accept(self) -> socket.socket | None:
        """Whoever has connected, if it is this user; None when nobody has. Never waits."""
        try:
            stream, _ = self._socket.accept()
        except OSError:
            return None
        if peer_uid(stream) != os.geteuid():
            stream.close()
            return None
        stream.setblocking(False)
        return stream

    def close(self) -> None:
        """Go: remove the file, unless it is another process's, or this is a child of the one that made it."""
        if self.pid == os.getpid() and self.is_found():
            _unlink(self.path)
        release(self._socket, self._identity)


def identity(file: int | str) -> tuple[int, int] | None:
    """Device and inode of a descriptor or path; None when there is nothing."""
    try:
        status = os.stat(file) if isinstance(file, int) else os.lstat(file)
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino


def release(stream: socket.socket, known: tuple[int, int] | None) -> None:
    """Close a socket; one whose descriptor has become another's file is only let go."""
    if known is not None and identity(stream.fileno()) == known:
        stream.close()
    else:
        stream.detach()


def peer_uid(stream: socket.socket) -> int | None:
    """The user at the other end, as the kernel knows; None where that cannot be asked."""
    try:
        if sys.platform == "linux":
            packed = stream.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
            return int(struct.unpack("3i", packed)[1])
        if sys.platform == "darwin":
            return int(struct.unpack_from("2I", stream.getsockopt(0, 1, 76))[1])  # SOL_LOCAL, LOCAL_PEERCRED
    except (OSError, struct.error):
        return None
    return os.geteuid()  # the folder's mode has to do


def _sweep(where: str) -> None:
    """Remove what processes have left that were killed: nobody else may ever look."""
    for pid in folder.pids(where)[:_MOST_SWEPT]:
        if not folder.is_alive(pid):
            folder.remove_dead(folder.path_of(where, pid))


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        return
