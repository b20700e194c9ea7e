"""What suits a stream: colour, width, box characters, its encoding."""

from __future__ import annotations

import os
from typing import Any

from .page import BOX

_FILE_WIDTH = 120


def manner_of(stream: Any) -> tuple[bool, int, bool]:
    """Whether in colour, how wide, and whether in ASCII only: what suits the stream."""
    try:
        terminal = bool(stream.isatty())
        columns = os.get_terminal_size(stream.fileno()).columns if terminal else 0
    except Exception:  # noqa: BLE001 (a stand-in for a stream may lack or refuse any of it)
        terminal, columns = False, 0
    colour = terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    told = os.environ.get("COLUMNS", "")
    width = int(told) if told.isdecimal() else columns
    return colour, width or _FILE_WIDTH, not _takes_boxes(stream)


def _takes_boxes(stream: Any) -> bool:
    try:
        "".join(BOX.values()).encode(getattr(stream, "encoding", None) or "utf-8")
    except (UnicodeError, LookupError, TypeError):
        return False
    return True


def encodable(text: str, stream: Any) -> str:
    """The text with what the stream's encoding lacks escaped, whatever its own error handler does."""
    encoding = getattr(stream, "encoding", None)
    try:
        return text.encode(encoding, "backslashreplace").decode(encoding) if encoding else text
    except (LookupError, TypeError):
        return text.encode("ascii", "backslashreplace").decode("ascii")
