"""What a suspended frame may still come to, read from its code alone.

Law: every jump may be taken and every exception may be raised, so more is called reachable than is, never less.
"""

from __future__ import annotations

import dis
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType

from .bytecode import ranges

_JUMPS = {*dis.hasjrel, *dis.hasjabs}
_NEVER_ON = ("JUMP_FORWARD", "JUMP_BACKWARD", "JUMP_BACKWARD_NO_INTERRUPT", "RETURN_VALUE", "RETURN_CONST")
_RAISING = ("RAISE_VARARGS", "RERAISE")
_NAMES = {code for code in dis.hasname if dis.opname[code].startswith(("LOAD", "IMPORT_FROM"))}
_IMPORTS = {code for code in dis.hasname if dis.opname[code] == "IMPORT_NAME"}
_VARIABLES = {code for name, code in dis.opmap.items() if name.startswith(("LOAD_FAST", "LOAD_DEREF", "LOAD_CLOSURE"))}
_VARIABLES |= {code for name, code in dis.opmap.items() if name in ("LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_DEREF")}
_VARIABLES |= {code for name, code in dis.opmap.items() if name == "STORE_FAST_LOAD_FAST"}


@dataclass(frozen=True, slots=True)
class Ahead:
    """What code that may still run reads: globals, attributes and methods by name; modules that it imports; local
    variables; inner code objects."""

    names: frozenset[str]
    imports: frozenset[str]
    variables: frozenset[str]
    codes: tuple[CodeType, ...]


@lru_cache(maxsize=4096)
def ahead(code: CodeType, lasti: int = -1) -> Ahead:
    """What may still run of ``code`` from the instruction at ``lasti`` on; all of it for a frame not begun."""
    instructions = list(dis.get_instructions(code))
    offsets = reachable(code, lasti) if lasti >= 0 else {each.offset for each in instructions}
    live = [each for each in instructions if each.offset in offsets]
    names = {str(each.argval) for each in live if each.opcode in _NAMES}
    imports = {str(each.argval) for each in live if each.opcode in _IMPORTS}
    variables = {name for each in live if each.opcode in _VARIABLES for name in _as_tuple(each.argval)}
    codes = tuple(each.argval for each in live if isinstance(each.argval, CodeType))
    return Ahead(frozenset(names), frozenset(imports), frozenset(variables), codes)


def reachable(code: CodeType, lasti: int) -> set[int]:
    """Offsets of the instructions that may still run, the one at ``lasti`` included."""
    instructions = list(dis.get_instructions(code))
    at = {each.offset: index for index, each in enumerate(instructions)}
    handlers = ranges(code)
    seen, todo = set[int](), [lasti]
    while todo:
        offset = todo.pop()
        if offset in seen or offset not in at:
            continue
        seen.add(offset)
        todo += _next(instructions, at[offset])
        todo += [target for start, end, target in handlers if start <= offset < end]
    return seen


def _next(instructions: list[dis.Instruction], index: int) -> Iterator[int]:
    instruction = instructions[index]
    if instruction.opcode in _JUMPS:
        yield int(instruction.argval)
    if instruction.opname not in _NEVER_ON and instruction.opname not in _RAISING and index + 1 < len(instructions):
        yield instructions[index + 1].offset


def _as_tuple(argument: object) -> tuple[str, ...]:
    return argument if isinstance(argument, tuple) else (str(argument),)
