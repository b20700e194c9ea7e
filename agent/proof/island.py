"""The island: suspended tasks and the objects around them, with the references among these.

Laws:
- A member is expanded (its references count as coming from within) or not (they count as from outside).
  Either is sound. Expanded at once is what waits are made of: tasks, coroutines, futures, callbacks, cells,
  asyncio's primitives. Other objects are expanded when that can matter (``growth``).
- Never a member: what the whole program shares or can lead nowhere: modules, classes, globals, loops,
  contexts, strings and numbers. Never expanded: containers beyond MOST_ITEMS.
- Strong references are held for the duration of a proof only.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import gc
import threading
import types
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from .owned import awaited_by, hidden_dict, owned_by_frame

IGNORE, GATE, PART, OTHER = range(4)
MOST_ITEMS = 10_000
_MOST_MEMBERS = 400_000
_NOTHING = (
    str, bytes, bytearray, int, float, complex, type(None), type(Ellipsis), range, memoryview, type, types.ModuleType,
    types.CodeType, types.GetSetDescriptorType, types.MemberDescriptorType, property, asyncio.AbstractEventLoop,
    contextvars.Context, contextvars.ContextVar, threading.Thread,
)  # fmt: skip
FRAMED = (types.CoroutineType, types.GeneratorType, types.AsyncGeneratorType)
_PARTS = (
    *FRAMED, asyncio.Future, types.CellType, types.FunctionType, types.MethodType, types.BuiltinMethodType,
    types.MethodWrapperType, types.FrameType, types.TracebackType, functools.partial, asyncio.Lock, asyncio.Event,
    asyncio.Condition, asyncio.Semaphore, asyncio.Barrier, asyncio.Queue, asyncio.TaskGroup, asyncio.Timeout,
    asyncio.Handle, deque, tuple,
)  # fmt: skip
_WRAPPERS = (
    "FutureIter", "TaskStepMethWrapper", "coroutine_wrapper", "anext_awaitable", "async_generator_asend",
    "async_generator_athrow",
)  # fmt: skip
_CONTAINERS = (dict, list, set, frozenset, tuple, deque)
_CHUNK = 100


class StandIn:
    """What the self-test uses for a task: a coroutine suspended on ``_fut_waiter``."""

    __slots__ = ("__weakref__", "_fut_waiter", "coro")

    def __init__(self, coro: Any, future: Any) -> None:
        self.coro, self._fut_waiter = coro, future
        future.add_done_callback(self.__wakeup)

    def __wakeup(self, _future: Any) -> None: ...

    def done(self) -> bool:
        """Never."""
        return False

    def get_coro(self) -> Any:
        """As a task's."""
        return self.coro


