"""What a code object says about locks of threads: which one an instruction takes, which ones the blocks around hold.

Law: a running frame's evaluation stack cannot be read, so a lock is known by the expression that the code took it
by. Where the same block binds a name of that expression anew, it is not known.
"""

from __future__ import annotations

import dis
import re
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType

from ..bytecode import Path, handlers_around, instructions, path_before, ranges, released_paths

_TAKING = ("acquire", "__enter__")
_ENTRY = ("LOAD_SPECIAL", "SWAP", "SWAP", "LOAD_SPECIAL", "COPY")
"""What stands before the call that enters a ``with`` block since 3.14, read backwards up to the expression."""
_MOST = 24
_BACK = re.compile(r"(?:POP_)?JUMP_BACKWARD(?!_NO_INTERRUPT)\w*")
"""The jumps of loops; before 3.13 also those from handlers back into the code."""


@dataclass(frozen=True, slots=True)
class Held:
    """A lock's expression, and the line that took it; ``by_hand`` when a ``finally`` gives it back."""

    path: Path
    line: int
    by_hand: bool


@lru_cache(maxsize=4096)
def taken_path(code: CodeType, lasti: int) -> Path | None:
    """The expression whose lock the instruction at ``lasti`` takes, for as long as that takes.

    It stands at the beginning of ``with PATH``, or calls ``PATH.acquire()`` without arguments.
    """
    before = _up_to(code, lasti)
    if not before or before[-1].offset != lasti:
        return None
    return _entered(before) or _acquired(before)


@lru_cache(maxsize=4096)
def held_paths(code: CodeType, offset: int) -> tuple[Held, ...]:
    """What the blocks around ``offset`` have taken and will give back, innermost first.

    Such a block is a ``with PATH``, or a ``try`` right behind ``PATH.acquire()`` whose ``finally`` calls
    ``PATH.release()``.
    """
    found = []
    for handler in handlers_around(code, offset):
        start = min(start for start, _end, target in ranges(code) if target == handler.target)
        before = _up_to(code, start - 1)
        before = before if handler.is_with else _without_padding(before)
        path = _entered(before) if handler.is_with else _acquired(before)
        if path is None or _is_rebound(code, path, handler.target):
            continue
        if handler.is_with or path in released_paths(code, handler.target):
            found.append(Held(path, _line(before[-1]) or handler.line, not handler.is_with))
    return tuple(found)


@lru_cache(maxsize=4096)
def releases(code: CodeType, lasti: int) -> tuple[tuple[Path | None, int | None], ...]:
    """What the code may have called ``release`` on before it came to ``lasti``, and the lines of these calls.

    An expression that is not understood is None.
    """
    if "release" not in code.co_names:
        return ()
    every = list(instructions(code).values())
    loops = [(each.offset, each.argval) for each in every if _BACK.fullmatch(each.opname)]
    found = [
        (path_before(every[max(0, index - _MOST) : index]), _line(each))
        for index, each in enumerate(every)
        if each.argval == "release"
        and (each.offset < lasti or any(end > each.offset and start <= lasti for end, start in loops))
    ]
    return tuple(dict.fromkeys(found))


def _line(instruction: dis.Instruction) -> int | None:
    return instruction.positions.lineno if instruction.positions is not None else None


def _up_to(code: CodeType, offset: int) -> list[dis.Instruction]:
    return [each for at, each in instructions(code).items() if at <= offset][-_MOST:]


def _entered(before: list[dis.Instruction]) -> Path | None:
    """The manager's expression when the last of these instructions calls the ``__enter__`` of a ``with``."""
    if before and before[-1].opname == "BEFORE_WITH":
        return path_before(before[:-1])
    names = tuple(each.opname for each in before[-2 : -2 - len(_ENTRY) : -1])
    if names == _ENTRY and before[-1].opname == "CALL":
        return path_before(before[: -1 - len(_ENTRY)])
    return None


def _acquired(before: list[dis.Instruction]) -> Path | None:
    """The lock's expression when the last of these instructions calls its ``acquire()`` without arguments."""
    if not before or before[-1].opname != "CALL" or before[-1].arg != 0:
        return None
    loads = [each for each in before[:-1] if each.opname != "PRECALL"]
    if not loads or loads[-1].opname not in ("LOAD_ATTR", "LOAD_METHOD") or loads[-1].argval not in _TAKING:
        return None
    return path_before(loads[:-1])


def _without_padding(before: list[dis.Instruction]) -> list[dis.Instruction]:
    while before and before[-1].opname in ("NOP", "POP_TOP"):
        before = before[:-1]
    return before


def _is_rebound(code: CodeType, path: Path, target: int) -> bool:
    """Whether the block with the handler at ``target`` binds a name of the path."""
    names = {path.root, *path.attributes}
    return any(
        each.opname.startswith(("STORE_", "DELETE_"))
        and not names.isdisjoint(_bound(each))
        and any(handler.target == target for handler in handlers_around(code, offset))
        for offset, each in instructions(code).items()
    )


def _bound(instruction: dis.Instruction) -> tuple[str, ...]:
    value = instruction.argval
    return tuple(map(str, value)) if isinstance(value, tuple) else (str(value),)
