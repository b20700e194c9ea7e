"""Where a deadlock may be: a coarse reduction with what the census knows, before anybody is looked at closely.

Laws:
- Dropped is only who needs nobody that waits himself; of whom it is not known whom he needs stays in. So no
  deadlock is dropped, once the census has seen its tasks.
- Linear in what is joined. Tasks that queue for one resource are one node, however many they are.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Container, Iterable
from typing import Any, NamedTuple

from .state import OwnReference, State
from .waits import Wait
from .waits.reading import Gathering

_MANY = 100


class Joined(NamedTuple):
    """Whom a wait on that future joins: the tasks of a group, whoever they are by then, or those with these ids."""

    future: OwnReference
    group: OwnReference | None
    ids: tuple[int, ...]

    def tasks(self) -> Iterable[int]:
        """Their ids."""
        group: Any = self.group() if self.group is not None else None
        return self.ids if group is None else map(id, list(group._tasks))


def whom(wait: Wait, future: Any) -> Joined | None:
    """Whom this wait joins; None if these are too many, or not only tasks."""
    if isinstance(getattr(wait.resource, "_tasks", None), set):
        return Joined(OwnReference(future), OwnReference(wait.resource), ())
    if len(wait.needs) > _MANY or not all(isinstance(need, asyncio.Task) for need in wait.needs):
        return None
    return Joined(OwnReference(future), None, tuple(map(id, wait.needs)))


def flat(gathering: Any) -> list[Any]:
    """The children of a gather, and those of the gathers among them."""
    found, todo, seen = [], [gathering], set[int]()
    while todo:
        current = todo.pop()
        if isinstance(current, Gathering) and id(current) not in seen:
            seen.add(id(current))
            todo += current._children
        elif not isinstance(current, Gathering):
            found.append(current)
    return found


class Candidates:
    """The nodes: joining tasks and resources that are waited for, each with the nodes that it needs."""

    def __init__(self, joins: Container[int], state: State) -> None:
        self._joins, self._blocked, self._queued = joins, state.blocked, state.queued
        self._things: dict[int, Any] = {}
        self._needs: dict[int, list[int]] = {}
        self._certain: dict[int, Any] = {}

    def waits(self, task: int) -> bool:
        """Whether the task of that id waits for others."""
        return task in self._joins or task in self._blocked or task in self._queued

    def add(self, key: int, thing: Any, needs: Iterable[int]) -> None:
        """A task or resource that needs these tasks (by id)."""
        found = [node for task in needs if (node := self._node_of(task)) is not None]
        if found:
            self._things[key], self._needs[key] = thing, found

    def add_unknown(self, key: int, thing: Any) -> None:
        """A task of which it is not known whom it needs."""
        self._certain[key] = thing

    def left(self) -> dict[int, Any]:
        """What is left when everything is dropped that needs nobody who is left."""
        missing, needed_by = dict[int, int](), defaultdict[int, list[int]](list)
        for key, needs in self._needs.items():
            left = [need for need in needs if need in self._needs or need in self._certain]
            missing[key] = len(left)
            for need in left:
                needed_by[need].append(key)
        dropped = [key for key, count in missing.items() if not count]
        for key in dropped:
            del self._things[key]
            for above in needed_by.get(key, ()):
                missing[above] -= 1
                if not missing[above]:
                    dropped.append(above)
        return {**self._things, **self._certain}

    def _node_of(self, task: int) -> int | None:
        """The node that stands for a task: itself if it joins others, what it queues for, None if it can move."""
        if task in self._joins:
            return task
        wait = self._blocked.get(task) or self._queued.get(task)
        resource = wait[0]() if wait is not None else None
        return None if resource is None else id(resource)