class Island:
    """Members by number. ``out`` gives the numbers an expanded member refers to, with repetition."""

    def __init__(self, breathe: Callable[[], None] | None = None) -> None:
        self.members: list[Any] = []
        self.number: dict[int, int] = {}
        self.kinds: list[int] = []
        self.out: list[tuple[int, ...] | None] = []
        self.raw: list[tuple[int, ...]] = []
        """Ids of all that an expanded member refers to, in the collector's order."""
        self.within: list[int] = []
        """How many references to each member come from within."""
        self.views: dict[int, list[int]] = {}
        """What is reached by a member that is only a view of it: an instance by its dict, a coroutine by its frame."""
        self.chained: set[int] = set()
        """Coroutines that a task is suspended in: like the task itself they can be held, and no more."""
        self.own: set[int] = set()
        """Members that belong to the agent: nobody reaches anything by them."""
        self._policy: dict[type, int] = {}
        self._todo: list[int] = []
        self._breathe, self._count = breathe, 0

    def add_tasks(self, tasks: Iterable[Any]) -> None:
        """Enter suspended tasks and expand what is around them."""
        for task in tasks:
            if id(task) not in self.number:
                self._enter(task)
                self.drain()

    def add_own(self, things: Iterable[Any]) -> None:
        """Enter objects of the agent's that refer to members."""
        for thing in things:
            if any(id(each) in self.number for each in gc.get_referents(thing)):
                number = self._enter(thing)
                if number is not None:
                    self.own.add(number)
                    self._expand(number)
        self.drain()

    def expand(self, number: int) -> None:
        """Count what a member refers to as coming from within, and so on for the parts it leads to."""
        self._expand(number)
        self.drain()

    def may_expand(self, number: int, most: int = MOST_ITEMS) -> bool:
        """Whether a member is yet to be expanded and of no more than ``most`` items."""
        thing = self.members[number]
        return self.out[number] is None and not (isinstance(thing, _CONTAINERS) and len(thing) > most)

    @property
    def is_full(self) -> bool:
        """Whether the bound on members was reached; what was left out counts as outside."""
        return len(self.members) >= _MOST_MEMBERS

    def narrowed(self, keep: Iterable[int]) -> Island:
        """The island of these members alone; what they refer to besides is left out."""
        kept = sorted(keep)
        renumbered = {old: new for new, old in enumerate(kept)}
        island = Island()
        island.members = [self.members[old] for old in kept]
        island.kinds, island.raw = [self.kinds[old] for old in kept], [self.raw[old] for old in kept]
        island.number = {id(thing): new for new, thing in enumerate(island.members)}
        island.out = [_renumber(self.out[old], renumbered) for old in kept]
        island.within = [0] * len(kept)
        for out in island.out:
            for each in out or ():
                island.within[each] += 1
        island.views = {
            renumbered[old]: list(_renumber(tuple(views), renumbered) or ())
            for old, views in self.views.items()
            if old in renumbered
        }
        island.chained = {renumbered[old] for old in self.chained if old in renumbered}
        island.own = {renumbered[old] for old in self.own if old in renumbered}
        island.add_dicts()
        return island

    def add_dicts(self) -> None:
        """Enter the dicts that expanded members own without the collector saying so."""
        for number in [n for n, out in enumerate(self.out) if out is not None]:
            attributes = hidden_dict(self.members[number])
            if attributes is None or id(attributes) in self.number:
                continue
            self._shrink(number)
            self._expand(number)
            listed = self.number.get(id(attributes))
            found = self._enter(attributes) if listed is None else listed
            if found is not None and listed is None:
                self.within[found] += 1
                self.views[found] = [number]
            if found is not None:
                self._expand(found)

    def _shrink(self, number: int) -> None:
        for each in self.out[number] or ():
            self.within[each] -= 1
        self.out[number] = None

    def drain(self) -> None:
        """Expand the parts met so far."""
        while self._todo and not self.is_full:
            self._expand(self._todo.pop())

    def _expand(self, number: int) -> None:
        if self.out[number] is not None:
            return
        thing = self.members[number]
        referents = gc.get_referents(thing)
        self.raw[number] = tuple(map(id, referents))
        if isinstance(thing, FRAMED):
            referents = owned_by_frame(thing)
        self.out[number] = numbers = self._numbers(referents, _globals_of(thing))
        for each in numbers:
            self.within[each] += 1
        self._note_chain(number, thing)
        self._note_views(number, thing, numbers)
        self._pause()

    def _numbers(self, things: list[Any], cut: tuple[int, ...]) -> tuple[int, ...]:
        numbers = []
        for thing in things:
            found = self.number.get(id(thing))
            if found is None and id(thing) not in cut:
                found = self._enter(thing)
            if found is not None:
                numbers.append(found)
        return tuple(numbers)

    def _enter(self, thing: Any) -> int | None:
        cls = type(thing)
        policy = self._policy.get(cls)
        if policy is None:
            policy = self._policy[cls] = _policy_of(cls)
        if policy == IGNORE:
            return None
        number = self.number[id(thing)] = len(self.members)
        self.members.append(thing)
        self.kinds.append(policy)
        self.out.append(None)
        self.raw.append(())
        self.within.append(0)
        if (policy == PART or (policy == GATE and is_parked(thing))) and self.may_expand(number):
            self._todo.append(number)
        return number

    def _note_chain(self, number: int, thing: Any) -> None:
        """The coroutine below a task, and the one below a coroutine in such a chain."""
        inner = None
        if self.kinds[number] == GATE:
            inner = thing.get_coro()
        elif number in self.chained:
            inner = _awaited(thing)
        if inner is not None and id(inner) in self.number:
            self.chained.add(self.number[id(inner)])

    def _note_views(self, number: int, thing: Any, numbers: tuple[int, ...]) -> None:
        if isinstance(thing, _CONTAINERS):
            return
        for each in numbers:
            if type(self.members[each]) in (dict, types.FrameType):
                self.views.setdefault(each, []).append(number)

    def _pause(self) -> None:
        self._count += 1
        if self._breathe is not None and not self._count % _CHUNK:
            self._breathe()


def is_parked(task: Any) -> bool:
    """Whether a task is suspended on a future that is not done."""
    future = getattr(task, "_fut_waiter", None)
    return future is not None and not future.done() and not task.done()


def _renumber(numbers: tuple[int, ...] | None, renumbered: dict[int, int]) -> tuple[int, ...] | None:
    if numbers is None:
        return None
    return tuple([renumbered[each] for each in numbers if each in renumbered])


def _policy_of(cls: type) -> int:
    if issubclass(cls, (asyncio.Task, StandIn)):
        return GATE
    if issubclass(cls, _NOTHING):
        return IGNORE
    return PART if issubclass(cls, _PARTS) or cls.__name__ in _WRAPPERS else OTHER


def _globals_of(thing: Any) -> tuple[int, ...]:
    if isinstance(thing, types.FunctionType):
        return id(thing.__globals__), id(getattr(thing, "__builtins__", None))
    return ()


def _awaited(thing: Any) -> Any:
    if isinstance(thing, FRAMED):
        return awaited_by(thing)
    driven = [each for each in gc.get_referents(thing) if isinstance(each, FRAMED)]
    return driven[0] if driven and type(thing).__name__ in _WRAPPERS else None
