"""The one mutable registry: what the hooks noted and the interpreter would forget.

Laws:
- Nothing here keeps the program's objects alive: tasks are weak references, holders are ids.
- An id is believed only after a look at the object that bears it now; whoever draws a conclusion from a
  holder's id checks it against that holder's frames (see ``holds``).
- Written by the program's threads one bytecode-atomic operation at a time, so that no lock is needed.
"""

from __future__ import annotations

import sys
import weakref
from asyncio import AbstractEventLoop, Task
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from types import CodeType
from typing import Any, NamedTuple

from .acts import EXACT, MARKS, RESTING, WAKERS, End

Site = tuple[CodeType, int]
"""A code object and the offset of the instruction being executed in it."""

SITE = "_unstuck_site"
HOLDS = "_unstuck_holds"
PLACES = "_unstuck_places"
DEBTORS = "_unstuck_debtors"
PARTY = "_unstuck_party"
NOTES = (SITE, HOLDS, PLACES, DEBTORS, PARTY, WAKERS, EXACT, RESTING, *MARKS)
"""Attributes that the agent leaves on the program's locks, queues and the like."""


class OwnReference(weakref.ref[Any]):
    """A weak reference of the agent's to an object of the program's.

    Never shared with the program's own, and told apart from them: those may give somebody access again.
    """

    __slots__ = ()


SITES: dict[OwnReference, Site] = {}
"""Where those were made that can bear no note; a weak reference finds its entry as long as the thing lives."""


def site_of(thing: Any) -> Any:
    """Where a lock, queue or the like was made, as its maker's code and offset (and units); None when nobody saw."""
    site = getattr(thing, SITE, None)
    if site is not None or not SITES or not is_plain(type(thing)):
        return site
    return SITES.get(OwnReference(thing))


def is_plain(cls: Any) -> bool:
    """Whether objects of the class can be looked up by a weak reference without a line of the program being run."""
    return bool(cls.__weakrefoffset__) and cls.__hash__ is object.__hash__


class TaskRecord(weakref.ref["Task[Any]"]):
    """A weak reference to a task that also bears what was known at its birth, and the watcher's notes.

    ``code`` and ``lasti`` name the creating instruction, ``parent`` is a weak reference to the creating
    task; ``end`` is how it ended, where it is known to have woken somebody (``watched``); the other slots
    belong to the census, which fills them on its first look.
    """

    __slots__ = ("born", "code", "end", "lasti", "moved", "parent", "verdict", "watched", "witness")
    code: CodeType
    lasti: int
    parent: weakref.ref[Task[Any]] | None
    end: End
    watched: bool
    witness: int
    born: float
    moved: float
    verdict: int


class Queued(NamedTuple):
    """A wait for a resource as it was read: since when (monotonic), and the future that the task is suspended on."""

    resource: OwnReference
    since: float
    future: OwnReference


