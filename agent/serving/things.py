"""The resources that somebody waits for: who holds them, how many queue, how they are called.

Laws:
- There is one as long as a task's row says that it waits for it; a bare future only where several await it.
- Read without running code of the program's. Kept weakly; its address is believed only while it is the same object.
- A good name takes a search, so there is a plain one at first, and the good one when there is time. No two things
  that are there together have one name.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from .. import wire
from ..attributes import own
from ..names import name_all
from ..resources import holder_ids, is_connection_pool, is_resource, type_name, units, waiters
from ..stacks import chain
from ..state import SITE, OwnReference, State
from ..views import resource_id
from .lore import Lore

if TYPE_CHECKING:
    from .entries import Entry

_MOST_NAMED = 50
_MOST_NAME = 200
_MOST_HOLDERS = 100


class Thing:
    """A resource, and the entries of the tasks that wait for it, the longest waiting first."""

    __slots__ = ("id", "made", "name", "ref", "row", "users")

    def __init__(self, resource: Any) -> None:
        self.ref = OwnReference(resource)
        self.id = resource_id(resource)
        self.users: dict[Entry, None] = {}
        self.row: wire.Resource | None = None
        self.made: wire.Spot | None = None
        self.name = ""


class Things:
    """All of them, by address. ``wall`` makes seconds since the epoch of monotonic ones."""

    def __init__(self, state: State, lore: Lore, wall: Callable[[float], float], troubles: dict[str, str]) -> None:
        self.state, self.wall, self.troubles = state, wall, troubles
        self._lore = lore
        self.known: dict[int, Thing] = {}
        self.unseen: set[Thing] = set()
        """Those that have not been looked at yet."""
        self.nameless: dict[Thing, None] = {}
        """Those whose good name was not searched for yet."""
        self._over: list[Thing] = []
        self._held: defaultdict[int, list[str]] | None = None
        self._taken: Counter[str] = Counter()

    def use(self, resource: Any, user: Entry) -> Thing | None:
        """A task waits for this one now."""
        thing = self.known.get(id(resource))
        if thing is None or thing.ref() is not resource:
            if thing is not None:
                self._drop(thing)
            if _is_bare(resource) and len(resource._callbacks or ()) < 2:
                return None
            try:
                thing = self.known[id(resource)] = Thing(resource)
            except TypeError:  # of the program's own make, without weak references
                return None
            self.unseen.add(thing)
            self.nameless[thing] = None
            site = getattr(resource, SITE, None)
            thing.made = self._lore.spot(site[0], site[1]) if site else None
            self._call(thing, self._lore.assigned(site) or _plain_name(resource))
        thing.users[user] = None
        return thing

    def leave(self, thing: Thing, user: Entry) -> None:
        """That task waits for it no more."""
        thing.users.pop(user, None)

    def refresh(self, until: float) -> list[Thing]:
        """Those that have changed since the last look, which ends at ``until``, as the thread's clock has it."""
        changed, self._held = [], None
        for key, thing in list(self.known.items()):
            resource = thing.ref()
            if resource is None or not thing.users:
                self._drop(self.known.pop(key))
                continue
            self.unseen.discard(thing)
            row = self._row_of(thing, resource)
            if row != thing.row:
                thing.row = row
                changed.append(thing)
            self.known[key] = self.known.pop(key)  # the next look begins with those that this one does not reach
            if time.thread_time() > until:
                break
        return changed

    def held_by(self, task: int) -> list[str]:
        """The ids of those of them that a task holds, as far as they know that themselves."""
        if self._held is None:
            self._held = defaultdict(list)
            for thing in self.known.values():
                for holder in _holders(thing.ref()):
                    self._held[holder].append(thing.id)
        return self._held.get(task, [])

    def take_over(self) -> list[Thing]:
        """Those that nobody waits for any more."""
        taken, self._over = self._over, []
        return taken

    def find_names(self, known: Mapping[str, str]) -> None:
        """Search good names for some that have none: the ``known`` ones by id, others from the frames that wait."""
        wanted = sorted(self.nameless, key=lambda each: -len(each.users))[:_MOST_NAMED]
        things = {id(resource): (thing, resource) for thing in wanted if (resource := thing.ref()) is not None}
        for thing in wanted:
            del self.nameless[thing]
        try:
            names = name_all([resource for _, resource in things.values()], self._links(things.values()))
        except Exception as failed:  # noqa: BLE001 - the search leads through whatever the program has
            self.troubles["names"] = repr(failed)
            return
        for key, (thing, _) in things.items():
            self._uncall(thing)
            self._call(thing, known.get(thing.id) or names[key])

    def _links(self, things: Iterable[tuple[Thing, Any]]) -> list[Any]:
        """The frames of one waiter and of the holders of each."""
        tasks: dict[int, Any] = {}
        for thing, resource in things:
            waiter = next(iter(thing.users)).record() if thing.users else None
            holders = [self.state.task_by_id(key) for key in _holders(resource)]
            tasks |= {id(task): task for task in (waiter, *holders) if task is not None}
        return [link for task in tasks.values() for link in chain(task.get_coro())]

    def _call(self, thing: Thing, name: str) -> None:
        name = name[:_MOST_NAME]
        thing.name = name if self._taken[name] <= 0 else f"{name} ({thing.id.rpartition('-')[2]})"
        self._taken[thing.name] += 1

    def _drop(self, thing: Thing) -> None:
        if thing.row is not None:
            self._over.append(thing)
        self.unseen.discard(thing)
        self.nameless.pop(thing, None)
        self._uncall(thing)

    def _uncall(self, thing: Thing) -> None:
        self._taken[thing.name] -= 1
        if self._taken[thing.name] <= 0:
            del self._taken[thing.name]

    def _row_of(self, thing: Thing, resource: Any) -> wire.Resource | None:
        try:
            return self._row(thing, resource)
        except Exception as failed:  # noqa: BLE001 - a primitive of the program's own make may be anything
            self.troubles["resources"] = repr(failed)
            return thing.row

    def _row(self, thing: Thing, resource: Any) -> wire.Resource:
        used, total = _units(resource)
        first = next(iter(thing.users))
        return wire.Resource(
            thing.id,
            "future" if _is_bare(resource) else type_name(resource),
            thing.name,
            thing.made,
            tuple(f"task-{key:x}" for key in _holders(resource)[:_MOST_HOLDERS]),
            max(waiters(resource), len(thing.users)),
            self.wall(first.since),
            used,
            total,
        )


def _plain_name(resource: Any) -> str:
    return type_name(resource) if is_connection_pool(resource) else type(resource).__name__


def _is_bare(resource: Any) -> bool:
    return isinstance(resource, asyncio.Future)


def _holders(resource: Any) -> tuple[int, ...]:
    return holder_ids(resource) if is_resource(resource) else ()


def _units(resource: Any) -> tuple[int | None, int | None]:
    """Used and total: units of a semaphore or limiter, items of a queue and its size."""
    if isinstance(resource, asyncio.Queue):
        return len(own(resource, "_queue", ())), own(resource, "_maxsize")
    total = units(resource)
    if is_connection_pool(resource):
        return total, total
    if total is None:
        return None, None
    free = own(resource, "_value")
    used = total - free if isinstance(free, int) else len(own(resource, "_borrowers", ()))
    return used, total
