"""Recordings read back: the files that the sink ``jsonl:PATH`` wrote.

Laws:
- A file is read once, line by line, and need not fit into memory; it may be a pipe, and may be compressed with gzip.
- Whatever a line holds, reading goes on: a line that is no record is a ``Trouble`` that names file and line.
- Several files are merged by time, so the order in which they are named does not matter: the parts of a rotated log,
  or one file for each process.
"""

from __future__ import annotations

import contextlib
import gzip
import heapq
import json
import sys
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from io import BufferedReader, RawIOBase
from typing import BinaryIO, NamedTuple, cast

from ..agent.findings import Event
from .historian import Historian
from .history import History
from .records import NoRecord, event_of

LONGEST_LINE = 1 << 25
"""Bytes; a deadlock of ten thousand tasks takes half of it."""
MOST_TROUBLES = 20
_GZIP = b"\x1f\x8b"
_BROKEN = (OSError, EOFError, zlib.error)


class Trouble(NamedTuple):
    """A line that could not be used. ``line`` 0 stands for the whole file."""

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}" if self.line else f"{self.file}: {self.text}"


@dataclass(slots=True)
class Reading:
    """What came of reading, filled while it goes on."""

    troubles: list[Trouble] = field(default_factory=list)
    """The first of the lines that could not be used."""
    skipped: int = 0
    """How many there are."""
    unreadable: list[Trouble] = field(default_factory=list)
    """Files that could not be opened or read to their end, or in which no line is a record."""

    def skip(self, trouble: Trouble) -> None:
        """A line that could not be used."""
        self.skipped += 1
        if len(self.troubles) < MOST_TROUBLES:
            self.troubles.append(trouble)


class Told(NamedTuple):
    """An event, and the line that tells of it."""

    event: Event
    line: bytes


def read(files: Iterable[str]) -> tuple[History, Reading]:
    """The history that these files tell; ``-`` is standard input."""
    reading, historian = Reading(), Historian()
    for told in events(files, reading):
        historian.take(*told)
    return historian.history(), reading


def events(files: Iterable[str], reading: Reading) -> Iterator[Told]:
    """The events of all files, merged by time."""
    return heapq.merge(*(_events(file, reading) for file in files), key=lambda told: told.event.time)


def _events(file: str, reading: Reading) -> Iterator[Told]:
    good = bad = 0
    try:
        with _opened(file) as stream:
            for number, line in _lines(stream):
                try:
                    told = Told(event_of(_parsed(line)), line)
                except NoRecord as wrong:
                    reading.skip(Trouble(file, number, str(wrong)))
                    bad += 1
                    continue
                good += 1
                yield told
    except _BROKEN as wrong:
        reading.unreadable.append(Trouble(file, 0, _reason(wrong)))
        return
    if bad and not good:
        reading.unreadable.append(Trouble(file, 0, "no line of it is a finding record"))


@contextlib.contextmanager
def _opened(file: str) -> Iterator[BinaryIO]:
    with BufferedReader(cast("RawIOBase", sys.stdin.buffer)) if file == "-" else open(file, "rb") as stream:
        packed = stream.peek(len(_GZIP))[: len(_GZIP)] == _GZIP
        yield cast("BinaryIO", gzip.GzipFile(fileobj=stream) if packed else stream)


def _lines(stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """The lines that hold something, with their numbers; of one that is too long only its beginning."""
    number = 0
    while line := stream.readline(LONGEST_LINE + 1):
        number += 1
        rest = line
        while len(rest) > LONGEST_LINE and not rest.endswith(b"\n"):
            rest = stream.readline(LONGEST_LINE + 1)
        if line.strip():
            yield number, line


def _parsed(line: bytes) -> object:
    if len(line) > LONGEST_LINE:
        raise NoRecord(f"longer than {LONGEST_LINE:,} bytes")
    try:
        return json.loads(line.decode())
    except UnicodeDecodeError:
        raise NoRecord("not UTF-8") from None
    except json.JSONDecodeError as wrong:
        cut = line.startswith(b"{") and (wrong.pos >= len(wrong.doc.rstrip()) or wrong.msg.startswith("Unterminated"))
        raise NoRecord("cut off before its end" if cut else "not JSON") from None
    except (ValueError, RecursionError):
        raise NoRecord("not JSON that can be read") from None


def _reason(wrong: Exception) -> str:
    if isinstance(wrong, OSError) and wrong.strerror:
        return wrong.strerror[0].lower() + wrong.strerror[1:]
    return "its compressed data is cut off" if isinstance(wrong, EOFError) else f"cannot be decompressed: {wrong}"
