"""What a task or callback may still come to touch: a search forwards from its frames, led by its code.

Laws:
- An object's attribute counts only where its name stands in code that may still run: so a heartbeat of a
  service is not taken for a user of the service's queue. A name leads to globals, to attributes, and to the
  functions of whatever was met; those functions' code is then read in turn, to a fixpoint.
- Where code takes names from strings (``getattr``), every attribute counts. Objects of the standard library are
  entered whole, for nobody's code names what is inside; what they hold of the program's may be called in any way.
- Tasks and loops are not entered: who holds a task can cancel it, not do its work.
- Bounded: where a bound is hit, ``overflow`` says so, and everything must be taken for reachable.
- Runs no code of the program.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import sys
import weakref
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from contextvars import Context
from types import (
    AsyncGeneratorType,
    BuiltinMethodType,
    CellType,
    CodeType,
    CoroutineType,
    FrameType,
    FunctionType,
    GeneratorType,
    MethodType,
    ModuleType,
    TracebackType,
)
from typing import Any

from .attributes import content, instance_attributes
from .flow import ahead
from .stacks import MAX_DEPTH, Link, chain
from .state import TaskRecord
from .waits.reading import callbacks

MOST_OBJECTS, MOST_CODES, _MOST_ITEMS = 2_000, 600, 500
_OPAQUE = (
    str, bytes, bytearray, int, float, complex, CodeType, FrameType, TracebackType, TaskRecord, asyncio.Task,
    asyncio.AbstractEventLoop, type(None), type(...), type(NotImplemented),
)  # fmt: skip
_ITEMS = (dict, list, tuple, set, frozenset, deque)
_CALLED = (FunctionType, staticmethod, classmethod, property, functools.cached_property)
_SUSPENDED = (CoroutineType, GeneratorType, AsyncGeneratorType)
_PARTS: tuple[tuple[type, Callable[[Any], Iterable[Any]]], ...] = (
    (MethodType, lambda each: (each.__func__, each.__self__)),
    (functools.partial, lambda each: (each.func, *each.args, *each.keywords.values())),
    (BuiltinMethodType, lambda each: (each.__self__,)),
    (staticmethod, lambda each: (each.__func__,)),
    (classmethod, lambda each: (each.__func__,)),
    (property, lambda each: (each.fget, each.fset, each.fdel)),
    (functools.cached_property, lambda each: (each.func,)),
    (weakref.ref, lambda each: (weakref.ref.__call__(each),)),
)
_MAKING = ("__init__", "__new__", "__post_init__", "__init_subclass__", "__set_name__")
"""Methods that run when a class is called, not when one of its instances is used."""
_DYNAMIC = {"getattr", "__getattribute__", "vars", "__dict__", "attrgetter", "methodcaller", "eval", "exec"}
_ENTERED = {
    "asyncio", "collections", "functools", "contextlib", "weakref", "queue", "types", "concurrent", "threading",
    "contextvars", "itertools", "operator", "_asyncio", "_queue", "_functools", "_collections", "builtins",
}  # fmt: skip
"""Modules of the standard library whose objects may lead back to the program's."""


