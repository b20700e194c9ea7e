"""The exception table of a code object: which handlers surround an instruction.

CPython 3.11+ keeps ``try`` and ``with`` blocks in ``co_exceptiontable``, a run of varints described in
CPython's ``InternalDocs/exception_handling.md``: for each covered range its start, length and target in
code units, and ``depth << 1 | lasti``. Ranges do not overlap; the handler of an inner block is itself
covered by the entry of the block around it, so following targets outwards lists all enclosing blocks.
"""

from __future__ import annotations

import dis
from collections.abc import Iterator
from functools import lru_cache
from types import CodeType

_WITH_HANDLER = "WITH_EXCEPT_START"
_UNIT = 2


@lru_cache(maxsize=2048)
def handlers_around(code: CodeType, offset: int) -> tuple[tuple[int, bool], ...]:
    """(line, is a ``with`` block's) of each handler around the instruction at ``offset``, innermost first."""
    return tuple(_describe(code, target) for target in _targets(code, offset))


@lru_cache(maxsize=2048)
def handler_names_around(code: CodeType, offset: int) -> tuple[tuple[int, frozenset[str]], ...]:
    """(line, attribute names loaded) of each ``except`` or ``finally`` handler around the instruction.

    ``with`` handlers are left out. A handler reaches from its first instruction to the next RERAISE.
    """
    found = []
    for target in _targets(code, offset):
        line, is_with = _describe(code, target)
        if not is_with:
            found.append((line, _names_from(code, target)))
    return tuple(found)


def _names_from(code: CodeType, target: int) -> frozenset[str]:
    names = set()
    for instruction in dis.get_instructions(code):
        if instruction.offset < target:
            continue
        if instruction.opname in ("LOAD_ATTR", "LOAD_METHOD"):
            names.add(str(instruction.argval))
        if instruction.opname == "RERAISE":
            break
    return frozenset(names)


def _targets(code: CodeType, offset: int) -> Iterator[int]:
    ranges = _ranges(code)
    for _ in range(len(ranges) + 1):
        target = next((target for start, end, target in ranges if start <= offset < end), None)
        if target is None:
            return
        yield target
        offset = target


@lru_cache(maxsize=512)
def _ranges(code: CodeType) -> tuple[tuple[int, int, int], ...]:
    numbers = _varints(code.co_exceptiontable)
    found = []
    for start in numbers:
        length, target, _depth = next(numbers), next(numbers), next(numbers)
        found.append((start * _UNIT, (start + length) * _UNIT, target * _UNIT))
    return tuple(found)


def _varints(table: bytes) -> Iterator[int]:
    position = 0
    while position < len(table):
        byte = table[position]
        value = byte & 63
        while byte & 64:
            position += 1
            byte = table[position]
            value = value << 6 | byte & 63
        position += 1
        yield value


def _describe(code: CodeType, target: int) -> tuple[int, bool]:
    instructions = _instructions(code)
    first = instructions.get(target)
    second = instructions.get(target + _UNIT)
    line = first[1] if first and first[1] is not None else code.co_firstlineno
    return line, bool(second) and second is not None and second[0] == _WITH_HANDLER


@lru_cache(maxsize=512)
def _instructions(code: CodeType) -> dict[int, tuple[str, int | None]]:
    return {
        instruction.offset: (instruction.opname, instruction.positions.lineno if instruction.positions else None)
        for instruction in dis.get_instructions(code)
    }
