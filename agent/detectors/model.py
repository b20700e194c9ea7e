"""What a detector is given, and what it gives back.

Laws:
- A detector reads and decides; it is called in the watcher's thread and may fail: it is then switched off.
- ``subject`` of a finding is what makes two reports the same problem. A detector that is not ``lasting``
  reports a problem at each look as long as it is there; what it no longer reports is closed.
- A ``lasting`` one reports a fact once (an error was lost, two orders of locks were seen); it stays open until
  the detector itself says that it is ``Over``.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Protocol, TypeGuard

from ..census import Census
from ..config import Settings
from ..findings import Finding
from ..state import State


@dataclass(frozen=True, slots=True)
class Sight:
    """What there is to see at one look. ``now`` is monotonic seconds; refers to live tasks, never kept."""

    state: State
    census: Census
    settings: Settings
    now: float
    final: bool = False
    """The last look before the agent leaves or the process ends."""


@dataclass(frozen=True, slots=True)
class Over:
    """A finding of a lasting detector has ended; ``retracted`` when its parties moved by themselves."""

    subject: Hashable
    retracted: bool = False


class Detector(Protocol):
    """One kind of finding that is told by looking, apart from the judged ones."""

    kind: str
    lasting: bool
    often: bool
    """Looks each time the loops are looked at (UNSTUCK_BLOCKED_LOOP_AFTER / 2), not each tick (see ``Frequent``)."""

    def look(self, sight: Sight) -> Iterable[Finding | Over]:
        """The problems of this kind that are there now, or have become known since the last look."""
        ...


class Frequent(Detector, Protocol):
    """One that looks often; it is spared the looks while all loops sleep and have nothing to run."""

    def rests(self) -> bool:
        """Whether it then has nothing to look at; cheap."""
        ...


def is_frequent(detector: Detector) -> TypeGuard[Frequent]:
    """Whether it looks often."""
    return detector.often
