"""The socket's whole life: it opens with the first loop, is served at each look, and goes with the process.

Laws:
- Without a client: one or two system calls a look. What describes tasks is imported when somebody connects.
- A socket that cannot be had is one line on stderr; the agent goes on without it.
- A forked child lets go of what it inherits and makes its own with its first loop; the parent's file stays.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ..config import Settings
from ..findings import Event
from .listener import Listener
from .subject import Subject

if TYPE_CHECKING:
    from .audience import Audience

_MOST_ACCEPTED = 32
_CHECKED_EVERY = 10.0
_LONGEST_PAUSE = 1.0


class Server:
    """The sink ``socket``. ``watch`` says whom it is to serve; all else is called in the watcher's thread."""

    name = "socket"

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.has_to_go = False
        """A client that may has asked for the agent to be switched off."""
        self._subject: Subject | None = None
        self._listener: Listener | None = None
        self._audience: Audience | None = None
        self._is_refused = False
        self._checked = 0.0
        self._started = time.time()

    @property
    def due_within(self) -> float | None:
        """At most so many seconds until ``serve`` wants to be called again; None while there is no socket."""
        if self._audience is not None:
            return self._audience.due_within
        return min(self.settings.interval, _LONGEST_PAUSE) if self._listener is not None else None

    @property
    def is_watched(self) -> bool:
        """Whether there is somebody to serve."""
        return self._audience is not None

    def watch(self, subject: Subject) -> None:
        """This is the agent that clients are told of."""
        self._subject = subject

    def write(self, event: Event) -> None:
        """Something has happened to a finding."""
        if self._audience is not None:
            self._audience.hear_event(event.as_record())

    def serve(self) -> None:
        """Answer whoever looks at this process; open the socket when there is a loop to look at."""
        now = time.monotonic()
        if self._subject is None or not self._is_open(self._subject, now):
            return
        for _ in range(_MOST_ACCEPTED):
            stream = self._listener.accept() if self._listener is not None else None
            if stream is None:
                break
            self._audience_of(self._subject).welcome(stream, now)
        if self._audience is not None:
            self._audience.serve(now)
            self.has_to_go |= self._audience.take_dismissal()
            if not self._audience.sessions:
                self._audience = None

    def close(self) -> None:
        """Say what is still to be said, and take the socket away."""
        if self._audience is not None:
            self._audience.leave(time.monotonic())
        self.disown()

    def disown(self) -> None:
        """Let go of the socket and of all connections; the file is removed by the process that made it only."""
        if self._audience is not None:
            self._audience.disown()
        if self._listener is not None:
            self._listener.close()
        self._audience = self._listener = None
        self._started = time.time()

    def _is_open(self, subject: Subject, now: float) -> bool:
        if self._listener is not None and not self._is_sound(self._listener, now):
            self._listener.close()
            self._listener = None
        if self._listener is None and not self._is_refused and len(subject.state.loops) > 0:
            self._open(subject)
        return self._listener is not None

    def _is_sound(self, listener: Listener, now: float) -> bool:
        """Whether the descriptor is still ours; now and then, whether the file is still there."""
        if now - self._checked < _CHECKED_EVERY:
            return listener.is_ours()
        self._checked = now
        return listener.is_ours() and listener.is_found()

    def _open(self, subject: Subject) -> None:
        try:
            self._listener = Listener(self.settings.socket_dir)
        except OSError as refused:
            self._is_refused = True
            subject.complain(f"no dashboard can look at this process: {refused}")

    def _audience_of(self, subject: Subject) -> Audience:
        if self._audience is None:
            from .audience import Audience

            self._audience = Audience(subject, self._started)
        return self._audience
