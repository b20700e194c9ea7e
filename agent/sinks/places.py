"""Places in the source, as people are told them: which frame of a stack matters, and how it is named."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..snapshot import Place
from ..source import short
from .text import clean

_ASYNCIO = re.compile(r"[/\\](?:python3\.\d+t?|Lib)[/\\]asyncio[/\\]")
_WAITING = re.compile(
    r"[/\\](?:python3\.\d+t?|Lib)[/\\](?:asyncio[/\\]|concurrent[/\\]futures[/\\]|(?:threading|queue|contextlib)\.py$)"
    r"|[/\\](?:site|dist)-packages[/\\]anyio[/\\]"
)
_LOOP = re.compile(_ASYNCIO.pattern + r"(?:events|base_events|runners)\.py$")
_LIBRARY = re.compile(r"^<|[/\\](?:lib(?:64)?[/\\]python3\.\d+t?|Lib|site-packages|dist-packages)[/\\]")


def waiting_place(stack: Sequence[Place]) -> Place | None:
    """The line at which the program waits: its innermost frame outside the waiting of libraries."""
    innermost = stack[-1] if stack else None
    return next((place for place in reversed(stack) if not _WAITING.search(place.file)), innermost)


def below_loop(stack: Sequence[Place]) -> list[Place]:
    """What the loop called, without asyncio's frames; all frames when nothing else is there."""
    loop = max((index for index, place in enumerate(stack) if _LOOP.search(place.file)), default=-1)
    return [place for place in stack[loop + 1 :] if not _ASYNCIO.search(place.file)] or list(stack)


def own_frames(places: Sequence[Place]) -> list[int]:
    """Indexes of the frames that are the program's own; of all when none is."""
    own = [index for index, place in enumerate(places) if not _LIBRARY.search(place.file)]
    return own or list(range(len(places)))


def own_places(stack: Sequence[Place]) -> list[Place]:
    """The program's own places, outermost first; none when all are a library's."""
    return [place for place in stack if not _LIBRARY.search(place.file)]


def where(place: Place) -> str:
    """``file:line``, the file as short as it is still clear."""
    return f"{clean(short(place.file))}:{place.line}"


def code_of(place: Place) -> str:
    """The line's text; without the source, the function it is in."""
    return clean(place.code) or f"in {clean(bare(place.function))}"


def bare(qualname: str) -> str:
    """A qualified name without the functions that it was defined in."""
    return qualname.rpartition("<locals>.")[2]
