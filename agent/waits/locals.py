"""Locals of asyncio's own suspended frames, by name.

Law: only for frames of the standard library. Up to 3.12 reading ``f_locals`` leaves a dict on the frame
that refers to every local; CPython's helpers keep theirs to the end anyway, the program's frames need not.
"""

from __future__ import annotations

from typing import Any

from ..stacks import Link


def local(link: Link, name: str) -> Any:
    """The value of a local or closed-over variable of that frame, or None."""
    for attribute in ("cr_frame", "gi_frame", "ag_frame"):
        frame = getattr(link.awaitable, attribute, None)
        if frame is not None:
            return frame.f_locals.get(name)
    return None