class Outlook:
    """One search, for the objects and functions in ``wanted`` (ids of objects and of code objects)."""

    def __init__(self, wanted: Iterable[int], most: int = MOST_OBJECTS) -> None:
        self.wanted, self.most = frozenset(wanted), most
        self.found: set[int] = set()
        self.overflow = False
        self.visits = 0
        self._kept: list[Any] = []  # so that no id is reused while it is remembered
        self._seen: set[int] = set()
        self._opened: set[int] = set()
        self._codes: set[int] = set()
        self._classes: set[tuple[int, bool, bool]] = set()
        self._names: set[str] = set()
        self._free = False
        self._waiting: dict[str, list[tuple[Any, bool]]] = defaultdict(list)
        self._spaces: dict[int, dict[str, Any]] = {}
        self._todo: deque[tuple[Any, bool]] = deque()

    @property
    def reaches(self) -> bool:
        """Whether something wanted was found, or cannot be excluded."""
        return bool(self.found) or self.overflow

    # -- where it starts ---------------------------------------------------------------------------------

    def of_task(self, task: Any) -> Outlook:
        """Search from the suspended frames of a task, its context and its done-callbacks."""
        self._frames(task.get_coro())
        self._todo += [(each, True) for each in gc.get_referents(task) if _is(each, Context)]
        self._todo += [(each, False) for each in callbacks(task)]
        return self._run()

    def of_call(self, function: Any, arguments: Iterable[Any] = ()) -> Outlook:
        """Search from a callback and its arguments."""
        self._todo += [(each, False) for each in (function, *arguments)]
        return self._run()

    def _frames(self, awaitable: Any) -> None:
        links = chain(awaitable)
        self.overflow = self.overflow or _is_running(awaitable) or len(links) >= MAX_DEPTH
        for link in links:
            frame = link.frame
            if frame is None:
                continue
            own = _is_entered_code(frame.f_globals)
            if own:
                self._code(link.code, frame.f_globals, link.lasti)
            unused = _unused(link) if own else set()
            for value in link.referents():
                is_own = _is(value, FunctionType) and value.__code__ is link.code
                if not is_own and not _is(value, _SUSPENDED) and id(content(value)) not in unused:
                    self._todo.append((value, not own))

    # -- the walk ----------------------------------------------------------------------------------------

    def _run(self) -> Outlook:
        while self._todo and not self.overflow and len(self.found) < len(self.wanted):
            value, opened = self._todo.popleft()
            self._visit(value, opened)
        return self

    def _visit(self, value: Any, opened: bool) -> None:
        if id(value) in self.wanted:
            self.found.add(id(value))
        if _is(value, _OPAQUE) or id(value) in (self._opened if opened else self._seen):
            return
        self._seen.add(id(value))
        if opened:
            self._opened.add(id(value))
        self._kept.append(value)
        self.visits += 1
        self.overflow = self.overflow or self.visits > self.most
        if not self._plain(value, opened) and not self._callable(value):
            self._instance(value, opened)

    def _plain(self, value: Any, opened: bool) -> bool:
        if _is(value, CellType):
            self._todo.append((content(value), opened))
        elif _is(value, Context):
            self._items(list(value.values()), opened)
        elif _is(value, _ITEMS):
            self._items(gc.get_referents(value), opened)
        elif _is(value, type):
            self._class(value, opened)
        elif _is(value, ModuleType):
            self._module(value)
        elif _is(value, _SUSPENDED):
            self._frames(value)
        elif _is(value, FunctionType):
            self._function(value)
        else:
            return False
        return True

    def _items(self, items: list[Any], opened: bool) -> None:
        if len(items) <= _MOST_ITEMS:
            self._todo += [(each, opened) for each in items]
            return
        for each in items:  # too many to enter, not too many to compare
            if id(each) in self.wanted:
                self.found.add(id(each))
                return
            self.overflow = self.overflow or not _is(each, _OPAQUE)

    def _callable(self, value: Any) -> bool:
        parts = next((read(value) for kind, read in _PARTS if _is(value, kind)), None)
        for each in parts or ():
            self._todo.append((each, False))  # called in one way only
        return parts is not None

    def _function(self, function: FunctionType) -> None:
        values = [*(function.__closure__ or ()), *(function.__defaults__ or ()), *function.__dict__.values()]
        self._todo += [(each, False) for each in (*values, *(function.__kwdefaults__ or {}).values())]
        if _is_entered_code(function.__globals__):
            self._code(function.__code__, function.__globals__)

    def _instance(self, value: Any, opened: bool) -> None:
        module = _root(type(value).__module__)
        if _is_stdlib(module):
            if module not in _ENTERED:
                return
            opened_inside = True
        else:
            opened_inside = False
            self._class(type(value), opened, made=False)
        attributes = instance_attributes(value)
        if _is(value, asyncio.Future):
            self._todo += [(each, False) for each in callbacks(value)]
        elif not attributes:
            self._items(gc.get_referents(value), opened_inside)
        for name, inner in attributes.items():
            if not str(name).startswith("_unstuck"):
                self._named(str(name), inner, opened_inside)

    def _class(self, cls: type, opened: bool, made: bool = True) -> None:
        for base in cls.__mro__:
            if _is_stdlib(_root(base.__module__)) or (id(base), opened, made) in self._classes:
                continue
            self._classes.add((id(base), opened, made))
            self._kept.append(base)
            for name, member in list(vars(base).items()):
                if _is(member, _CALLED) and (opened or (name.startswith("__") and (made or name not in _MAKING))):
                    self._todo.append((member, False))
                elif not name.startswith("__"):
                    self._named(name, member, False)

    def _named(self, name: str, value: Any, opened: bool) -> None:
        if opened or self._free or name in self._names:
            self._todo.append((value, opened))
        elif not _is(value, _OPAQUE) or id(value) in self.wanted:
            self._waiting[name].append((value, opened))

    # -- code --------------------------------------------------------------------------------------------

    def _code(self, code: CodeType, space: dict[str, Any], lasti: int = -1) -> None:
        if lasti < 0:
            if id(code) in self.wanted:
                self.found.add(id(code))
            if id(code) in self._codes:
                return
            self._codes.add(id(code))
        self.overflow = self.overflow or len(self._codes) > MOST_CODES
        coming = ahead(code, lasti)
        self._learn(coming.names - self._names)
        for name in coming.names & space.keys():
            self._todo.append((space[name], False))
        for name in coming.imports:
            self._todo += [(module, False) for module in _imported(name, str(space.get("__package__") or ""))]
        for inner in coming.codes:
            self._code(inner, space)

    def _learn(self, names: Iterable[str]) -> None:
        self._names.update(names)
        for name in names:
            self._todo += self._waiting.pop(name, ())
            self._todo += [(space[name], False) for space in self._spaces.values() if name in space]
        if not self._free and not _DYNAMIC.isdisjoint(self._names):
            self._free = True
            for values in self._waiting.values():
                self._todo += values

    def _module(self, module: ModuleType) -> None:
        space = object.__getattribute__(module, "__dict__")  # a lazy module stays unloaded
        if not _is_stdlib(_root(str(space.get("__name__", "")))) and id(space) not in self._spaces:
            self._spaces[id(space)] = space
            self._todo += [(space[name], False) for name in self._names & space.keys()]


