"""Lines of text with tones: what the views say, before a terminal, a page or a test shows it.

Laws:
- A tone is a word for what a text means (``proven``, ``place``, ``dim``), not a colour. ``palette`` knows the colours.
- Widths are terminal cells. What is not printable was escaped by whoever made the text (``text.clean``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..agent.sinks.text import cells_of, clean, cut

Span = tuple[str, str]
"""A text and its tone; an empty tone is plain text."""
Line = tuple[Span, ...]
Cell = str | Span | Line
"""What a column shows: plain text, one span, or several."""
MARK = "…"


def line(*cells: Cell) -> Line:
    """One line of these, one after the other."""
    spans: list[Span] = []
    for cell in cells:
        spans += spans_of(cell)
    return tuple(spans)


def spans_of(cell: Cell) -> Line:
    """The spans of a cell."""
    if isinstance(cell, str):
        return ((cell, ""),)
    if cell and isinstance(cell[0], str):
        return (cell,)
    return cell


def text_of(cell: Cell) -> str:
    """The text alone."""
    return cell if isinstance(cell, str) else "".join(text for text, _ in spans_of(cell))


def width_of(cell: Cell) -> int:
    """How many cells it takes."""
    return sum(cells_of(text) for text, _ in spans_of(cell))


def fit(cell: Cell, width: int, right: bool = False) -> Line:
    """The cell in exactly so many cells: cut with a mark, or filled with blanks."""
    spans = clip(cell, width)
    blank = " " * (width - width_of(spans))
    if not blank:
        return spans
    return ((blank, ""), *spans) if right else (*spans, (blank, ""))


def clip(cell: Cell, width: int) -> Line:
    """The cell in at most so many cells; a mark stands for what is missing."""
    spans = spans_of(cell)
    if width_of(spans) <= width:
        return spans
    kept: list[Span] = []
    room = width
    for text, tone in spans:
        short = text if cells_of(text) < room else _shortened(text, tone, room)
        kept.append((short, tone))
        room -= cells_of(short)
        if room <= 0 or short != text:
            break
    return tuple(kept)


def _shortened(text: str, tone: str, room: int) -> str:
    """What fits: of a place its end, for there is the line; of anything else its beginning."""
    if tone != "place" or not text.isascii():
        return cut(text + MARK, room, MARK)
    return text if len(text) <= room else MARK + text[len(text) - room + 1 :]


def joined(cells: Iterable[Cell], between: Cell = "  ") -> Line:
    """The cells that say something, with ``between`` between them."""
    spans: list[Span] = []
    for cell in cells:
        if not text_of(cell):
            continue
        if spans:
            spans += spans_of(between)
        spans += spans_of(cell)
    return tuple(spans)


def apart(left: Cell, right: Cell, width: int) -> Line:
    """One at the left edge and one at the right; the left one gives way."""
    end = clip(right, width)
    room = max(0, width - width_of(end))
    return (*fit(clip(left, room - 1 if end else room), room), *end)


def painted(text: str, words: Sequence[str], tone: str = "found", plain: str = "") -> Line:
    """The text with the first place of each word toned, as a search shows what it found."""
    low = text.lower()
    if len(low) != len(text):
        return ((text, plain),)
    marks = sorted((low.find(word), len(word)) for word in words if word and word in low)
    spans: list[Span] = []
    end = 0
    for start, length in marks:
        if start >= end:
            spans += [(text[end:start], plain), (text[start : start + length], tone)]
            end = start + length
    return tuple(span for span in (*spans, (text[end:], plain)) if span[0])


__all__ = [
    "MARK", "Cell", "Line", "Span", "apart", "cells_of", "clean", "clip", "cut", "fit", "joined", "line", "painted",
    "spans_of", "text_of", "width_of",
]  # fmt: skip