class State:
    """What the hooks know of one process."""

    def __init__(self) -> None:
        self.on = True
        """False once the agent is switched off: a hook that was under way then notes nothing more."""
        self.records: set[Any] = set()
        """Weak references to living tasks: TaskRecords, and plain ones of tasks nobody has looked at yet."""
        self.blocked: dict[int, tuple[OwnReference, float]] = {}
        """Task id to the lock or semaphore whose acquire() it is suspended in, and since when (monotonic).

        Weakly: a primitive's waiters, and so the tasks, hang on it.
        """
        self.queued: dict[int, Queued] = {}
        """The same for resources that tell no hook (anyio's), as the last census read it."""
        self.loops: weakref.WeakSet[AbstractEventLoop] = weakref.WeakSet()
        self.inherited: weakref.WeakSet[AbstractEventLoop] = weakref.WeakSet()
        """Loops that were the parent's before a fork: never to be touched here, their pipes are shared."""
        self.left_over: weakref.WeakKeyDictionary[Task[Any], int] = weakref.WeakKeyDictionary()
        """Cancellations of living tasks that their task groups have not taken back, though they are over."""
        self.oversleeping: set[int] = set()
        """Ids of loops that seem to sleep over a ready callback, until that is told: to wake them would hide it."""
        self.facts: defaultdict[str, deque[Any]] = defaultdict(_bounded)
        """What hooks saw happen, by kind of finding, for its detector to take; no live object of the program."""
        self.on_knot: Callable[[int], None] = _nothing
        """Called in the loop's thread with the id of a task whose wait closes a knot; only wakes somebody."""
        self.on_end: Callable[[AbstractEventLoop], None] = _nothing
        """Called in the loop's thread, the loop standing still, before ``asyncio.run`` cancels what is left."""
        self.tidy_orders: Callable[[], None] = _quiet
        """To be called now and then where the orders of locks are noted: forgets what is over."""

    def owns(self, loop: AbstractEventLoop) -> bool:
        """Whether the loop was made in this process."""
        return loop not in self.inherited

    def note_loop(self, loop: AbstractEventLoop) -> None:
        """There is such a loop in this process."""
        if loop not in self.loops and self.owns(loop) and not loop.is_closed():
            self.loops.add(loop)

    def disown(self) -> None:
        """In a forked child: the parent's loops and waits are not ours."""
        self.inherited = weakref.WeakSet([*self.inherited, *self.loops])
        self.loops = weakref.WeakSet()
        self.blocked.clear()
        self.queued.clear()
        self.facts.clear()

    def waits(self) -> Iterator[tuple[int, Any, float]]:
        """Who waits for which resource since when: task id, resource, monotonic seconds."""
        read = [(key, (wait.resource, wait.since)) for key, wait in list(self.queued.items())]
        for key, (known, since) in [*list(self.blocked.items()), *read]:
            resource = known()
            if resource is not None:
                yield key, resource, since

    def task_by_id(self, key: int) -> Task[Any] | None:
        """The living task at that address, in constant time."""
        probe = _Probe(key)
        try:
            return probe.found if probe in self.records else None
        except RuntimeError:  # another thread resized the set
            return next((task for task in self.tasks() if id(task) == key), None)

    def record_of(self, task: Task[Any]) -> TaskRecord | None:
        """The record noted at the task's creation, or None when it was made behind our back."""
        probe = _Probe(id(task))
        return probe.record if probe in self.records and isinstance(probe.record, TaskRecord) else None

    def tasks(self) -> Iterator[Task[Any]]:
        """All living tasks, done ones included."""
        for record in list(self.records):
            task = record()
            if task is not None:
                yield task


class _Probe:
    """Finds the weak reference of a task by the task's id alone.

    A weak reference hashes like its referent and a task hashes by its address, so a probe with that hash
    meets the right entry, whose comparison falls back to ours.
    """

    __slots__ = ("found", "key", "record")

    def __init__(self, key: int) -> None:
        self.key = key
        self.found: Task[Any] | None = None
        self.record: Any = None

    def __hash__(self) -> int:
        return hash_of_address(self.key)

    def __eq__(self, record: object) -> bool:
        referent = record() if isinstance(record, weakref.ref) else None
        if referent is None or id(referent) != self.key:
            return False
        self.found, self.record = referent, record
        return True


def is_ours(callback: Any) -> bool:
    """Whether a callback is one that the agent has put there."""
    return str(getattr(callback, "__module__", "")).startswith(__name__.partition(".")[0] + ".")


_BITS = sys.maxsize.bit_length() + 1


def hash_of_address(address: int) -> int:
    """What ``object.__hash__`` makes of an object at this address (CPython's Py_HashPointer)."""
    turned = (address >> 4) | (address << (_BITS - 4)) & ((1 << _BITS) - 1)
    return turned - (1 << _BITS) if turned >> (_BITS - 1) else turned


def _nothing(_what: object) -> None:
    """Nobody listens."""


def _quiet() -> None:
    """There is nothing to do."""


def _bounded() -> deque[Any]:
    return deque(maxlen=1_000)
