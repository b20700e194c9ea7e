"""What an object refers to and owns: the collector's list, corrected where it says too much or too little.

Laws:
- A reference may be missing here (it then counts as from outside, which is safe), but never be one too many.
- 3.14+: an evaluation stack may hold borrowed references to locals of its frame (LOAD_FAST_BORROW), which the
  collector lists all the same. The compiler borrows within one basic block only (``optimize_load_fast`` in
  CPython's Python/flowgraph.c), and the loop of an ``await`` begins a new one; a plain ``yield`` does not. So a
  frame that stands at a plain ``yield`` counts each object once.
- Who holds the dict of an instance reaches its attributes, wherever these are kept: since 3.13 an instance
  with inline values does not even list its dict.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from types import AsyncGeneratorType, CoroutineType, GeneratorType, GetSetDescriptorType
from typing import Any

from ..attributes import is_a

_BORROWS = sys.version_info >= (3, 14)
_MANAGED_DICT = 1 << 4  # Py_TPFLAGS_MANAGED_DICT, since 3.11


def awaited_by(frame_owner: Any) -> Any:
    """What a suspended coroutine, generator, async generator or a wrapper of one delegates to; None at a ``yield``."""
    cls = type(frame_owner)
    if cls is CoroutineType:
        return frame_owner.cr_await
    if cls.__name__ == "FutureIter":
        return None
    if is_a(frame_owner, GeneratorType):
        return frame_owner.gi_yieldfrom
    if is_a(frame_owner, AsyncGeneratorType):
        return frame_owner.ag_await
    return next((each for each in gc.get_referents(frame_owner) if _has_frame(each)), None)


def owned_by_frame(frame_owner: Any, referents: list[Any]) -> list[Any]:
    """Of the referents of a suspended coroutine, generator or async generator those that it owns."""
    if _BORROWS and awaited_by(frame_owner) is None:
        return list({id(each): each for each in referents}.values())
    return referents


def owned_by_function(function: Any, referents: list[Any]) -> list[Any]:
    """The referents of a function without its globals and builtins, which the whole program shares."""
    shared = (function.__globals__, getattr(function, "__builtins__", None))
    return [each for each in referents if not any(each is one for one in shared)]


def leads_nowhere(function: Any) -> bool:
    """Whether a function refers to nothing but its code and what the whole program shares."""
    return function.__closure__ is None and function.__defaults__ is None and function.__kwdefaults__ is None


def show_attributes(task: Any) -> None:
    """Have the collector list a task's dict: since 3.14 it may list the values in its place, as if they were parts."""
    if type(task) is asyncio.Task and asyncio.Task.__flags__ & _MANAGED_DICT:
        object.__getstate__(task)  # makes the dict of a task that has attributes, and of no other


class HasDict(dict[type, bool]):
    """By class, whether the interpreter keeps the attributes of its instances, and ``own_dict`` gives their dict.

    A ``__dict__`` property of the class's own is never run.
    """

    def __missing__(self, cls: type) -> bool:
        found = next((vars(base)["__dict__"] for base in cls.__mro__ if "__dict__" in vars(base)), None)
        self[cls] = has = bool(cls.__flags__ & _MANAGED_DICT) and is_a(found, GetSetDescriptorType)
        return has


def own_dict(thing: Any) -> Any:
    """The dict of an instance that has one."""
    return object.__getattribute__(thing, "__dict__")


def _has_frame(thing: Any) -> bool:
    return is_a(thing, (CoroutineType, GeneratorType, AsyncGeneratorType))
