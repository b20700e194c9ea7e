"""What kinds of objects a search through the program's objects meets, and where each leads.

Law: by type and by name alone; nothing of the program runs, and a lazy proxy or module stays asleep.
"""

from __future__ import annotations

import asyncio
import functools
import sys
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from types import (
    AsyncGeneratorType,
    BuiltinMethodType,
    CodeType,
    CoroutineType,
    FrameType,
    FunctionType,
    GeneratorType,
    MethodType,
    TracebackType,
)
from typing import Any

from .state import TaskRecord

OPAQUE = (
    str, bytes, bytearray, int, float, complex, CodeType, FrameType, TracebackType, TaskRecord, asyncio.Task,
    asyncio.AbstractEventLoop, type(None), type(...), type(NotImplemented),
)  # fmt: skip
CONTAINERS = (dict, list, tuple, set, frozenset, deque)
CALLED = (FunctionType, staticmethod, classmethod, property, functools.cached_property)
SUSPENDED = (CoroutineType, GeneratorType, AsyncGeneratorType)
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
MAKING = ("__init__", "__new__", "__post_init__", "__init_subclass__", "__set_name__")
"""Methods that run when a class is called, not when one of its instances is used."""
DYNAMIC = {"getattr", "__getattribute__", "vars", "__dict__", "attrgetter", "methodcaller"}
"""Names by which code takes attributes from strings."""
ANYTHING = {
    "eval", "exec", "globals", "import_module", "__import__", "modules", "resolve_name", "entry_points", "get_objects",
    "get_referrers", "pickle", "cloudpickle", "dill",
}  # fmt: skip
"""Names by which code may come to whatever there is in the process."""
_ENTERED = {
    "asyncio", "collections", "functools", "contextlib", "weakref", "queue", "types", "concurrent", "threading",
    "contextvars", "itertools", "operator", "_asyncio", "_queue", "_functools", "_collections", "builtins",
}  # fmt: skip
"""Modules of the standard library whose objects may lead back to the program's."""
WRAPPERS = tuple(kind for kind, _read in _PARTS)
"""What stands for a call of, or a reference to, something else."""


def is_of(value: Any, kinds: type | tuple[type, ...]) -> bool:
    """``isinstance`` by the type alone: a lazy proxy of the program's would wake up."""
    return issubclass(type(value), kinds)


def parts_of(wrapper: Any) -> Iterable[Any]:
    """What a wrapper stands for."""
    return next(read(wrapper) for kind, read in _PARTS if is_of(wrapper, kind))


def imported(name: str, package: str) -> Iterator[Any]:
    """The modules that an import of that name, absolute or relative, may mean."""
    parts = package.split(".") if package else []
    for count in range(len(parts) + 1):
        module = sys.modules.get(".".join([*parts[:count], *([name] if name else [])]))
        if module is not None:
            yield module


def is_stdlib(module: Any) -> bool:
    """Whether a module of that name is the standard library's, or ours."""
    root = _root(module)
    return root in sys.stdlib_module_names or root in ("builtins", "unstuck")


def leads_back(module: Any) -> bool:
    """Whether objects of a standard module of that name may lead back to the program's."""
    return _root(module) in _ENTERED


def _root(module: Any) -> str:
    return str(module).partition(".")[0]
