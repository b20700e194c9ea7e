"""Whether a method of the standard library's is one of those that the hooks know how to stand in for."""

from __future__ import annotations

from collections.abc import Mapping

Names = tuple[str, ...]


def has_known_bodies(cls: type, names: Mapping[str, Names]) -> bool:
    """Whether these methods use exactly these names: so they are neither a newer CPython's nor somebody's wrapper."""
    codes = {name: getattr(cls.__dict__.get(name), "__code__", None) for name in names}
    return all(code is not None and code.co_names == names[name] for name, code in codes.items())
