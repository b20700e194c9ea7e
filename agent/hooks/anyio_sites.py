"""Where each of anyio's locks, limiters and semaphores was made.

Laws:
- They have slots and can bear no note: the places stand in a table of the agent's own, which holds them weakly.
- The maker is the first frame that is not anyio's. What an adapter makes at its first use was made where the
  adapter was.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from ..libraries import Anyio
from ..patching import Patches
from ..state import SITES, OwnReference, Site, is_plain, site_of

Init = Callable[..., None]
_OF_ADAPTERS = ("_lock", "_limiter", "_semaphore")


def install(patches: Patches, library: Anyio) -> None:
    """Replace ``__init__`` of anyio's primitives by one that notes the creating instruction."""
    adapters = [cls for cls in library.inner if cls not in library.conditions]
    for cls in (*library.resources, *library.semaphores, *adapters):
        if "__init__" in vars(cls):
            patches.replace(cls, "__init__", _noting(vars(cls)["__init__"]))


def _noting(original: Init, getframe: Callable[[int], FrameType] = sys._getframe) -> Init:
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        try:
            frame = getframe(1)
            if _comes_again(frame):
                return
            site = _site(frame) if is_plain(type(self)) else None
        except ValueError:  # called by the interpreter itself
            return
        if site is not None:
            SITES[OwnReference(self, _forget)] = site

    return functools.wraps(original)(__init__)


def _comes_again(frame: FrameType) -> bool:
    """Whether ``anyio.Lock()`` is on its way: its ``__new__`` gives an instance made, which Python then makes again."""
    maker = frame.f_back if frame.f_code.co_name.startswith("create_") else None
    return maker is not None and maker.f_code.co_name == "__new__"


def _forget(reference: OwnReference, sites: dict[OwnReference, Site] = SITES) -> None:
    sites.pop(reference, None)  # a default: the module's own names are gone when the interpreter goes down


def _site(frame: FrameType | None) -> Site | None:
    while frame is not None and str(frame.f_globals.get("__name__")).startswith("anyio."):
        if frame.f_code.co_name in _OF_ADAPTERS:
            made: Site | None = site_of(frame.f_locals.get("self"))
            return made
        frame = frame.f_back
    return (frame.f_code, frame.f_lasti) if frame is not None else None
