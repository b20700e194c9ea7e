"""What a code object says about a suspended instruction: the blocks around it, and what those give back.

CPython 3.11+ keeps ``try`` and ``with`` blocks in ``co_exceptiontable``, a run of varints described in
CPython's ``InternalDocs/exception_handling.md``: for each covered range its start, length and target in
code units, and ``depth << 1 | lasti``. Ranges do not overlap; the handler of an inner block is itself
covered by the entry of the block around it, so following targets outwards lists all enclosing blocks.

Law: an answer is given for straight-line code only. Where a jump or a test of the exception's type comes
first, the code may or may not get there, and the answer is that it does not.
"""

from __future__ import annotations

import dis
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType
from typing import TypeVar

_Found = TypeVar("_Found")
_UNIT = 2
_MOST_PLACES = 4_096
_FAST = ("LOAD_FAST", "LOAD_FAST_CHECK", "LOAD_FAST_BORROW")
_ROOTS = {
    **dict.fromkeys(_FAST, "fast"),
    "LOAD_DEREF": "deref",
    "LOAD_CLOSURE": "deref",
    "LOAD_GLOBAL": "global",
    "LOAD_NAME": "name",
}
_DOUBLE = ("LOAD_FAST_LOAD_FAST", "LOAD_FAST_BORROW_LOAD_FAST_BORROW", "STORE_FAST_LOAD_FAST")
"""Two instructions in one since 3.13; the second is the load that counts."""
_ENTERING, _LEAVING = 1, 2
_CALLS = ("CALL", "PRECALL", "END_SEND", "JUMP_BACKWARD_NO_INTERRUPT")
_STATEMENT = ("POP_TOP", "STORE_", "RESUME", "NOP", "FOR_ITER", "POP_JUMP", "JUMP_FORWARD", "BEFORE_", "LOAD_SPECIAL")
"""How the instructions begin that end a call or an await, and those that stand before a statement's expression."""
_WITHIN_AWAIT = ("LOAD_CONST", "LOAD_COMMON_CONSTANT", "PUSH_NULL", "SEND", "YIELD_VALUE", "EXTENDED_ARG")
"""What stands between GET_AWAITABLE and the instruction at which the frame is suspended: SEND, or just behind it."""


@dataclass(frozen=True, slots=True)
class Handler:
    """The handler of a block: ``line`` of its statement, offset ``target``, and whether it is a ``with``.

    ``is_written`` is False for those that the compiler adds to every coroutine and await.
    """

    line: int
    target: int
    is_with: bool
    is_written: bool = True


@dataclass(frozen=True, slots=True)
class Path:
    """An expression such as ``self.pool.permits``: a root variable and attributes.

    ``kind`` is fast, deref, global, or name: what a module's own code calls its variables.
    """

    kind: str
    root: str
    attributes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Manager:
    """What a ``with`` enters, as it is written: the names and constants in it; is it a call, is it ``async with``?"""

    names: tuple[str, ...]
    is_call: bool
    is_async: bool


def per_place(ask: Callable[[CodeType, int], _Found]) -> Callable[[CodeType, int], _Found]:
    """Have a question about an instruction, by its code and offset, answered once.

    Code is known by its id, and kept: its hash goes through all of its instructions, each time.
    """
    known: dict[tuple[int, int], tuple[CodeType, _Found]] = {}

    @functools.wraps(ask)
    def answer(code: CodeType, offset: int) -> _Found:
        found = known.get((id(code), offset))
        if found is None:
            if len(known) >= _MOST_PLACES:
                known.clear()
            found = known[id(code), offset] = (code, ask(code, offset))
        return found[1]

    answer.cache_clear = known.clear  # type: ignore[attr-defined]
    return answer


@per_place
def handlers_around(code: CodeType, offset: int) -> tuple[Handler, ...]:
    """The handlers around the instruction at ``offset``, innermost first."""
    blocks, found = ranges(code), list[Handler]()
    for _ in range(len(blocks) + 1):
        target = next((target for start, end, target in blocks if start <= offset < end), None)
        if target is None:
            break
        found.append(_describe(code, target))
        offset = target
    return tuple(found)


@per_place
def is_inside(code: CodeType, lasti: int) -> bool:
    """Whether a frame that is suspended there is inside a ``with``, or is entering or leaving one."""
    return any(handler.is_with for handler in handlers_around(code, lasti)) or exit_beyond_handlers(code, lasti)


@per_place
def exit_beyond_handlers(code: CodeType, lasti: int) -> bool:
    """Whether the frame has one exit on its stack whose block does not cover the suspended instruction.

    So it is while a block is being entered, and while it is left because of an exception.
    """
    before = [each for offset, each in instructions(code).items() if offset < lasti][-7:]
    for index, instruction in enumerate(before):
        if instruction.opname == "GET_AWAITABLE" and _is_same_await(before[index + 1 :]):
            by_exception = index > 0 and before[index - 1].opname == "WITH_EXCEPT_START"
            return instruction.arg == _ENTERING or (instruction.arg == _LEAVING and by_exception)
    return False


