"""The table: which code object, when it is the one suspended, means which wait.

Laws:
- A row names module and qualified name; a name that this version lacks is no row.
- The innermost frame with a row decides, save that a composite row further out (``Barrier.wait`` over
  ``Condition.wait``) gives a better name to a wait that nobody can judge anyway.
- Rows match CPython's own functions, also below our replacements (``__wrapped__``).
"""

from __future__ import annotations

import functools
import importlib
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import CodeType
from typing import Any

from ..pools import Library
from ..stacks import Link
from .model import Wait

Reader = Callable[[Link, list[Link], Any], Wait]
"""Reads the wait from the matching frame, the whole chain (outermost first) and the awaited future."""


@dataclass(frozen=True, slots=True)
class Row:
    """One known primitive."""

    kind: str
    read: Reader
    composite: bool = False
    joins: bool = False
    """Whether this may be a wait for other tasks: only such rows matter to the judge."""
    outside: bool = False
    """Whether the loop itself ends it: a timer, a descriptor, a thread, a child process."""


class Table:
    """Code objects and what they mean."""

    def __init__(self) -> None:
        self._rows: dict[int, Row] = {}
        self._codes: list[CodeType] = []
        self.relevant: set[int] = set()
        """Ids of the code objects of joining rows."""
        self.outside: set[int] = set()
        """Ids of the code objects of rows that the outside ends."""
        self.has_anyio = False
        self.pools: dict[int, tuple[Library, CodeType | None]] = {}
        """By the id of the code in which a task waits for a connection: whose, and the code of the wait itself."""
        self.libraries = set[str]()
        """Modules whose pools are entered, and"""
        self.modules = 0
        """how many modules there were when that was last looked at."""

    def add(self, target: str, row: Row) -> None:
        """Enter the function at ``module:qualified.name``; do nothing when there is none."""
        code = find_code(target)
        if code is not None:
            self._rows[id(code)] = row
            self._codes.append(code)
            if row.joins:
                self.relevant.add(id(code))
            if row.outside:
                self.outside.add(id(code))

    def add_pool(self, library: Library) -> None:
        """Enter the pool of a library that the program has loaded."""
        self.libraries.add(library.module)
        below = find_code(library.below) if library.below else None
        for target in library.waits:
            code = find_code(target)
            if code is not None and (below is not None or not library.below):
                self._codes.append(code)
                self.pools[id(code)] = library, below
                self.relevant.add(id(code))

    def row(self, code: CodeType) -> Row | None:
        """The row of this very function."""
        return self._rows.get(id(code))

    def match(self, links: list[Link]) -> tuple[Link, Row] | None:
        """The deciding frame of a chain and its row."""
        found: tuple[Link, Row] | None = None
        for link in reversed(links):
            row = self._rows.get(id(link.code))
            if row is not None and (found is None or row.composite):
                found = (link, row)
            elif found is not None:
                break
        return found


@functools.cache
def find_code(target: str) -> CodeType | None:
    """The code object of ``module:Class.method`` or of ``module:function.nested``, or None.

    Only the standard library is imported for it; other modules are taken as they are, and should be loaded.
    """
    module, _, path = target.partition(":")
    try:
        own = module.partition(".")[0] in sys.stdlib_module_names
        found: Any = importlib.import_module(module) if own else sys.modules[module]
    except (ImportError, KeyError):
        return None
    for name in path.split("."):
        inner = getattr(found, "__code__", found)
        if isinstance(inner, CodeType):
            found = next((c for c in inner.co_consts if isinstance(c, CodeType) and c.co_name == name), None)
        else:
            found = vars(found).get(name)
        if found is None:
            return None
        found = getattr(found, "__func__", found)  # a class method's
        if callable(found):
            found = inspect.unwrap(found)
    return found if isinstance(found, CodeType) else getattr(found, "__code__", None)
