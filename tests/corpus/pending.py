"""What of the corpus is not found yet, and why: each line is a strict xfail, which fails once it is found."""

from __future__ import annotations

from . import Case

BRIEF = 0.3
"""Seconds for which what is expected to be missed gets its chance."""

KINDS = {kind: "no detector yet" for kind in ("stuck", "held-by-finished", "ignored-cancel")}
PROGRAMS: dict[str, str] = {}


def reason(case: Case) -> str:
    """Why the program is not found yet, or nothing."""
    return PROGRAMS.get(case.name) or (KINDS.get(case.kinds[0], "") if case.kinds else "")
