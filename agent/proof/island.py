"""The island: suspended tasks and the objects around them, with the references among these.

Laws:
- A member is expanded (its references count as coming from within) or not (they count as from outside).
  Either is sound. Expanded at once is what waits are made of: tasks, coroutines, futures, callbacks, cells,
  asyncio's primitives with their queues, a frame's small dicts. Other objects are expanded when that can matter
  (``growth``).
- Never a member: what the whole program shares or can lead nowhere (``kinds``). Never expanded: containers
  beyond MOST_ITEMS.
- Strong references are held for the duration of a proof only. Links are kept in flat lists of numbers: an
  object for each would make the collector walk the program's whole heap again and again.
- Members that are met one from another lie side by side, in a *strand*; of the links between strands each is
  noted in ``crossings`` besides, so that what hangs together is found without a second look at every link.
- Nothing takes long at one go, also not letting go (``release``): at each step the interpreter is handed back.
"""

from __future__ import annotations

import asyncio
import sys
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from gc import get_referents
from itertools import islice, repeat, starmap
from typing import Any

from ..attributes import is_a
from .kinds import DICT, FRAME, FRAME_OBJECT, FUNCTION, GATE, METHOD, OTHER, PART, ROW, Kinds, StandIn, is_parked
from .owned import HasDict, awaited_by, leads_nowhere, own_dict, owned_by_frame, owned_by_function, show_attributes

MOST_ITEMS = 10_000
MOST_MEMBERS = 400_000
_AT_ONCE, _FEW = 100, 20
_CONTAINERS = (dict, list, set, frozenset, tuple, deque)
PLAIN = (asyncio.Task, StandIn)
"""Tasks whose attributes are all in their dict."""
_SPARE = 4_096
_AT_A_TIME, _A_MEMBER = 3_000, 4
"""What is done at one go, a millisecond or so, and what a member costs, both in the measure of a reference."""
_PACE = 1_000
_LONG = 5_000


