"""Coroutines that were called and never awaited: the interpreter says so when it drops them.

Laws:
- The program's own warning is what it was, to the letter and the line. So no frame of ours may stand between
  the interpreter and the function that warns: what stands in its place is a class, whose ``__new__`` notes
  and is over before its ``__init__``, the original function itself, is called from C.
- Noted are code objects and words, never the coroutine or a frame.
"""

from __future__ import annotations

import sys
import warnings
from dataclasses import dataclass
from types import CodeType, FrameType
from typing import Any

from ..patching import Patches
from ..state import State
from ..tracing import SpanId, current_span

KIND = "never-awaited"
LIBRARY = ("asyncio", "concurrent", "unstuck")
_MOST_FRAMES = 50


@dataclass(frozen=True, slots=True)
class Unawaited:
    """A coroutine that was dropped before its first step, and the instruction that dropped it."""

    code: CodeType
    qualname: str
    module: str
    dropped_in: CodeType
    lasti: int
    dropped_module: str
    modules: tuple[str, ...]
    """Whose functions are on the stack, innermost first, asyncio's and ours left out."""
    origin: tuple[str, int, str] | None
    """Where it was called, when the interpreter tracks that (asyncio's debug mode)."""
    span: SpanId
    """That is current where it was dropped."""


def install(patches: Patches, state: State) -> None:
    """Note what ``warnings._warn_unawaited_coroutine`` is called for."""
    original = getattr(warnings, "_warn_unawaited_coroutine", None)
    if original is not None:
        patches.replace(warnings, "_warn_unawaited_coroutine", _teller(state, original))


def _teller(state: State, original: Any) -> Any:
    class NoteThenWarn:
        """Called like the function in whose place it stands; what is made is thrown away."""

        def __new__(cls, coro: Any) -> Any:
            try:
                state.facts[KIND].append(_fact(coro, sys._getframe(1)))
            except Exception:  # noqa: BLE001 - the interpreter may be half gone already
                pass
            return object.__new__(cls)

        __init__ = staticmethod(original)

    NoteThenWarn.__name__ = NoteThenWarn.__qualname__ = original.__name__
    return NoteThenWarn


def _fact(coro: Any, frame: FrameType) -> Unawaited:
    code, origin = coro.cr_code, coro.cr_origin
    return Unawaited(
        code=code,
        qualname=str(coro.__qualname__),
        module=_module(coro.cr_frame),
        dropped_in=frame.f_code,
        lasti=frame.f_lasti,
        dropped_module=_module(frame),
        modules=_modules(frame),
        origin=origin[0] if origin else None,
        span=current_span(),
    )


def _modules(frame: FrameType | None) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for _ in range(_MOST_FRAMES):
        if frame is None:
            break
        found[_module(frame)] = None
        frame = frame.f_back
    return tuple(name for name in found if name.partition(".")[0] not in LIBRARY)


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))
