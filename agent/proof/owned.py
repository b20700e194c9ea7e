"""What an object refers to and owns: the collector's list, corrected where it says too much or too little.

Laws:
- A reference may be missing here (it then counts as from outside, which is safe), but never be one too many.
- 3.14+: an evaluation stack may hold borrowed references to locals of its frame (LOAD_FAST_BORROW), which the
  collector lists all the same. The compiler borrows within one basic block only (``optimize_load_fast`` in
  CPython's Python/flowgraph.c), and the loop of an ``await`` begins a new one; a plain ``yield`` does not. So a
  frame that stands at a plain ``yield`` counts each object once.
- 3.13+: an instance with inline values does not list its dict, whose holder reaches those values all the same
  (``hidden_dict``).
"""

from __future__ import annotations

import gc
import sys
from types import AsyncGeneratorType, CoroutineType, GetSetDescriptorType
from typing import Any

_BORROWS = sys.version_info >= (3, 14)
_HIDES = sys.version_info >= (3, 13)
_INLINE_VALUES = 1 << 2  # Py_TPFLAGS_INLINE_VALUES, since 3.13


def awaited_by(frame_owner: Any) -> Any:
    """What a suspended coroutine, generator or async generator delegates to; None at a plain ``yield``."""
    if isinstance(frame_owner, CoroutineType):
        return frame_owner.cr_await
    return frame_owner.ag_await if isinstance(frame_owner, AsyncGeneratorType) else frame_owner.gi_yieldfrom


def owned_by_frame(frame_owner: Any) -> list[Any]:
    """The references that a suspended coroutine, generator or async generator owns."""
    referents = gc.get_referents(frame_owner)
    if _BORROWS and awaited_by(frame_owner) is None:
        return list({id(each): each for each in referents}.values())
    return referents


def hidden_dict(thing: Any) -> Any:
    """The dict of an instance whose attributes are kept inline, where the collector does not list it, or None."""
    cls = type(thing)
    if not _HIDES or not cls.__flags__ & _INLINE_VALUES:
        return None
    for base in cls.__mro__:
        found = vars(base).get("__dict__")
        if found is not None:
            return object.__getattribute__(thing, "__dict__") if isinstance(found, GetSetDescriptorType) else None
    return None
