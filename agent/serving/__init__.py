"""Serving those who look at this process: a socket, and what is told through it.

Laws:
- No thread of its own: the watcher calls ``Server.serve`` at each of its looks, and nothing here ever waits.
- Without a client it costs one system call or two a look; msgspec and all that describes tasks is imported when the
  first client connects.
- Nothing here keeps an object of the program's alive between two calls, and nothing is raised.
"""

from __future__ import annotations

from .server import Server
from .subject import Subject

__all__ = ["Server", "Subject"]
