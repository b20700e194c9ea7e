"""Who acted on a primitive that has no owner: what the hooks note about wakers, and how these ended.

Laws:
- A note keeps none of the program's objects alive: tasks are weak references, all else is code objects,
  strings and numbers.
- One note for each actor and kind of act, at its first act; how often it acts afterwards is not counted.
- The list is bounded. Where actors do not fit or come and go by the dozen, MANY takes its place: such a
  primitive has wakers that nobody could list, and nothing is ever concluded from it.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from types import CodeType
from typing import Any, NamedTuple

WAKERS = "_unstuck_wakers"
"""The attribute of a primitive that bears the list of its acts; a single one may stand there by itself."""
SETTER, PUTTER, TAKER = "_unstuck_setter", "_unstuck_putter", "_unstuck_taker"
FINISHER, NOTIFIER, RELEASER = "_unstuck_finisher", "_unstuck_notifier", "_unstuck_releaser"
"""Marks: the attributes of a primitive that bear a reference to the last one who acted, by kind of act."""
EXACT = "_unstuck_exact"
"""Whether each new taker of a queue counts: it does where putters may wait, or task_done() is called."""
RESTING, REST = "_unstuck_rest", 7
"""How many of the next acts on an event pass without a look, and how many after one by the same actor again."""
MARKS = (SETTER, PUTTER, TAKER, FINISHER, NOTIFIER, RELEASER)
SET, PUT, GET, DONE, NOTIFY, RELEASE, SHUTDOWN = "set", "put", "get", "task_done", "notify", "release", "shutdown"

FIRST = 0.0
"""The time of an act before all others on its primitive: when it was is of no consequence, and not asked for."""
MOST_ACTS = 16
"""Notes on one primitive."""
CALLBACK = "a callback"
"""Stands for an actor that is no task but runs in the loop."""
UNKNOWN_TASK = "a task unknown"
"""Stands for a task whose creation nobody saw."""


class _Nobody:
    """Something that is no task, and lives as long as this module."""


_nobody: Any = _Nobody()
NOBODY: weakref.ref[Any] = weakref.ref(_nobody)
"""The mark of a primitive on which nobody has acted yet."""
BY_CALLBACK: weakref.ref[Any] = weakref.ref(_Nobody())
"""The mark left by a callback: it leads to None, as asking for the running task does there."""


@dataclass(frozen=True, slots=True)
class End:
    """How a task ended: ``how`` is returned, cancelled or raised; ``when`` is monotonic seconds."""

    name: str
    when: float
    how: str
    error: str = ""
    """Type of the exception and, where that can be told without running code of the program, its text."""
    place: tuple[str, int, str] | None = None
    """File, line and function in which the exception was raised."""
    code: CodeType | None = None
    """What its coroutine ran: whoever can call this can start such a task again."""


class Act(NamedTuple):
    """The first act of one actor on one primitive. The hooks enter plain tuples of this shape."""

    kind: str
    record: Any
    """The TaskRecord of the acting task; None when it was no task."""
    who: str
    """What acted, if it was no task: CALLBACK, or the thread's name."""
    code: CodeType | None
    lasti: int
    """Where in ``code`` the act was called for; without a code, by the loop itself."""
    when: float
    """Monotonic seconds; FIRST for an act that stands first in the list."""


MANY = Act("", None, "many", None, -1, 0.0)
"""Stands first and alone in the list of a primitive whose actors are too many to be listed."""
