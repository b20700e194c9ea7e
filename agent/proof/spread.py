"""What is open: from whom somebody outside holds, through what he can reach, to whom he can wake.

Laws:
- Starts at the members with more references than come from within, and at those weakly referenced.
- A gate (a suspended task) that is merely reached gives access to its attributes, not to its frames. One that
  is woken, because the future it awaits may be completed, opens its frames.
- A gate is woken when the future it awaits is open, or by its wake-up callback in the wrong hands. A task that
  is not parked, or whose frames are not known, is no gate: what it refers to counts as held from outside.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .island import Island
from .kinds import DICT, GATE, wakes_a_task


class Spread:
    """The fixpoint over one island and one list of surplus references, by member."""

    def __init__(self, island: Island, surplus: Sequence[int]) -> None:
        self.island, self.surplus = island, surplus
        self.opened = bytearray(len(island.members))
        self.touched = bytearray(len(island.members))
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
            if extra > 0 and number not in island.own:
                if island.kinds[number] == GATE:
                    self._touch(number)
                elif number not in island.chained:
                    self._open(number)
        self._run()

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
                    self._touch(each)
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

    def _touch(self, number: int) -> None:
        if self.touched[number]:
            return
        self.touched[number] = 1
        for each in self.island.out(number):
            if self.island.kinds[each] == DICT:
                self._open(each)

    def _open(self, number: int) -> None:
        if not self.opened[number]:
            self.opened[number] = 1
            self._todo.append(number)