class Island:
    """Members by number, in parallel lists: ``members``, ``kinds``, ``within`` (references from within to each)."""

    def __init__(self, breathe: Callable[[], None] | None = None, most: int = MOST_MEMBERS) -> None:
        self.members: list[Any] = []
        self.number: dict[int, int] = {}
        self.kinds: list[int] = []
        self.within: list[int] = []
        self.links: list[int] = []
        self.first: list[int] = []
        """Where in ``links`` those of an expanded member begin, -1 for others; ``last`` is where they end.

        These two and ``within`` have some places to spare at their ends.
        """
        self.last: list[int] = []
        self.views: dict[int, int] = {}
        """What is reached by a member that is only a view of it: a coroutine by its frame, an instance by its dict."""
        self.chained: set[int] = set()
        """Coroutines that a task is suspended in: like the task itself they can be held, and no more."""
        self.waiter: dict[int, int] = {}
        """A gate that awaits this future; ``other_waiter`` leads from it to the next one."""
        self.other_waiter: dict[int, int] = {}
        self.awaited: dict[int, int] = {}
        """The future that a gate was found to await."""
        self.showing: set[int] = set()
        """Gates that may have attributes of the program's."""
        self.own: set[int] = set()
        """Members that belong to the agent: nobody reaches anything by them."""
        self.strands: list[int] = []
        """The first member of each strand."""
        self.crossings: list[int] = []
        """Two by two, the members at the ends of links that lead beyond a strand."""
        self._raw: list[int] = []
        self._raw_ids = array("Q")
        self._kind_of = Kinds()
        self._todo: list[int] = []
        self._breathe, self._spent, self._most = breathe, 0, most

    # -- growing -----------------------------------------------------------------------------------

    def add_tasks(self, tasks: Iterable[Any]) -> None:
        """Enter suspended tasks and expand what is around them."""
        for task in tasks:
            if id(task) not in self.number:
                self.strands.append(len(self.members))
                self._enter(task, GATE)
                self._expand(self._todo)

    def add_own(self, things: Iterable[Any]) -> None:
        """Count the references of the agent's own objects to what are members now; nothing else is entered."""
        for thing in things:
            referents, links = get_referents(thing), list[int]()
            for chunk in self.paced(referents):
                links += [found for each in chunk if (found := self.number.get(id(each))) is not None]
            if links:
                self._link_own(thing, referents, links)

    def expand(self, number: int) -> None:
        """Count what a member refers to as coming from within, and so on for the parts it leads to."""
        self.strands.append(len(self.members))
        self._todo.append(number)
        self._expand(self._todo)

    def may_expand(self, number: int, most: int = MOST_ITEMS) -> bool:
        """Whether a member is yet to be expanded and of no more than ``most`` items."""
        thing = self.members[number]
        return self.first[number] < 0 and not (is_a(thing, _CONTAINERS) and len(thing) > most)

    def add_dicts(self, numbers: list[int]) -> list[int]:
        """Make the dicts of instances members, as views of these; the collector does not always list them.

        ``numbers`` are the members that count from now on; given back are those that do so besides.
        """
        members, kinds, has_one = self.members, self.kinds, HasDict()
        before, again = len(members), list[int]()
        for chunk in self.paced(numbers):
            for number in [n for n in chunk if has_one[type(members[n])] and kinds[n] != GATE]:
                again += self._add_dict(number, own_dict(members[number]))
        return [*(number for number in again if number < before), *range(before, len(members))]

    def cut(self, opened: Sequence[int]) -> list[int]:
        """Have the members that are ``opened`` count as outside, as do those never expanded; give the others.

        These are all expanded, but for tasks whose wait is not among them: they are no gates any more.
        """
        everybody, kept = self.expanded(), list[int]()
        is_kept = bytearray(len(self.members))
        for chunk in self.paced(everybody):
            kept += [number for number in chunk if not opened[number] or number in self.own]
        for chunk in self.paced(kept):
            for number in chunk:
                is_kept[number] = 1
        for number in everybody if len(kept) < len(everybody) else ():
            self.pause()
            if not is_kept[number]:
                self._shrink(number)
        self._forget_waits(is_kept)
        self.pause(len(self.awaited) // 2)
        for chunk in self.paced(kept):
            for number in [n for n in chunk if self.kinds[n] == GATE and n not in self.awaited]:
                self._shrink(number)
        self.chained = {number for number in self.chained if is_kept[number]}
        self.pause(len(self.chained) // 2)
        self.views = {view: owner for view, owner in self.views.items() if is_kept[view] and is_kept[owner]}
        return kept

    # -- reading -----------------------------------------------------------------------------------

    @property
    def is_full(self) -> bool:
        """Whether the bound on members was reached; what was left out counts as outside."""
        return len(self.members) >= self._most

    def out(self, number: int) -> list[int]:
        """The members that an expanded member refers to, with repetition; none when it is not expanded."""
        return self.links[self.first[number] : self.last[number]] if self.first[number] >= 0 else []

    def expanded(self) -> list[int]:
        """The expanded members."""
        found: list[int] = []
        for start in range(0, len(self.members), _LONG):
            firsts = islice(self.first, start, start + _LONG)
            found += [number for number, first in enumerate(firsts, start) if first >= 0]
            self.pause(_LONG // 2)
        return found

    def gates(self) -> list[int]:
        """The tasks whose frames, and the future they await, are known."""
        return [number for number in self.awaited if self.first[number] >= 0]

    def raw(self, number: int) -> array[int]:
        """Ids of all that an expanded member referred to when it was looked at, in the collector's order."""
        start = self._raw[number] + 1
        return self._raw_ids[start : start + self._raw_ids[start - 1]]

    # -- pacing ------------------------------------------------------------------------------------

    def pause(self, cost: int = _A_MEMBER) -> None:
        """Called at each step of a long loop: hands the interpreter back now and then."""
        self._spent += cost
        if self._spent > _AT_A_TIME:
            self._spent = 0
            if self._breathe is not None:
                self._breathe()

    def paced(self, things: list[Any]) -> Iterator[list[Any]]:
        """The things chunk by chunk."""
        for start in range(0, len(things), _PACE):
            yield things[start : start + _PACE]
            self.pause(2 * min(_PACE, len(things)))

    def release(self) -> None:
        """Let go of everything, a little at a time."""
        lists = (self.members, self.kinds, self.within, self.links, self.first, self.last, self.crossings, self._raw)
        for each in lists:
            while each:
                del each[-_LONG:]
                self.pause(_LONG // 4)
        for known in (self.number, self.views, self.waiter, self.other_waiter, self.awaited):
            while known:
                deque(starmap(known.popitem, repeat((), min(_LONG, len(known)))), maxlen=0)
                self.pause(_LONG // 4)

    # -- the hot loop ------------------------------------------------------------------------------

    def _expand(self, todo: list[int]) -> None:  # noqa: C901 - the hot loop: each call in it would cost a tenth
        """Expand these members; what is met and should be expanded at once is added to ``_todo``."""
        members, kinds, within, links, first = self.members, self.kinds, self.within, self.links, self.first
        known, kind_of, chained, raw, raw_ids = self.number, self._kind_of, self.chained, self._raw, self._raw_ids
        strand = self.strands[-1] if self.strands else 0
        while todo and len(members) < self._most:
            number = todo.pop()
            if first[number] >= 0:
                continue
            thing, kind = members[number], kinds[number]
            if kind == GATE:
                show_attributes(thing)
            referents = get_referents(thing)
            is_chained = number in chained
            if not is_chained and kind != METHOD:
                raw[number] = len(raw_ids)
                raw_ids.append(len(referents))
                raw_ids.extend(map(id, referents))
            if kind == FRAME:
                referents = owned_by_frame(thing, referents)
            elif kind == FUNCTION:
                referents = owned_by_function(thing, referents)
            self._reserve(len(referents))
            within_strand = strand if number >= strand else sys.maxsize
            first[number] = len(links)
            for each in referents:
                its_kind = kind_of[type(each)]
                if not its_kind or (its_kind == FUNCTION and leads_nowhere(each)):
                    continue
                found = known.get(id(each))
                if found is None:
                    found = known[id(each)] = len(members)
                    members.append(each)
                    kinds.append(its_kind)
                    if its_kind >= FRAME_OBJECT:
                        self._plan(found, each, its_kind, kind)
                    elif its_kind == DICT and kind == FRAME and len(each) <= _FEW:
                        self._todo.append(found)
                links.append(found)
                within[found] += 1
                if found < within_strand:
                    self.crossings += (number, found)
                if its_kind == FRAME_OBJECT and kind == FRAME:
                    self.views[found] = number
            self.last[number] = len(links)
            if kind == GATE or is_chained:
                self._note_suspension(number, thing)
            self.pause(len(referents) + _A_MEMBER)

    def _enter(self, thing: Any, kind: int) -> int:
        """Make something a member."""
        self._reserve(1)
        number = self.number[id(thing)] = len(self.members)
        self.members.append(thing)
        self.kinds.append(kind)
        if kind >= FRAME_OBJECT:
            self._plan(number, thing, kind)
        return number

    def _plan(self, number: int, thing: Any, kind: int, holder: int = OTHER) -> None:
        """Have a new member expanded at once, unless it is no gate, or large and not that of a primitive."""
        if kind == GATE:
            if is_parked(thing):
                self._todo.append(number)
            elif thing.done():  # no gate any more: there is nothing behind it but its result
                self.kinds[number] = PART
                self._todo.append(number)
        elif kind != ROW or len(thing) <= (MOST_ITEMS if holder == PART else _AT_ONCE):
            self._todo.append(number)

    def _reserve(self, more: int) -> None:
        missing = len(self.members) + more - len(self.first)
        if missing > 0:
            self.within += [0] * (missing + _SPARE)
            self.first += [-1] * (missing + _SPARE)
            self.last += [-1] * (missing + _SPARE)
            self._raw += [-1] * (missing + _SPARE)

    def _add_dict(self, number: int, attributes: Any) -> list[int]:
        """The number of the dict, where it has not counted up to now."""
        self.strands.append(len(self.members))
        self._shrink(number)
        self._expand([number])
        listed = self.number.get(id(attributes))
        if listed is None:
            listed = self._enter(attributes, DICT)
            self.within[listed] += 1
        self.crossings += (number, listed)
        self.views[listed] = number
        again = [listed] if self.first[listed] < 0 else []
        self._expand([listed])
        return again

    def _link_own(self, thing: Any, referents: list[Any], links: list[int]) -> None:
        number = self.number.get(id(thing))
        if number is None:
            number = self._enter(thing, OTHER)
            self.own.add(number)
        self._shrink(number)
        self._raw[number] = len(self._raw_ids)
        self._raw_ids.extend([len(referents), *map(id, referents)])
        self.first[number], self.last[number] = len(self.links), len(self.links) + len(links)
        self.links += links
        for chunk in self.paced(links):
            for each in chunk:
                self.within[each] += 1
                if number not in self.own:
                    self.crossings += (number, each)

    def _note_suspension(self, number: int, thing: Any) -> None:
        if self.kinds[number] == GATE:
            links = self.links[self.first[number] :]
            if type(thing) not in PLAIN or any([self.kinds[each] == DICT for each in links]):
                self.showing.add(number)
            self._note_chain(thing.get_coro())
            self._note_wait(number, thing._fut_waiter)
        else:
            self._note_chain(awaited_by(thing))

    def _note_chain(self, inner: Any) -> None:
        """Below a task stands its coroutine, below a coroutine what it awaits."""
        number = self.number.get(id(inner)) if inner is not None else None
        if number is not None:
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

    def _forget_waits(self, is_kept: bytearray) -> None:
        """Of those between a task and a future that is not kept."""
        waits = {gate: future for gate, future in self.awaited.items() if is_kept[gate] and is_kept[future]}
        if len(waits) < len(self.awaited):
            self.awaited, self.waiter, self.other_waiter = {}, {}, {}
            for gate, future in waits.items():
                self.pause()
                self._add_waiter(gate, future)

    def _shrink(self, number: int) -> None:
        for each in self.out(number):
            self.within[each] -= 1
        self.first[number] = -1
