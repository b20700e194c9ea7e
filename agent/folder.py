"""The folder in which processes and those who look at them meet: one socket a process, ``PID.sock``.

Laws:
- It is trusted only while it is a real folder, this user's, in which nobody else may write: looked at without
  following a link, each time anew, at both ends.
- Nothing in it is believed for its name: whether a process is there, connecting tells.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Mapping

SUFFIX = ".sock"
_LONGEST = 103 if sys.platform == "darwin" else 107
"""Bytes of the longest path that a socket can have."""


class Refused(OSError):
    """The folder is not used; the text says why, and what to do."""


def default(environ: Mapping[str, str] = os.environ) -> str:
    """The folder when UNSTUCK_SOCKET_DIR does not say: in the user's runtime folder, else in the temporary one."""
    runtime = environ.get("XDG_RUNTIME_DIR")
    return os.path.join(runtime, "unstuck") if runtime and not _is_foreign(runtime) else _temporary(environ)


def everywhere(environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Where processes of this user may be: a service often lacks the runtime folder that its user's terminal has."""
    named = environ.get("UNSTUCK_SOCKET_DIR")
    return (os.path.abspath(named),) if named else tuple(dict.fromkeys((default(environ), _temporary(environ))))


def check(folder: str) -> None:
    """Raise Refused unless the folder may be used; FileNotFoundError when there is none."""
    status = os.lstat(folder)
    if stat.S_ISLNK(status.st_mode):
        raise Refused(f"the socket folder {folder} is a symbolic link; name the folder itself in UNSTUCK_SOCKET_DIR")
    if not stat.S_ISDIR(status.st_mode):
        raise Refused(f"the socket folder {folder} is no folder")
    if status.st_uid != _me():
        raise Refused(f"the socket folder {folder} belongs to another user ({user_of(status.st_uid)})")
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise Refused(f"others may write to the socket folder {folder}; chmod 700 {folder}")


def make(folder: str) -> None:
    """See to it that the folder is there and may be used. Raises Refused, or OSError when it cannot be made."""
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        pass
    check(folder)


def path_of(folder: str, pid: int) -> str:
    """The path of a process's socket. Raises Refused when no socket can have it."""
    path = os.path.join(folder, f"{pid}{SUFFIX}")
    if len(os.fsencode(path)) > _LONGEST:
        raise Refused(f"{path} is too long for a socket ({_LONGEST} bytes); name a shorter UNSTUCK_SOCKET_DIR")
    return path


def pids(folder: str) -> list[int]:
    """The processes that have, or had, a socket in the folder. Raises as ``check`` does."""
    check(folder)
    names = (name.removesuffix(SUFFIX) for name in os.listdir(folder) if name.endswith(SUFFIX))
    return sorted(int(name) for name in names if name.isdecimal())


def is_alive(pid: int) -> bool:
    """Whether there is a process of that id, as far as this one can see."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True


def remove_dead(path: str) -> bool:
    """Remove a socket at which nobody listens; whether it was one.

    The pid alone does not tell: that of a process in another container means nothing here.
    """
    import socket  # only who finds dead ones pays

    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stream:
        stream.setblocking(False)
        try:
            stream.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return True
        except OSError:
            return False
    return False


def _temporary(environ: Mapping[str, str]) -> str:
    return os.path.join(environ.get("TMPDIR") or "/tmp", f"unstuck-{_me()}")


def _me() -> int:
    return os.geteuid() if hasattr(os, "geteuid") else 0  # Windows, where there is no socket either


def _is_foreign(folder: str) -> bool:
    """Whether the folder is another user's, as the runtime folder that ``sudo -E`` leaves in the environment."""
    try:
        return os.stat(folder).st_uid != _me()
    except OSError:
        return False


def user_of(uid: int) -> str:
    """The name of a user; the number where there is none."""
    import pwd  # only who is refused pays

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
