"""What is open: from whom somebody outside holds, through what he can reach, to whom he can wake.

Laws:
- Starts at the members with more references than come from within, and at those weakly referenced.
- A gate (a suspended task) can be reached by anybody (``asyncio.all_tasks``) and gives access to its attributes, not
  to its frames. One that is woken, because the future it awaits may be completed, opens its frames.
- A gate is woken when the future it awaits is open, or by its wake-up callback in the wrong hands. A task that
  is not parked, or whose frames are not known, is no gate: what it refers to counts as held from outside, and it may
  end, which wakes whoever awaits it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .island import PLAIN, Island
from .kinds import DICT, GATE, METHOD, wakes_a_task


class Spread:
    """The fixpoint over one island, or a part of it, and one list of surplus references, by member."""

    def __init__(self, island: Island, surplus: Sequence[int], part: list[int] | None = None) -> None:
        self.island, self.surplus = island, surplus
        self.part = list(range(len(surplus))) if part is None else part
        self.opened = bytearray(len(island.members))
        self._todo: list[int] = []
        self._start()

    def closed(self) -> list[int]:
        """The gates that nobody can wake."""
        kinds, opened, awaited = self.island.kinds, self.opened, self.island.awaited
        found: list[int] = []
        for chunk in self.island.paced(self.part):
            found += [n for n in chunk if kinds[n] == GATE and not opened[n] and n in awaited]
        return [number for number in found if self.island.first[number] >= 0]

    def wake(self, numbers: Iterable[int]) -> None:
        """These gates move after all, or these objects act: open what that leads to."""
        for number in numbers:
            self._open(number)
        self._run()

    def unreachable(self, is_known: bool = True) -> list[int]:
        """What is closed and cannot be reached from outside even by reference: the collector will take it.

        Unless it ``is_known`` that who keeps a member without being one is outside, nothing counts as reached.
        """
        island, reached, own = self.island, bytearray(len(self.island.members)), self.island.own
        links, first, last, views = island.links, island.first, island.last, island.views
        todo = [number for number in self.part if is_known and self.surplus[number] > 0 and number not in own]
        for number in todo:
            reached[number] = 1
        while todo:
            number = todo.pop()
            island.pause()
            start = first[number]
            if start >= 0:
                for each in links[start : last[number]]:
                    if not reached[each]:
                        reached[each] = 1
                        todo.append(each)
            seen = views.get(number)
            if seen is not None and not reached[seen]:
                reached[seen] = 1
                todo.append(seen)
        found: list[int] = []
        for chunk in island.paced(self.part):
            found += [n for n in chunk if not reached[n] and not self.opened[n] and first[n] >= 0]
        return [number for number in found if number not in own and number not in island.chained]

    def _start(self) -> None:
        island, surplus = self.island, self.surplus
        kinds, first, showing = island.kinds, island.first, island.showing
        for chunk in island.paced(self.part):
            for number in [n for n in chunk if surplus[n] > 0 and kinds[n] != GATE]:
                if number not in island.own and number not in island.chained:
                    self._open(number)
            for number in [n for n in chunk if kinds[n] == GATE and (first[n] < 0 or n in showing)]:
                if first[number] < 0:
                    self._let_run(number)
                else:
                    self._touch(number)
        self._run()

    def _let_run(self, task: int) -> None:
        """Open a task that is no gate and, where they are members, its frames."""
        self._open(task)
        coroutine = self.island.number.get(id(self.island.members[task].get_coro()))
        if coroutine is not None:
            self._open(coroutine)

    def _run(self) -> None:
        island, todo, opened = self.island, self._todo, self.opened
        kinds, chained, links, first, last = island.kinds, island.chained, island.links, island.first, island.last
        views, waiter = island.views, island.waiter
        while todo:
            number = todo.pop()
            island.pause()
            start = first[number]
            if start >= 0:
                kind = kinds[number]
                inward = kind == GATE or number in chained
                wakes = kind == METHOD and not inward and wakes_a_task(island.members[number])
                for each in links[start : last[number]]:
                    if opened[each] or not (wakes if kinds[each] == GATE else inward or each not in chained):
                        continue
                    opened[each] = 1
                    todo.append(each)
            if number in views:
                self._open(views[number])
            gate = waiter.get(number)
            while gate is not None:
                self._open(gate)
                gate = island.other_waiter.get(gate)

    def _touch(self, gate: int) -> None:
        """Open a task's attributes: the dict of a plain one; of others whatever is not their wait nor their frames."""
        island = self.island
        kinds, links = island.kinds, island.links[island.first[gate] : island.last[gate]]
        if type(island.members[gate]) in PLAIN:
            for each in links:
                if kinds[each] == DICT:
                    self._open(each)
            return
        awaited = island.awaited.get(gate)
        for each in links:
            if each == awaited:
                awaited = None  # listed twice when it is an attribute besides
            elif kinds[each] != GATE and each not in island.chained:
                self._open(each)

    def _open(self, number: int) -> None:
        if not self.opened[number]:
            self.opened[number] = 1
            self._todo.append(number)
