"""Children of the task groups that a task is in the body of: one that fails cancels the body.

Laws:
- Any entered manager that starts tasks and keeps a set of them counts (asyncio's TaskGroup and anyio's).
- The task's own groups and those of whoever awaits it. Not its siblings in the group it was started in: a
  handler in a server's group would then never be proven stuck, for another handler might fail.
- Nor an anyio group whose cancellation a shield keeps from the task.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from .attributes import follow, instance_attributes, is_a, items
from .bare import is_bare
from .managers import within
from .scopes import is_scope, shielded_from
from .stacks import chain
from .waits.joiners import cancellers
from .waits.reading import callbacks

_MOST = 1_000


def endangered(tasks: list[Any], pause: Callable[[], None]) -> list[Any]:
    """Those of the tasks that would be cancelled if a child that is not among the tasks failed."""
    known = set(map(id, tasks))
    found = []
    for task in tasks:
        pause()
        if any(id(child) not in known for child in group_children(task)):
            found.append(task)
    return found


def group_children(task: Any) -> tuple[Any, ...]:
    """Unfinished children of the groups around the task's wait, and around those who hand cancellation on to it."""
    if is_bare(task) and not callbacks(task):
        return ()
    found: dict[int, Any] = {}
    seen, todo = set[int](), [task]
    while todo and len(seen) < _MOST:
        current = todo.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        for child in _own_children(current):
            found[id(child)] = child
        todo.extend(cancellers(current, groups=False))
    found.pop(id(task), None)
    return tuple(found.values())


def _own_children(task: Any) -> list[Any]:
    if is_bare(task):
        return []
    children, beyond = [], shielded_from(task)
    for link in chain(task.get_coro()):
        for entered in within(link):
            cls, scope = type(entered.manager), follow(entered.manager, ("cancel_scope",))
            if id(scope) in beyond or not (hasattr(cls, "create_task") or hasattr(cls, "start_soon")):
                continue
            kept = instance_attributes(entered.manager).get("_tasks")
            if kept is None and is_scope(scope):  # anyio up to 4.1
                kept = scope._tasks
            if is_a(kept, set):
                children += [each for each in items(kept, _MOST) if is_a(each, asyncio.Task) and not each.done()]
    return [child for child in children if child is not task]
