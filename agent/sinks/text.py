"""Words and widths: text as a terminal takes it.

Laws:
- Names come from the program: what is not printable in them is escaped, never sent to a terminal.
- Widths are counted in terminal cells, not in characters.
"""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Iterable, Sequence


def age(seconds: float) -> str:
    """A span of time as people say it: ``250 ms``, ``1.2 s``, ``3 min 20 s``."""
    if seconds < 0.0005:
        return "<1 ms"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for unit, part, name, part_name in ((86400, 3600, "d", "h"), (3600, 60, "h", "min"), (60, 1, "min", "s")):
        if whole >= unit:
            return f"{whole // unit} {name} {whole % unit // part} {part_name}"
    return f"{whole} s"


def count_of(number: int, noun: str) -> str:
    """A number with its noun: ``1 task``, ``2 tasks``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def clean(text: str) -> str:
    """The text with what is not printable escaped, on one line."""
    if text.isprintable():
        return text
    spaced = text.replace("\t", " ")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in spaced)


def cells_of(text: str) -> int:
    """How many terminal columns the text takes."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 1 + (unicodedata.east_asian_width(c) in "WF") for c in text)


def widest(texts: Iterable[str]) -> int:
    """The most cells that any of the texts takes."""
    return max(map(cells_of, texts), default=0)


def fill(text: str, cells: int) -> str:
    """The text, with blanks up to so many cells."""
    return text + " " * (cells - cells_of(text))


def cut(text: str, cells: int, mark: str) -> str:
    """The text in at most so many cells; ``mark`` stands for what is missing."""
    if cells_of(text) <= cells:
        return text
    text = text[:cells]
    while text and cells_of(text) + len(mark) > cells:
        text = text[:-1]
    return text.rstrip() + mark


def flow(facts: Sequence[str], cells: int, name: int) -> list[str]:
    """The facts on lines of at most so many cells; the first is followed at a common column."""
    lines = [facts[0]]
    for fact in facts[1:]:
        joined = f"{fill(lines[-1], name if len(lines) == 1 else 0)}  {fact}"
        if cells_of(joined) <= cells:
            lines[-1] = joined
        else:
            lines.append(fact)
    return lines


def wrap(text: str, width: int, indent: str = "") -> list[str]:
    """The text on lines of at most ``width`` characters; no word is ever broken."""
    wrapper = textwrap.TextWrapper(width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return wrapper.wrap(text) or [""]
