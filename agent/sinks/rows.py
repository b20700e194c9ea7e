"""A line of a diagnostic, before it is set out."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """A line of source and what it means. The first of ``facts`` is the name; no fact is ever broken."""

    gutter: str
    code: str
    verb: str = ""
    facts: tuple[str, ...] = ()
