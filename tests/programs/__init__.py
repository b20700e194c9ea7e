"""Programs that go wrong, each beside the healthy twin that looks alike."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

Program = Callable[[], Awaitable[object]]


@dataclass(frozen=True)
class Pair:
    """A buggy program, what the agent must say of it, and its healthy twin."""

    buggy: Program
    healthy: Program
    kind: str
    verdict: str
    core: frozenset[str]
    victims: int = 0

    def __str__(self) -> str:
        return self.buggy.__name__
