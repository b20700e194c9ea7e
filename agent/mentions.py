"""Where a function is named in code: for a call of which only the callee is left.

Laws:
- Read from code objects alone; nothing of the program runs, no attribute of an instance is looked at.
- Bounded. An answer is given only where it is the only one.
"""

from __future__ import annotations

import dis
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from types import CodeType, FunctionType
from typing import Any

_MOST_CODES = 5_000
_POP_TOP = dis.opmap["POP_TOP"]
_OWN = (FunctionType, type, staticmethod, classmethod)
_CACHE = dis.opmap.get("CACHE", 0)


def mentions(code: CodeType, name: str) -> list[int]:
    """Offsets of the instructions of ``code`` that load something called ``name``."""
    if name not in (*code.co_names, *code.co_varnames, *code.co_cellvars, *code.co_freevars):
        return []
    found = []
    for each in dis.get_instructions(code):
        if each.opname.startswith("LOAD_") and "CONST" not in each.opname:
            names = each.argval if isinstance(each.argval, tuple) else (each.argval,)
            found += [each.offset] * (name in names)
    return found


def only_mention(name: str, modules: Iterable[str]) -> tuple[CodeType, int] | None:
    """The one place in the functions of these modules that names ``name``, or None if there is none or a second."""
    codes = [code for module in dict.fromkeys(modules) for code in _codes(module)]
    found = [(code, offset) for code in codes for offset in mentions(code, name)]
    return found[0] if len(found) == 1 else None


def throws_away(code: CodeType, offset: int) -> bool:
    """Whether the instruction at ``offset`` drops a value that nothing was done with."""
    return 0 <= offset < len(code.co_code) and code.co_code[offset] == _POP_TOP


def drops_its_result(code: CodeType, offset: int) -> bool:
    """Whether what the call at ``offset`` gives is dropped by the very next instruction."""
    after = offset + 2
    while after < len(code.co_code) and code.co_code[after] == _CACHE:
        after += 2
    return throws_away(code, after)


def _codes(module: str) -> Iterator[CodeType]:
    """The code of all functions of a module, those in classes and in other functions included."""
    space = getattr(sys.modules.get(module), "__dict__", {})
    known = [value for value in list(space.values()) if issubclass(type(value), _OWN)]  # no lazy proxy wakes up
    own = [value for value in known if getattr(value, "__module__", None) == module]
    methods = [inner for value in own if isinstance(value, type) for inner in list(vars(value).values())]
    todo = deque(code for value in (*own, *methods) if (code := _code_of(value)) is not None)
    seen: set[int] = set()
    while todo and len(seen) < _MOST_CODES:
        code = todo.popleft()
        if id(code) not in seen:
            seen.add(id(code))
            yield code
            todo.extend(each for each in code.co_consts if isinstance(each, CodeType))


def _code_of(value: Any) -> CodeType | None:
    function = value.__func__ if issubclass(type(value), (staticmethod, classmethod)) else value
    return function.__code__ if issubclass(type(function), FunctionType) else None
