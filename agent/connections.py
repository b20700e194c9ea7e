"""How many connections there may be: as many sessions, with their tasks, are load and no leak."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

_OPEN = ("/proc/self/fd", "/dev/fd")


def connections(loops: Iterable[Any]) -> int:
    """The number of descriptors that the loops watch; of those open in the process where a loop does not tell."""
    selectors: list[Any] = [getattr(loop, "_selector", None) for loop in list(loops) if not loop.is_closed()]
    maps = [each.get_map() or () for each in selectors if hasattr(each, "get_map")]
    if len(maps) == len(selectors):
        return sum(map(len, maps))
    return next((len(os.listdir(folder)) for folder in _OPEN if os.path.isdir(folder)), 0)
