"""One look at all threads of the process: where each stands, and which loop each runs.

Laws:
- Made anew for each look and dropped with it: it holds frames.
- Looks no deeper than it is asked.
- The agent's own thread is no party.
"""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field
from functools import cached_property
from types import FrameType
from typing import Any

from ..processor import cpu_ns
from ..standing import current_frames
from ..waits.model import Mode, Wait
from .frames import outwards, stdlib_local
from .reading import thread_wait


@dataclass(eq=False, slots=True)
class Party:
    """A thread as it stands at this look."""

    ident: int
    frame: FrameType
    place: tuple[int, int]
    """Identity of the topmost frame and the offset of its instruction."""
    rested: int | None = None
    """What it had spent of its processor at the last look already, in nanoseconds; None when it ran or nobody knows."""
    wait: Wait | None = None
    stack: list[FrameType] = field(default_factory=list)

    @property
    def thread(self) -> threading.Thread | None:
        """The thread's object, if it has one."""
        found: threading.Thread | None = threading._active.get(self.ident)  # type: ignore[attr-defined]
        return found

    @property
    def name(self) -> str:
        """What the thread is called."""
        return self.thread.name if self.thread is not None else f"thread {self.ident}"

    @property
    def native(self) -> int | None:
        """The kernel's id of the thread."""
        return getattr(self.thread, "native_id", None)

    def cpu(self) -> int | None:
        """Nanoseconds that the thread has spent on a processor; None where that cannot be asked safely."""
        return cpu_ns(self.native)


class World:
    """The threads of this process by their identity, and what they run."""

    def __init__(self) -> None:
        frames = current_frames()
        frames.pop(threading.get_ident(), None)
        self.parties = {ident: Party(ident, frame, (id(frame), frame.f_lasti)) for ident, frame in frames.items()}

    def party(self, ident: int | None) -> Party | None:
        """The thread of that identity, if it is there."""
        return self.parties.get(ident or 0)

    def wait(self, party: Party) -> Wait:
        """What the thread waits for."""
        if party.wait is None:
            party.wait = thread_wait(party.frame)
        return party.wait

    def stack(self, party: Party) -> list[FrameType]:
        """The thread's frames, innermost first."""
        if not party.stack:
            party.stack = list(outwards(party.frame))
        return party.stack

    def runner(self, loop: Any) -> Party | None:
        """The thread that runs the loop, or None."""
        try:
            return self.party(loop._thread_id)
        except AttributeError:  # uvloop keeps it to itself
            return self._runners.get(id(loop))

    def is_blocked(self, loop: Any) -> bool:
        """Whether the thread that runs the loop is blocked on something known, so that the loop cannot turn."""
        runner = self.runner(loop)
        return runner is not None and self.wait(runner).mode is not Mode.FREE

    @cached_property
    def _runners(self) -> dict[int, Party]:
        """The threads that stand in ``asyncio.Runner.run``, by the id of its loop."""
        found = {}
        for party in self.parties.values():
            for frame in self.stack(party):
                if frame.f_code is asyncio.Runner.run.__code__:
                    found[id(getattr(stdlib_local(frame, "self"), "_loop", None))] = party
                    break
        return found
