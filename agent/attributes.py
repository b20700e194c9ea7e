"""Reading attributes of the program's objects without running a line of the program.

Law: instance dictionaries, slots and cells are read directly; no property, no ``__getattr__``, no descriptor
of the program's own is ever called.
"""

from __future__ import annotations

import contextlib
import itertools
from collections import deque
from collections.abc import Callable, Iterable
from types import CellType, MemberDescriptorType
from typing import Any


def follow(thing: Any, attributes: tuple[str, ...]) -> Any:
    """``thing.a.b.c`` by instance dictionaries and slots alone: no property and no ``__getattr__`` runs."""
    for name in attributes:
        thing = instance_attributes(thing).get(name)
    return thing


def own(thing: Any, name: str, default: Any = None) -> Any:
    """An attribute of an object of the program's subclasses, past any ``__getattr__`` of theirs."""
    try:
        return object.__getattribute__(thing, name)
    except AttributeError:
        return default


def instance_attributes(thing: Any) -> dict[str, Any]:
    """The attributes that the object itself has, in its dictionary and its slots."""
    found: dict[str, Any] = {}
    for base in type(thing).__mro__:
        for name, member in vars(base).items():
            if isinstance(member, MemberDescriptorType):
                try:
                    found[name] = member.__get__(thing)
                except AttributeError:
                    continue
    try:
        found.update(object.__getattribute__(thing, "__dict__"))
    except (AttributeError, TypeError):
        pass
    return found


def is_a(thing: Any, kinds: type | tuple[type, ...]) -> bool:
    """``isinstance`` by the object's type alone: a lazy proxy's ``__class__`` is code of the program's."""
    return issubclass(type(thing), kinds)


_TRIES = 5


def items(value: Any, most: int) -> list[Any]:
    """At most so many items of a container, the values of a dictionary; none of anything else.

    Read as the built-in type does it, also where a subclass does otherwise. Of what another thread changes without a
    pause, nothing.
    """
    for kind, iterate in _ITERATE:
        if is_a(value, kind):
            return _read(value, iterate, most)
    return []


def _read(value: Any, iterate: Callable[[Any], Iterable[Any]], most: int) -> list[Any]:
    for _ in range(_TRIES):
        with contextlib.suppress(RuntimeError):  # changed between two calls into C
            return list(itertools.islice(iterate(value), most))
    return []


_ITERATE: tuple[tuple[type, Callable[[Any], Iterable[Any]]], ...] = (
    (dict, dict.values),
    (list, list.__iter__),
    (tuple, tuple.__iter__),
    (set, set.__iter__),
    (frozenset, frozenset.__iter__),
    (deque, deque.__iter__),
)


def content(value: Any) -> Any:
    """What a cell holds, or None while it is empty; anything else as it is."""
    if not is_a(value, CellType):
        return value
    try:
        return value.cell_contents
    except ValueError:
        return None
