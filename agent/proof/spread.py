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

import asyncio
from collections.abc import Iterable, Sequence

from .island import Island
from .kinds import DICT, GATE, StandIn, wakes_a_task

_PLAIN = (asyncio.Task, StandIn)


class Spread:
    """The fixpoint over one island and one list of surplus references, by member."""

    def __init__(self, island: Island, surplus: Sequence[int]) -> None:
        self.island, self.surplus = island, surplus
        self.opened = bytearray(len(island.members))
        self._todo: list[int] = []
        self._start()

    def closed(self) -> list[int]:
        """The gates that nobody can wake."""
        return [number for number in self.island.gates() if not self.opened[number]]

    def wake(self, numbers: Iterable[int]) -> None:
        """These gates move after all, or these objects act: open what that leads to."""
        for number in numbers:
            self._open(number)
        self._run()

    def unreachable(self) -> list[int]:
        """What is closed and cannot be reached from outside even by reference: the collector will take it."""
        island, reached = self.island, bytearray(len(self.island.members))
        todo = [number for number, extra in enumerate(self.surplus) if extra > 0 and number not in island.own]
        while todo:
            number = todo.pop()
            if not reached[number]:
                island.pause()
                reached[number] = 1
                todo += island.out(number)
                if number in island.views:
                    todo.append(island.views[number])
        closed = (number for number in island.expanded() if not self.opened[number] and number not in island.own)
        return [number for number in closed if not reached[number] and number not in island.chained]

    def _start(self) -> None:
        island = self.island
        for number, extra in enumerate(self.surplus):
            held = extra > 0 and number not in island.own
            if island.kinds[number] == GATE:
                if not island.is_expanded(number):
                    self._let_run(number)
            elif held and number not in island.chained:
                self._open(number)
        for gate in island.gates():
            self._touch(gate)
        self._run()

    def _let_run(self, task: int) -> None:
        """Open a task that is no gate and, where they are members, its frames."""
        self._open(task)
        coroutine = self.island.number.get(id(self.island.members[task].get_coro()))
        if coroutine is not None:
            self._open(coroutine)

    def _run(self) -> None:
        island, todo = self.island, self._todo
        kinds, chained, opened = island.kinds, island.chained, self.opened
        while todo:
            number = todo.pop()
            island.pause()
            inward = kinds[number] == GATE or number in chained
            wakes = not inward and wakes_a_task(island.members[number])
            for each in island.out(number):
                if opened[each]:
                    continue
                if kinds[each] == GATE:
                    if wakes:
                        self._open(each)
                elif inward or each not in chained:
                    self._open(each)
            seen, gate = island.views.get(number), island.waiter.get(number)
            if seen is not None:
                self._open(seen)
            while gate is not None:
                self._open(gate)
                gate = island.other_waiter.get(gate)

    def _touch(self, gate: int) -> None:
        """Open a task's attributes: the dict of a plain one; of others whatever is not their wait nor their frames."""
        island = self.island
        plain, awaited = type(island.members[gate]) in _PLAIN, island.awaited.get(gate)
        for each in island.out(gate):
            if plain:
                if island.kinds[each] == DICT:
                    self._open(each)
            elif each == awaited:
                awaited = None  # listed twice when it is an attribute besides
            elif island.kinds[each] != GATE and each not in island.chained:
                self._open(each)

    def _open(self, number: int) -> None:
        if not self.opened[number]:
            self.opened[number] = 1
            self._todo.append(number)
