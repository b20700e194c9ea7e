"""Markup that cannot be got wrong: everything that is not made here is escaped.

Laws:
- ``tag`` escapes its children and attribute values, except for ``Markup``, which only ``tag`` and ``joined`` make.
- What is not printable is shown as an escape, so that no byte of a recording reaches a browser as anything but text.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from ...agent.sinks.text import clean

_VOID = frozenset(("circle", "input", "line", "link", "meta", "path", "rect"))


class Markup(str):
    """Text that is HTML or SVG already."""

    __slots__ = ()


def tag(name: str, /, *inside: object, **attributes: object) -> Markup:
    """An element. In names of attributes ``_`` stands for ``-`` and a trailing one for nothing; None leaves one out."""
    start = "".join([f"<{name}", *(_attribute(key, value) for key, value in attributes.items())])
    return Markup(f"{start}/>" if name in _VOID else f"{start}>{joined(inside)}</{name}>")


def joined(parts: Iterable[object]) -> Markup:
    """The parts one after the other; None is nothing."""
    return Markup("".join(_inner(part) for part in parts if part is not None))


def verbatim(text: str) -> Markup:
    """A file of our own, taken as it is. Never for what a recording holds."""
    return Markup(text)


def _inner(part: object) -> str:
    return part if isinstance(part, Markup) else escape(clean(str(part)))


def _attribute(key: str, value: object) -> str:
    name = key.rstrip("_").replace("_", "-")
    if value is None or value is False:
        return ""
    return f" {name}" if value is True else f' {name}="{escape(clean(_number(value)))}"'


def _number(value: object) -> str:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)
