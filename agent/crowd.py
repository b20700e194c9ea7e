"""Who stands behind a deadlock: everybody who waits for one of its tasks, directly or through others.

Laws:
- Read from the holders' notes and the done-callbacks of what is joined, in one pass over the blocked tasks;
  nobody is asked.
- Who waits with a timeout is no victim: he will move on, and so will those behind him. That is looked up for
  the first _MOST_LOOKS only; a larger crowd is counted as it stands.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from .deadlines import own_deadline
from .pace import breathe
from .resources import holder_ids
from .state import State
from .waits.joiners import joiners

_MOST = 100_000
_MOST_LOOKS = 500


def behind(core: list[Any], state: State) -> list[Any]:
    """The tasks behind these core tasks, nearest first."""
    queues: dict[int, list[int]] = defaultdict(list)
    held: dict[int, list[int]] = defaultdict(list)
    for key, resource, _since in state.waits():
        if id(resource) not in queues:
            for holder in holder_ids(resource):
                held[holder].append(id(resource))
        queues[id(resource)].append(key)
    found: dict[int, Any] = {id(task): task for task in core}
    todo = list(core)
    for count, task in enumerate(todo, 1):
        if not count % _MOST_LOOKS:
            breathe()
        waiting = [state.task_by_id(key) for resource in held.get(id(task), ()) for key in queues[resource]]
        for victim in (*waiting, *joiners(task)):
            if victim is None or id(victim) in found or len(found) >= _MOST:
                continue
            if len(found) < _MOST_LOOKS and _moves_on(victim):
                continue
            found[id(victim)] = victim
            todo.append(victim)
    return list(found.values())[len(core) :]


def _moves_on(task: Any) -> bool:
    due = own_deadline(task, {})
    return due is not None and due.sure
