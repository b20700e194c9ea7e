"""In which order tasks take locks: noted at each acquisition by a task that holds another lock.

Laws:
- While no more than one lock is held in the whole process, the lock hooks remember just that one, and this
  module is not asked. It is when a lock is taken while another is held: from then on it knows who holds
  what, exactly, until a look around finds no more than one held again.
- A hold is believed only as long as the lock's own note says so (``locks``), so what is over needs no report.
- An order is noted once for each pair of locks, place of the inner acquisition and task, for the first few
  tasks; where one place meets many pairs of locks made at the same two places, for the first many pairs.
- An order that closes a knot there and then is none of ours: it is a deadlock, or something ends it.
- Nothing of the program is kept alive but code objects: weak references, numbers, names.
- It never raises: what goes wrong ends the noting of orders, and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import sys
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType
from typing import Any

from ..attributes import own
from ..state import PARTY, SITE, OwnReference, Site, State

KIND = "lock-order"
BUSY: Any = object()
"""Stands for the one lock that is held where it is not just one."""

_Lock: Any = asyncio.Lock
_MOST_TASKS = 3
_MOST_ORDERS = 5_000
_MOST_PAIRS = 64
_MOST_FRAMES = 40
_MOST_PASSING = 5
_LOOK_AROUND = 16
_RUN = asyncio.Handle._run.__code__
_PASSING: tuple[Any, ...] = (
    asyncio.wait_for,
    asyncio.Condition.__aenter__,
    asyncio.Condition.wait,
    asyncio.Condition.wait_for,
    contextlib.AsyncExitStack.enter_async_context,
)


class Party:
    """A lock as one of those taken: its number in this process, where it was made, and itself, weakly."""

    __slots__ = ("made", "reference", "serial", "usual")

    def __init__(self, lock: Any, serial: int) -> None:
        self.serial = serial
        self.usual: tuple[Any, ...] = (0, None, -1, None)
        """Where it was taken last while one other lock was held, in an order that is known: the serial number of that
        one, code and offset, and the task that is known for it; None when more would not be noted."""
        self.made: Site | None = getattr(lock, SITE, None)
        self.reference = OwnReference(lock)


Hold = tuple[Party, Site | None]
"""A lock that is held, and where it was taken, when that is known."""


@dataclass(frozen=True, slots=True, eq=False)
class Order:
    """A task that held some locks, outermost first, took ``inner`` at ``place``, or had to wait for it there.

    ``stack`` is where it stood, innermost first; ``key`` and ``name`` are the task's.
    """

    outer: Party
    inner: Party
    held: tuple[Hold, ...]
    place: Site
    stack: tuple[Site, ...]
    task: weakref.ref[Any]
    key: int
    name: str
    coro: str


class Orders:
    """Who holds which locks, outermost first, while it is more than one; and which orders were seen."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.passing = {id(function.__code__) for function in _PASSING}
        """Ids of code objects that only pass an acquisition on; the hooks add their own."""
        self._held: dict[int, list[Hold]] = {}
        self._seen: dict[Any, dict[int, weakref.ref[Any]]] = {}
        self._pairs: dict[Any, int] = {}
        self._serials = itertools.count(1)
        self._turns = 0

    def taken(self, lock: Any, current: Any, before: Any) -> Any:  # noqa: C901 - each call would cost
        """``lock`` was taken by the ``current()`` task while ``before`` was held: the only one held now, or BUSY.

        To be called by a hook that the program's function has called.
        """
        try:
            if before is not BUSY and before is not None:
                self._register(before, lock)
            task, held = current(), self._held
            key = id(task)
            try:
                party = lock._unstuck_party if type(lock) is _Lock else self._party(lock)
            except AttributeError:
                party = self._party(lock)
            mine = held.get(key)
            if mine is None:
                held[key] = [(party, None)]
            elif len(mine) > 1 or mine[0][0] is not party:
                still: list[Hold] = []
                for hold in mine:
                    if hold[0] is not party and (other := hold[0].reference()) is not None:
                        note = other._locked
                        if note == key or (type(note) is tuple and id(note[0]()) == key):
                            still.append(hold)
                still.append((party, self._note(lock, party, task, still) if still else None))
                held[key] = still
            self._turns += 1
            if self._turns < _LOOK_AROUND + len(held):
                return BUSY
            self._look_around()
            if len(held) > 1 or len(held.get(key, "")) != 1 or type(lock) is not asyncio.Lock:
                return BUSY
            held.clear()
            return lock
        except Exception:  # noqa: BLE001 - nothing may reach the program
            return None

    def wanted(self, lock: Any, current: Any, before: Any, in_vain: bool) -> None:
        """``lock`` is about to be waited for, as above. ``in_vain``: by all appearances for ever, and that is told."""
        try:
            if before is not BUSY:
                self._register(before, lock)
            task = current()
            mine = [hold for hold in self._held.get(id(task), ()) if _is_held(hold, id(task))]
            if mine:
                self._note(lock, self._party(lock), task, mine, in_vain)
        except Exception:  # noqa: BLE001 - nothing may reach the program
            return

    def tidied(self, before: Any) -> Any:
        """The same at some later time: BUSY or None, so that no lock is kept."""
        if before is not None:
            self._register(before, None)
        self._look_around()
        return BUSY if self._held else None

    def _register(self, before: Any, lock: Any) -> None:
        if before is not BUSY and before is not lock and (owner := _owner_of(before)):
            self._held[owner] = [(self._party(before), None)]

    def _look_around(self) -> None:
        self._turns = 0
        for key, mine in list(self._held.items()):
            holding = [hold for hold in mine if _is_held(hold, key)]
            if holding:
                self._held[key] = holding
            else:
                self._held.pop(key, None)

    def _party(self, lock: Any) -> Party:
        found: Party | None = own(lock, PARTY)
        if found is None:
            found = Party(lock, next(self._serials))
            object.__setattr__(lock, PARTY, found)
        return found

    def _note(self, lock: Any, inner: Party, task: Any, mine: list[Hold], quietly: bool = False) -> Site:
        """Note all orders that end in this lock; give the place at which it is taken."""
        first = sys._getframe(3)
        code = first.f_code
        serial, usual_code, usual_offset, usual_task = inner.usual
        if code is usual_code and len(mine) == 1 and mine[0][0].serial == serial and type(lock) is _Lock:
            offset = first.f_lasti
            if offset == usual_offset and (usual_task is None or usual_task() is task):
                return code, offset
        simple = id(code) not in self.passing and type(lock) is _Lock
        place = (code, first.f_lasti) if simple else self._place(first)
        key, where, all_seen = id(task), (id(place[0]), place[1]), self._seen
        for outer, _taken in mine:
            seen = all_seen.get((outer.serial, inner.serial, where))
            known = seen.get(key) if seen is not None else None
            enough = seen is not None and len(seen) >= _MOST_TASKS
            if enough or (known is not None and known() is task):
                if simple:
                    inner.usual = (outer.serial, *place, None if enough else known)
                continue
            if outer is not inner and self._is_news(outer, inner, where, task) and not quietly:
                self._tell(outer, inner, mine, place, first, task)
        return place

    def _place(self, frame: FrameType) -> Site:
        """Where the program takes the lock, if this frame calls for it: what only passes the call on is left out.

        That may be an acquire() of the lock's own class, which our ``__aenter__`` has called.
        """
        near = list(itertools.islice(_outward(frame), _MOST_PASSING))
        passing = [number for number, each in enumerate(near) if id(each.f_code) in self.passing]
        frame = near[min(passing[-1] + 1, len(near) - 1)] if passing else frame
        return frame.f_code, frame.f_lasti

    def _is_news(self, outer: Party, inner: Party, where: tuple[int, int], task: Any) -> bool:
        key = outer.serial, inner.serial, where
        facts = self.state.facts[KIND]
        if key not in self._seen and not self._is_new_pair(outer, inner, where):
            return False
        if len(facts) >= (facts.maxlen or 0):
            return False  # to be said another time
        if len(self._seen) >= _MOST_ORDERS:
            del self._seen[next(iter(self._seen))]
        self._seen.setdefault(key, {})[id(task)] = weakref.ref(task)
        return True

    def _is_new_pair(self, outer: Party, inner: Party, where: tuple[int, int]) -> bool:
        """Of locks made at two places a few pairs tell all. Of those made at one, each pair matters."""
        if outer.made is None or inner.made is None or outer.made == inner.made:
            return True
        key = (id(outer.made[0]), outer.made[1], id(inner.made[0]), inner.made[1], where)
        if len(self._pairs) >= _MOST_ORDERS:
            self._pairs.clear()
        count = self._pairs[key] = self._pairs.get(key, 0) + 1
        return count <= _MOST_PAIRS

    def _tell(self, outer: Party, inner: Party, mine: list[Hold], place: Site, first: FrameType, task: Any) -> None:
        coro = task.get_coro()
        self.state.facts[KIND].append(
            Order(
                outer=outer,
                inner=inner,
                held=tuple((party, taken or self._noted(party)) for party, taken in mine),
                place=place,
                stack=tuple((each.f_code, each.f_lasti) for each in itertools.islice(_outward(first), _MOST_FRAMES)),
                task=weakref.ref(task),
                key=id(task),
                name=task.get_name(),
                coro=str(getattr(coro, "__qualname__", type(coro).__qualname__)),
            )
        )

    def _noted(self, party: Party) -> Site | None:
        """Where a lock was taken by hand."""
        lock = party.reference()
        note = getattr(lock, "_locked", None)
        if type(note) is not tuple or type(lock) is not asyncio.Lock or id(note[1]) in self.passing:
            return None
        return note[1:]


def _owner_of(lock: Any) -> int:
    """The id of the task that holds the lock, 0 when nobody is known to."""
    note = lock._locked
    if type(note) is tuple:
        return id(note[0]())
    return note if type(note) is int else 0


def _is_held(hold: Hold, key: int) -> bool:
    """Whether the task with that id still holds it."""
    lock = hold[0].reference()
    if lock is None:
        return False
    note = lock._locked
    return note == key or (type(note) is tuple and id(note[0]()) == key)


def _outward(frame: FrameType | None) -> Iterator[FrameType]:
    """This frame and those it returns to, up to the event loop's."""
    while frame is not None and frame.f_code is not _RUN:
        yield frame
        frame = frame.f_back