def _imported(name: str, package: str) -> Iterator[Any]:
    """The modules that an import of that name, absolute or relative, may mean."""
    parts = package.split(".") if package else []
    for count in range(len(parts) + 1):
        module = sys.modules.get(".".join([*parts[:count], *([name] if name else [])]))
        if module is not None:
            yield module


def _is(value: Any, kinds: type | tuple[type, ...]) -> bool:
    """``isinstance`` by the type alone: a lazy proxy of the program's would wake up."""
    return issubclass(type(value), kinds)


def _is_running(awaitable: Any) -> bool:
    """Whether its frames cannot be read at this moment."""
    return bool(getattr(awaitable, "cr_running", False) or getattr(awaitable, "gi_running", False))


def _unused(link: Link) -> set[int]:
    """Ids of what only such local variables hold as the code never loads again."""
    variables, used = link.variables(), ahead(link.code, link.lasti).variables
    kept = {id(value) for name, value in variables.items() if name in used}
    return {id(value) for value in variables.values()} - kept


def _root(module: Any) -> str:
    return str(module).partition(".")[0]


def _is_stdlib(root: str) -> bool:
    return root in sys.stdlib_module_names or root in ("builtins", "unstuck", "__future__")


def _is_entered_code(space: dict[str, Any]) -> bool:
    return not _is_stdlib(_root(space.get("__name__", "")))
