"""What of the corpus is not as it should be yet, and why: each is a strict xfail, which fails once all is well."""

from __future__ import annotations

from . import Case

BRIEF = 0.3
"""Seconds for which what is expected to be missed gets its chance."""

KINDS: dict[str, str] = {}
PROGRAMS: dict[str, str] = {}
TWINS: dict[str, str] = {}


def reason(case: Case) -> str:
    """Why the program is not found yet, or nothing."""
    kinds = [KINDS.get(kind, "") for kind in case.kinds]
    return PROGRAMS.get(case.name) or (kinds[0] if kinds and all(kinds) else "")
