"""From suspended tasks to those whose wait can never end.

Laws:
- First a guess from the watcher's thread, at leisure; then, for what looks closed, the arithmetic once more at
  one instant. Only the second counts.
- Whoever will move by itself (a deadline) is woken in the model, and so is whoever will be collected and has
  clean-up code to run (``cleanup``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from .apart import apart
from .cleanup import cleans_up
from .growth import grow
from .island import Island
from .reading import read
from .selftest import trusted
from .spread import Spread

Moves = Callable[[list[Any], Callable[[], None]], Iterable[Any]]
"""Given suspended tasks, those of them whose wait will end by itself; the function given is called at each step."""


@dataclass(frozen=True, slots=True)
class Proof:
    """Tasks that nobody can wake, in islands nobody can enter. Refers to live objects, never kept."""

    tasks: tuple[Any, ...]
    islands: tuple[Island, ...] = ()
    waits: tuple[Any, ...] = ()
    """The future that each of the tasks awaited at that instant: what follows from a proof is about that wait."""

    @property
    def objects(self) -> int:
        """How many objects were read."""
        return sum(len(island.members) for island in self.islands)


def prove(
    tasks: Iterable[Any],
    moves: Moves,
    own: Callable[[], Iterable[Any]] = tuple,
    breathe: Callable[[], None] | None = None,
    guesses: int = 300,
) -> Proof:
    """Which of these suspended tasks, and of those met on the way, wait for ever.

    ``own`` gives the agent's own objects that refer to the program's.
    """
    if not trusted():
        return Proof(())
    island = Island(breathe)
    island.add_tasks(tasks)
    island.add_own(own())
    spread = grow(island, guesses)
    island.add_own(own())  # growth has met more of what they refer to
    islands = _closed_parts(island, spread)
    del island, spread  # their references to the members would count as somebody's
    return again(Proof((), islands), moves)


def again(proof: Proof, moves: Moves) -> Proof:
    """The same judgement now, on the same objects, one island at a time: nothing of one where anything has changed."""
    tasks, waits = list[Any](), list[Any]()
    for island in proof.islands:
        surplus = read(island)
        if surplus is not None:
            spread = Spread(island, surplus)
            _let_move(island, spread, moves)
            closed = spread.closed()
            tasks += [island.members[number] for number in closed]
            waits += [island.members[island.awaited[number]] for number in closed]
    return Proof(tuple(tasks), proof.islands, tuple(waits))


def _closed_parts(island: Island, spread: Spread) -> tuple[Island, ...]:
    """What is not open, with the dicts of its instances: in parts that have nothing to do with each other."""
    kept = [number for number in island.expanded() if number in island.own or not spread.opened[number]]
    islands = tuple(island.narrowed(part) for part in apart(island, kept))
    for each in islands:
        each.add_dicts()
    return islands


def _let_move(island: Island, spread: Spread, moves: Moves) -> None:
    while closed := spread.closed():
        moving = set(_moving(island, closed, moves))
        moving |= {n for n in spread.unreachable() if cleans_up(island.members[n], island.kinds[n])}
        if not moving:
            return
        spread.wake(moving)


def _moving(island: Island, closed: list[int], moves: Moves) -> Iterator[int]:
    for task in moves([island.members[number] for number in closed], island.pause):
        number = island.number.get(id(task))
        if number is not None:
            yield number
