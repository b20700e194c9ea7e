"""The island: suspended tasks and the objects around them, with the references among these.

Laws:
- A member is expanded (its references count as coming from within) or not (they count as from outside).
  Either is sound. Expanded at once is what waits are made of: tasks, coroutines, futures, callbacks, cells,
  asyncio's primitives. Other objects are expanded when that can matter (``growth``).
- Never a member: what the whole program shares or can lead nowhere (``kinds``). Never expanded: containers
  beyond MOST_ITEMS.
- Strong references are held for the duration of a proof only. Links are kept in flat lists of numbers: an
  object for each would make the collector walk the program's whole heap again and again.
"""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from ..attributes import is_a
from .kinds import DICT, FRAME, FRAME_OBJECT, FUNCTION, GATE, OTHER, PART, ROW, Kinds, is_parked
from .owned import awaited_by, leads_nowhere, own_dict, owned_by_frame, owned_by_function, show_attributes

MOST_ITEMS = 10_000
_MOST_MEMBERS = 400_000
_CHUNK = 150
_AT_ONCE = 100
_CONTAINERS = (dict, list, set, frozenset, tuple, deque)


class Island:
    """Members by number, in parallel lists: ``members``, ``kinds``, ``within`` (references from within to each)."""

    def __init__(self, breathe: Callable[[], None] | None = None) -> None:
        self.members: list[Any] = []
        self.number: dict[int, int] = {}
        self.kinds: list[int] = []
        self.within: list[int] = []
        self.views: dict[int, int] = {}
        """What is reached by a member that is only a view of it: a coroutine by its frame, an instance by its dict."""
        self.chained: set[int] = set()
        """Coroutines that a task is suspended in: like the task itself they can be held, and no more."""
        self.waiter: dict[int, int] = {}
        """A gate that awaits this future; ``other_waiter`` leads from it to the next one."""
        self.other_waiter: dict[int, int] = {}
        self.awaited: dict[int, int] = {}
        """The future that a gate was found to await."""
        self.own: set[int] = set()
        """Members that belong to the agent: nobody reaches anything by them."""
        self._links: list[int] = []
        self._first: list[int] = []
        self._last: list[int] = []
        self._raw: dict[int, tuple[int, int]] = {}
        self._raw_ids: list[int] = []
        self._kind_of = Kinds()
        self._todo: list[int] = []
        self._breathe, self._steps = breathe, 0

    # -- growing -----------------------------------------------------------------------------------

    def add_tasks(self, tasks: Iterable[Any]) -> None:
        """Enter suspended tasks and expand what is around them."""
        for task in tasks:
            if id(task) not in self.number:
                self._enter(task, GATE)
                self._drain()

    def add_own(self, things: Iterable[Any]) -> None:
        """Count the references of the agent's own objects to what are members now; nothing else is entered."""
        for thing in things:
            referents = gc.get_referents(thing)
            links = [found for each in referents if (found := self.number.get(id(each))) is not None]
            if links:
                self._link_own(thing, referents, links)

    def expand(self, number: int) -> None:
        """Count what a member refers to as coming from within, and so on for the parts it leads to."""
        self._expand(number)
        self._drain()

    def may_expand(self, number: int, most: int = MOST_ITEMS) -> bool:
        """Whether a member is yet to be expanded and of no more than ``most`` items."""
        thing = self.members[number]
        return self._first[number] < 0 and not (is_a(thing, _CONTAINERS) and len(thing) > most)

    @property
    def is_full(self) -> bool:
        """Whether the bound on members was reached; what was left out counts as outside."""
        return len(self.members) >= _MOST_MEMBERS

    def pause(self) -> None:
        """Called at each step of a long loop: hands the interpreter back now and then."""
        self._steps += 1
        if self._breathe is not None and not self._steps % _CHUNK:
            self._breathe()

    # -- reading -----------------------------------------------------------------------------------

    def out(self, number: int) -> list[int]:
        """The members that an expanded member refers to, with repetition; none when it is not expanded."""
        return self._links[self._first[number] : self._last[number]] if self._first[number] >= 0 else []

    def expanded(self) -> list[int]:
        """The expanded members."""
        return [number for number, first in enumerate(self._first) if first >= 0]

    def is_expanded(self, number: int) -> bool:
        """Whether its references count as coming from within."""
        return self._first[number] >= 0

    def gates(self) -> list[int]:
        """The tasks whose frames, and the future they await, are known."""
        return [number for number in self.awaited if self._first[number] >= 0]

    def raw(self, number: int) -> list[int]:
        """Ids of all that an expanded member referred to when it was looked at, in the collector's order."""
        start, end = self._raw[number]
        return self._raw_ids[start:end]

    def narrowed(self, keep: list[int]) -> Island:
        """The island of these expanded members alone; what else they refer to is left out."""
        island, new_number = Island(self._breathe), [-1] * len(self.members)
        for new, old in enumerate(keep):
            new_number[old] = new
        island.members, island.kinds = [self.members[old] for old in keep], [self.kinds[old] for old in keep]
        island.number = {id(thing): new for new, thing in enumerate(island.members)}
        island.within = within = [0] * len(keep)
        links, first = island._links, island._first
        for old in keep:
            first.append(len(links))
            for each in self._links[self._first[old] : self._last[old]]:
                new = new_number[each]
                if new >= 0:
                    links.append(new)
                    within[new] += 1
            self.pause()
        island._last = [*first[1:], len(links)] if keep else []
        island._raw, island._raw_ids = (
            {new: self._raw[old] for new, old in enumerate(keep) if old in self._raw},
            self._raw_ids,
        )
        island.chained = {new_number[old] for old in self.chained if new_number[old] >= 0}
        island.own = {new_number[old] for old in self.own if new_number[old] >= 0}
        for gate, future in self.awaited.items():
            if new_number[gate] >= 0 and new_number[future] >= 0:
                island._add_waiter(new_number[gate], new_number[future])
        for number, kind in enumerate(island.kinds):
            if kind == GATE and number not in island.awaited:
                island._shrink(number)
        pairs = ((new_number[view], new_number[owner]) for view, owner in self.views.items())
        island.views = {view: owner for view, owner in pairs if view >= 0 and owner >= 0}
        return island

    def add_dicts(self) -> None:
        """Make the dicts of instances members, as views of these; the collector does not always list them."""
        for number in self.expanded():
            self.pause()
            attributes = own_dict(self.members[number]) if self.kinds[number] != GATE else None
            if attributes is None:
                continue
            self._shrink(number)
            self._expand(number)
            listed = self.number.get(id(attributes))
            if listed is None:
                listed = self._enter(attributes, DICT)
                self.within[listed] += 1
            self.views[listed] = number
            self._expand(listed)

    # -- the hot loop ------------------------------------------------------------------------------

    def _drain(self) -> None:
        while self._todo and not self.is_full:
            self._expand(self._todo.pop())
            self.pause()

    def _expand(self, number: int) -> None:
        if self._first[number] >= 0:
            return
        thing, kind = self.members[number], self.kinds[number]
        if kind == GATE:
            show_attributes(thing)
        referents = gc.get_referents(thing)
        chained = number in self.chained
        if not chained:
            self._note_raw(number, map(id, referents))
        if kind in (FRAME, FUNCTION):
            referents = owned_by_frame(thing, referents) if kind == FRAME else owned_by_function(thing, referents)
        known, kind_of, within, links = self.number, self._kind_of, self.within, self._links
        self._first[number] = len(links)
        for each in referents:
            its_kind = kind_of[type(each)]
            if its_kind and not (its_kind == FUNCTION and leads_nowhere(each)):
                found = known.get(id(each))
                if found is None:
                    found = self._enter(each, its_kind)
                links.append(found)
                within[found] += 1
                if its_kind == FRAME_OBJECT and kind == FRAME:
                    self.views[found] = number
        self._last[number] = len(links)
        if kind == GATE or chained:
            self._note_suspension(number, thing)

    def _enter(self, thing: Any, kind: int) -> int:
        number = self.number[id(thing)] = len(self.members)
        self.members.append(thing)
        self.kinds.append(kind)
        self.within.append(0)
        self._first.append(-1)
        self._last.append(-1)
        if kind >= FRAME_OBJECT:
            if kind == GATE and not is_parked(thing):
                if thing.done():  # no gate any more: there is nothing behind it but its result
                    self.kinds[number] = PART
                    self._todo.append(number)
            elif kind != ROW or len(thing) <= _AT_ONCE:
                self._todo.append(number)
        return number

    def _link_own(self, thing: Any, referents: list[Any], links: list[int]) -> None:
        number = self.number.get(id(thing))
        if number is None:
            number = self._enter(thing, OTHER)
            self.own.add(number)
        self._shrink(number)
        self._note_raw(number, map(id, referents))
        self._first[number], self._last[number] = len(self._links), len(self._links) + len(links)
        self._links += links
        for each in links:
            self.within[each] += 1

    def _note_suspension(self, number: int, thing: Any) -> None:
        if self.kinds[number] == GATE:
            self._note_chain(thing.get_coro())
            self._note_wait(number, thing._fut_waiter)
        else:
            self._note_chain(awaited_by(thing))

    def _note_chain(self, inner: Any) -> None:
        """Below a task stands its coroutine, below a coroutine what it awaits."""
        number = self.number.get(id(inner))
        if number is not None and inner is not None:
            self.chained.add(number)

    def _note_wait(self, gate: int, future: Any) -> None:
        number = self.number.get(id(future))
        if number is None:  # it has moved since: whatever it refers to is not known
            self._shrink(gate)
        else:
            self._add_waiter(gate, number)

    def _add_waiter(self, gate: int, future: int) -> None:
        self.awaited[gate] = future
        if future in self.waiter:
            self.other_waiter[gate] = self.waiter[future]
        self.waiter[future] = gate

    def _note_raw(self, number: int, ids: Iterable[int]) -> None:
        start = len(self._raw_ids)
        self._raw_ids.extend(ids)
        self._raw[number] = (start, len(self._raw_ids))

    def _shrink(self, number: int) -> None:
        for each in self.out(number):
            self.within[each] -= 1
        self._first[number] = -1
