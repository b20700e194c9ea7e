"""Reading attributes of the program's objects without running a line of the program.

Law: instance dictionaries, slots and cells are read directly; no property, no ``__getattr__``, no descriptor
of the program's own is ever called.
"""

from __future__ import annotations

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


def content(value: Any) -> Any:
    """What a cell holds, or None while it is empty; anything else as it is."""
    if not isinstance(value, CellType):
        return value
    try:
        return value.cell_contents
    except ValueError:
        return None
