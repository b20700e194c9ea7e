"""Settings: read from the environment once, frozen, and never a reason to stop the program.

Laws:
- A bad value is one complaint naming the variable, the value and what is allowed; the default holds.
- A variable that starts with UNSTUCK_ but is unknown is a complaint too: a misspelt setting must not
  pass in silence.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from . import folder

ON_DEADLOCK = ("report", "raise", "cancel")
SPANS = ("off", "findings", "slow", "all")
SINKS = ("stderr", "socket", "otlp", "jsonl:PATH")
KINDS = (
    "deadlock",
    "stuck",
    "slow-wait",
    "lock-order",
    "pool-exhausted",
    "blocked-loop",
    "ignored-cancel",
    "held-by-finished",
    "wrong-thread",
    "orphan-task",
    "task-leak",
    "never-awaited",
    "lost-error",
    "stale-write",
    "check-then-act",
    "duplicate-call",
    "overlapping-retry",
    "settle-race",
)
_UNITS = {"ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "": 1.0}


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings in force. Durations are seconds."""

    interval: float = 1.0
    stuck_after: float = 30.0
    slow_wait_after: float = 5.0
    blocked_loop_after: float = 0.25
    sinks: tuple[str, ...] = ("stderr", "socket")
    on_deadlock: str = "report"
    detect: frozenset[str] = frozenset(KINDS)
    spans: str = "findings"
    socket_dir: str = ""
    allow_actions: bool = False

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> tuple[Settings, tuple[str, ...]]:
        """Read UNSTUCK_* and return the settings together with one complaint for each bad variable."""
        values: dict[str, Any] = {"socket_dir": folder.default()}
        complaints = []
        for variable, text in environ.items():
            if not variable.startswith("UNSTUCK_"):
                continue
            field = variable.removeprefix("UNSTUCK_").lower()
            parse = _PARSERS.get(field)
            if parse is None:
                complaints.append(f"{variable} is not a setting of unstuck{_nearest(variable)}")
                continue
            try:
                values[field] = parse(text.strip())
            except ValueError as wrong:
                complaints.append(f"{variable}={text!r}: {wrong}; the default holds")
        return cls(**values), tuple(complaints)


def variables() -> tuple[str, ...]:
    """The names of all environment variables that are settings."""
    return tuple(f"UNSTUCK_{field.name.upper()}" for field in fields(Settings))


def duration(text: str) -> float:
    """Seconds of a duration such as ``250ms``, ``1.5s``, ``2m`` or ``3`` (seconds); it must be above 0."""
    match = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)\s*(ms|s|min|m|h|)", text)
    if match is None or float(match[1]) <= 0:
        raise ValueError("allowed is a duration above zero such as 250ms, 1.5s or 2m")
    return float(match[1]) * _UNITS[match[2]]


def _one_of(*allowed: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in allowed:
            raise ValueError(f"allowed is {', '.join(allowed[:-1])} or {allowed[-1]}")
        return text

    return parse


def _sinks(text: str) -> tuple[str, ...]:
    names = tuple(part.strip() for part in text.split(",") if part.strip())
    for name in names:
        kind, _, path = name.partition(":")
        if kind == "jsonl" and not path:
            raise ValueError("jsonl needs a file, as in jsonl:findings.jsonl")
        if kind != "jsonl" and name not in SINKS:
            raise ValueError(f"allowed is a comma list of {', '.join(SINKS)}")
    return names


def _kinds(text: str) -> frozenset[str]:
    chosen: set[str] = set()
    words = [word.strip() for word in text.split(",") if word.strip()]
    if words and all(word.startswith("-") for word in words):
        chosen.update(KINDS)
    for word in words:
        if word in ("default", "all"):
            chosen.update(KINDS)
        elif word.removeprefix("-") not in KINDS:
            raise ValueError(f"allowed is default, all, or a comma list of {', '.join(KINDS)}, with - to leave one out")
        elif word.startswith("-"):
            chosen.discard(word[1:])
        else:
            chosen.add(word)
    return frozenset(chosen)


def _flag(text: str) -> bool:
    if text not in ("0", "1", ""):
        raise ValueError("allowed is 0 or 1")
    return text == "1"


def _folder(text: str) -> str:
    if not text:
        raise ValueError("allowed is the path of a folder")
    return os.path.abspath(text)


def _nearest(variable: str) -> str:
    import difflib  # imports much; only a misspelt setting pays

    near = difflib.get_close_matches(variable, variables(), n=1)
    return f"; did you mean {near[0]}?" if near else f"; settings are {', '.join(variables())}"


_PARSERS: dict[str, Callable[[str], Any]] = {
    "interval": duration,
    "stuck_after": duration,
    "slow_wait_after": duration,
    "blocked_loop_after": duration,
    "sinks": _sinks,
    "on_deadlock": _one_of(*ON_DEADLOCK),
    "detect": _kinds,
    "spans": _one_of(*SPANS),
    "socket_dir": _folder,
    "allow_actions": _flag,
}
