"""What does not change in a task's life, and the strings for it, made once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from .. import wire
from ..views import coroutine_name, loop_name, task_id
from .lore import Lore
from .text import clean

_MOST_NAME = 200
_MOST_LOOPS = 100


class Birth(NamedTuple):
    """A task's id, coroutine and loop; ``born`` is seconds since the epoch; creator and place where that was seen."""

    id: str
    coro: str
    loop: str
    born: float | None = None
    parent: str | None = None
    made: wire.Spot | None = None


class Births:
    """Reads them. ``known`` has those of other tasks, by the agent's or any other weak reference to the task."""

    def __init__(self, lore: Lore, known: Mapping[Any, Any]) -> None:
        self._lore, self._known = lore, known
        self._loops: dict[int, str] = {}

    def of(self, task: Any, record: Any, born: float) -> Birth:
        """The birth of a task."""
        code, parent = getattr(record, "code", None), getattr(record, "parent", None)
        return Birth(
            task_id(task),
            clean(coroutine_name(task), _MOST_NAME),
            self._loop(task.get_loop()),
            born,
            self._id(parent) if parent is not None else None,
            self._lore.spot(code, record.lasti) if code is not None else None,
        )

    def _loop(self, loop: Any) -> str:
        name = self._loops.get(id(loop))
        if name is None or len(self._loops) > _MOST_LOOPS:
            self._loops.clear()
            name = self._loops[id(loop)] = loop_name(loop)
        return name

    def _id(self, reference: Any) -> str | None:
        task = reference()
        if task is None:
            return None  # and a dead reference that was never hashed cannot be looked up
        known = self._known.get(reference)
        return str(known.birth.id) if known is not None and known.birth is not None else task_id(task)
