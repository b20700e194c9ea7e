"""Source lines, for people: read through linecache, never failing."""

from __future__ import annotations

import linecache
import os


def line_at(file: str, line: int) -> str:
    """The stripped text of a source line; empty when it cannot be read."""
    return raw_line(file, line).strip()


def raw_line(file: str, line: int) -> str:
    """The text of a source line with its indentation; empty when it cannot be read."""
    try:
        return linecache.getline(file, line)
    except Exception:  # noqa: BLE001 - a broken __loader__ of the program must not stop a finding
        return ""


def short(file: str) -> str:
    """The file as a person would name it: relative to the working folder when below it, else its last two parts."""
    try:
        relative = os.path.relpath(file)
    except (ValueError, OSError):
        relative = file
    if not relative.startswith(".."):
        return relative
    return os.path.join(*file.split(os.sep)[-2:])