def _is_same_await(between: list[dis.Instruction]) -> bool:
    return all(each.opname in _WITHIN_AWAIT for each in between)


@lru_cache(maxsize=512)
def manager_of(code: CodeType, target: int) -> Manager:
    """The expression of the ``with`` block whose handler is at offset ``target``; without names if it is unclear."""
    start = min((start for start, _end, each in ranges(code) if each == target), default=0)
    before = [each for offset, each in instructions(code).items() if offset < start]
    while before and not before[-1].opname.startswith(("BEFORE_", "LOAD_SPECIAL")):
        before.pop()
    if not before:
        return Manager((), True, True)
    is_async = before[-1].opname == "BEFORE_ASYNC_WITH" or "__aenter__" in before[-1].argrepr
    while before[-1].opname in ("BEFORE_ASYNC_WITH", "BEFORE_WITH", "LOAD_SPECIAL", "SWAP", "COPY"):
        before.pop()
    names: list[str] = []
    for instruction in reversed(before):
        if instruction.opname == "STORE_FAST_LOAD_FAST":
            names.insert(0, str(instruction.argval[1]))
        if instruction.opname.startswith(_STATEMENT):
            break
        if instruction.opname.startswith("LOAD_"):
            value = instruction.argval
            names[:0] = map(str, value) if isinstance(value, tuple) else [str(value)]
    return Manager(tuple(names), before[-1].opname.startswith(_CALLS), is_async)


@lru_cache(maxsize=512)
def released_paths(code: CodeType, start: int = 0) -> tuple[Path, ...]:
    """The expressions whose ``release`` is called for certain by the code from offset ``start`` on."""
    found, straight = [], list[dis.Instruction]()
    for offset, instruction in instructions(code).items():
        if offset < start:
            continue
        if instruction.opname.startswith(("POP_JUMP", "FOR_ITER", "CHECK_E", "RERAISE", "RETURN_VALUE", "JUMP_IF")):
            break
        if instruction.opname in ("LOAD_ATTR", "LOAD_METHOD") and instruction.argval == "release":
            path = path_before(straight)
            found += [path] if path is not None else []
        straight.append(instruction)
    return tuple(found)


@lru_cache(maxsize=512)
def releases_again(code: CodeType, call: int) -> bool:
    """Whether a handler around the ``x.release()`` at offset ``call`` may release x too, as far as can be told.

    Unlike elsewhere in this module a jump makes no difference: what may be done counts.
    """
    if not any(start <= call < end for start, end, _target in ranges(code)):
        return False
    released = [path for offset, path in _releases(code, 0) if offset <= call][-1:] or [None]
    for handler in handlers_around(code, call):
        for _offset, path in () if handler.is_with else _releases(code, handler.target):
            if path is None or released[0] in (None, path):
                return True
    return False


def _releases(code: CodeType, start: int) -> Iterator[tuple[int, Path | None]]:
    """Offset and expression of each ``release`` looked up between ``start`` and the end of that handler."""
    before = list[dis.Instruction]()
    for offset, instruction in instructions(code).items():
        if start and offset >= start and instruction.opname == "RERAISE":
            break
        if offset >= start and instruction.opname in ("LOAD_ATTR", "LOAD_METHOD") and instruction.argval == "release":
            yield offset, path_before(before)
        before.append(instruction)


def path_before(following: list[dis.Instruction]) -> Path | None:
    """The expression whose value the last of these instructions puts on the stack."""
    attributes: list[str] = []
    for instruction in reversed(following):
        if instruction.opname == "LOAD_ATTR":
            attributes.insert(0, str(instruction.argval))
        elif instruction.opname in _ROOTS and isinstance(instruction.argval, str):
            return Path(_ROOTS[instruction.opname], instruction.argval, tuple(attributes))
        elif instruction.opname in _DOUBLE:
            return Path("fast", str(instruction.argval[1]), tuple(attributes))
        else:
            return None
    return None


@lru_cache(maxsize=512)
def deletes_locals(code: CodeType) -> bool:
    """Whether any local variable is deleted somewhere in the code."""
    return any(each.opname == "DELETE_FAST" for each in instructions(code).values())


@lru_cache(maxsize=512)
def ranges(code: CodeType) -> tuple[tuple[int, int, int], ...]:
    """Start, end and handler of each range that a block covers, as offsets."""
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


def _describe(code: CodeType, target: int) -> Handler:
    first, second = instructions(code).get(target), instructions(code).get(target + _UNIT)
    line = first.positions.lineno if first is not None and first.positions is not None else None
    is_with = second is not None and second.opname == "WITH_EXCEPT_START"
    return Handler(line or code.co_firstlineno, target, is_with, first is not None and first.opname == "PUSH_EXC_INFO")


@lru_cache(maxsize=32)
def instructions(code: CodeType) -> dict[int, dis.Instruction]:
    """The instructions by offset. Few are kept: they are large, and what is read off them is kept for longer."""
    return {instruction.offset: instruction for instruction in dis.get_instructions(code)}
