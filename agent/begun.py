"""A finding begins in the loop's own thread: its core is seen to stand where the judgement left it, and watched.

Law: one bounded step of the loop; a loop that does not answer has begun nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from .confirm import in_loop
from .findings import Finding
from .vigil import Vigil

Begun = tuple[Finding, Vigil]


def _always(_task: Any) -> bool:
    return True


def begin(
    finding: Finding, core: list[Any], waits: Mapping[int, Any] | None = None, still: Callable[[Any], bool] = _always
) -> Iterator[Begun]:
    """The finding with a vigil over these tasks, if each waits as it did and ``still`` holds for it; else nothing.

    ``waits`` gives the future that a task, by its id, must be awaiting for the finding to be true of it.
    """
    known = waits or {}
    futures = [known.get(id(task), task._fut_waiter) for task in core]

    def step() -> Vigil | None:
        for task, wait in zip(core, futures, strict=True):
            if wait is None or task._fut_waiter is not wait or wait.done() or not still(task):
                return None
        return Vigil(core)

    vigil = in_loop(core[0].get_loop(), step)
    if vigil is not None:
        yield finding, vigil
