"""What became of a knot that is no longer there: was it ended from outside, or did it move by itself?

Laws:
- Refers to the program's objects weakly.
- Cancelled tasks and jobs, a loop that was stopped, a thread that went on though what it waited for is not done
  (an exception was sent to it, as by Ctrl-C): ended from outside. Anything else moved by itself.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import Any

from ..graph import Node
from .reading import is_done
from .world import World


class Fate:
    """The tasks, jobs and loops of one knot."""

    def __init__(self, nodes: Iterable[Node]) -> None:
        self._tasks: list[tuple[weakref.ref[Any], int]] = []
        self._jobs: list[weakref.ref[Any]] = []
        self._loops: list[weakref.ref[Any]] = []
        self._waited: list[tuple[int, tuple[int, int], weakref.ref[Any]]] = []
        for node in nodes:
            if node.kind in ("task", "loop's task"):
                self._tasks.append((weakref.ref(node.thing), node.thing.cancelling()))
            elif node.kind == "loop":
                self._loops.append(weakref.ref(node.thing))
            elif node.kind == "job":
                self._jobs.append(weakref.ref(node.thing))
            elif node.kind == "thread" and node.wait is not None:
                party = node.thing
                self._waited += [(party.ident, party.place, weakref.ref(job)) for job in _jobs(node.wait.needs)]

    def is_from_outside(self, world: World) -> bool:
        """Whether the knot was ended from outside."""
        tasks = [(task, before) for reference, before in self._tasks if (task := reference()) is not None]
        jobs = [job for reference in self._jobs if (job := reference()) is not None]
        loops = [reference() for reference in self._loops]
        return (
            any(task.cancelling() > before or (task.done() and task.cancelled()) for task, before in tasks)
            or any(job._state.startswith("CANCELLED") for job in jobs)
            or any(loop is None or loop.is_closed() or not loop.is_running() for loop in loops)
            or any(self._was_interrupted(world, *each) for each in self._waited)
        )

    def _was_interrupted(self, world: World, ident: int, place: tuple[int, int], reference: Any) -> bool:
        party, job = world.party(ident), reference()
        return job is not None and not is_done(job) and (party is None or party.place != place)


def _jobs(needs: Iterable[Any]) -> list[Any]:
    return [need for need in needs if hasattr(need, "_state")]
