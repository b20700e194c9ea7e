"""One connection, as bytes: what comes in, and what goes out when the other side takes it.

Laws:
- Nothing waits. What the other side does not take at once is kept, and more is only added by whoever has looked at
  ``backlog``.
- The other side's going is an exception of ours, never a signal: a program may have its own way with SIGPIPE.
- A descriptor that the program has closed, or put to another use, is let go.
"""

from __future__ import annotations

import socket

from .listener import identity, release

_CHUNK = 1 << 16
_QUIETLY = getattr(socket, "MSG_NOSIGNAL", 0)
PATIENCE = 10.0
"""Seconds that a client may take nothing while there is something for it."""


class Gone(Exception):
    """There is nobody at the other end any more."""


class Client:
    """A connected socket. ``now`` is monotonic seconds throughout."""

    def __init__(self, stream: socket.socket, now: float) -> None:
        if hasattr(socket, "SO_NOSIGPIPE"):  # macOS
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_NOSIGPIPE, 1)
        self._socket, self._identity = stream, identity(stream.fileno())
        self._out = bytearray()
        self._taken = now
        self.is_reading = True
        """Whether it took something when it was last offered something."""

    @property
    def backlog(self) -> int:
        """Bytes that it has not taken yet."""
        return len(self._out)

    def receive(self) -> bytes:
        """What has come, at most so much; empty when nothing has. Raises Gone."""
        self._check()
        try:
            data = self._socket.recv(_CHUNK)
        except (BlockingIOError, InterruptedError):
            return b""
        except OSError:
            raise Gone from None
        if not data:
            raise Gone
        return data

    def post(self, data: bytes) -> None:
        """Add to what goes out."""
        self._out += data

    def flush(self, now: float) -> None:
        """Send what the other side takes. Raises Gone, also when it has taken nothing for too long."""
        if not self._out:
            self._taken = now
            return
        self._check()
        sent = self._send()
        del self._out[:sent]
        self.is_reading = sent > 0
        if sent:
            self._taken = now
        elif now - self._taken > PATIENCE:
            raise Gone

    def close(self) -> None:
        """Hang up."""
        release(self._socket, self._identity)

    def _send(self) -> int:
        try:
            with memoryview(self._out) as view:
                return self._socket.send(view, _QUIETLY)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError:
            raise Gone from None

    def _check(self) -> None:
        if identity(self._socket.fileno()) != self._identity:
            raise Gone
