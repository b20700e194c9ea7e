"""The file sink: one finding record a line, appended.

Laws:
- One ``os.write`` a line to a descriptor opened with O_APPEND: processes may share a file, and what was
  written stays when the process is killed.
- A descriptor is trusted only while it is still our file: a fork, a daemon that closed all descriptors
  and a log rotation all lead to a fresh one, and never to a write into somebody else's file.
- The first failure is one complaint, all of them are counted in ``lost``; the next event tries again.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from typing import Any

from ..findings import Event

# A pipe that nobody reads must cost the event, not the watcher.
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)


class JsonLinesSink:
    """Appends to the file at ``path``, in which ``{pid}`` stands for the id of the process that writes.

    The file is opened at the first event. Raises OSError when its folder is missing or it cannot be written.
    """

    def __init__(self, path: str, complain: Callable[[str], None]) -> None:
        self.name = f"jsonl:{path}"
        self.lost = 0
        """Events that could not be written."""
        self._path = os.path.abspath(path)  # the program may change its working folder
        self._complain = complain
        self._fd = -1
        self._pid = 0
        self._file: tuple[int, int] | None = None
        self._torn = False
        _check(self._current_path())

    def write(self, event: Event) -> None:
        """Append the event's record."""
        line = encode(event.as_record())
        try:
            self._append(line)
        except OSError as wrong:
            self.lost += 1
            if self.lost == 1:
                self._complain(f"the sink {self.name} cannot write: {wrong}; losses are only counted from here on")

    def close(self) -> None:
        """Close the file."""
        if self._file is not None and _identity(self._fd) == self._file:
            os.close(self._fd)
        self._fd, self._file = -1, None

    def _append(self, line: bytes) -> None:
        if not self._is_current():
            self.close()
            self._open()
        whole = b"\n" + line if self._torn else line
        written = os.write(self._fd, whole)
        self._torn = written < len(whole)
        if self._torn:
            raise OSError(errno.ENOSPC, "only part of a line could be written")

    def _open(self) -> None:
        self._fd = os.open(self._current_path(), _FLAGS, 0o666)
        self._file, self._pid, self._torn = _identity(self._fd), os.getpid(), False

    def _is_current(self) -> bool:
        """Whether the descriptor is the file that the path names now, opened by this process."""
        return (
            self._file is not None
            and self._pid == os.getpid()
            and self._file == _identity(self._fd) == _identity(self._current_path())
        )

    def _current_path(self) -> str:
        return self._path.replace("{pid}", str(os.getpid()))


def encode(record: dict[str, Any]) -> bytes:
    """The line of a record: compact JSON in UTF-8 with its newline; a number that JSON lacks becomes null."""
    try:
        text = json.dumps(record, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except ValueError:
        finite = json.loads(json.dumps(record), parse_constant=lambda _: None)
        text = json.dumps(finite, ensure_ascii=False, separators=(",", ":"))
    # A lone surrogate, as in the name of a file that is not UTF-8, becomes \udcXX, which JSON reads back.
    return text.encode("utf-8", "backslashreplace") + b"\n"


def _identity(file: int | str) -> tuple[int, int] | None:
    try:
        status = os.stat(file)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _check(path: str) -> None:
    """Raise OSError when ``path`` cannot become or is not a file to append to."""
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"the folder {folder} does not exist")
    if os.path.isdir(path):
        raise IsADirectoryError(f"{path} is a folder")
    if not os.access(path if os.path.exists(path) else folder, os.W_OK):
        raise PermissionError(f"{path} is not writable")
