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
    """Tasks that nobody can wake, in an island nobody can enter. Refers to live objects, never kept."""

    tasks: tuple[Any, ...]
    island: Island
    waits: tuple[Any, ...] = ()
    """The future that each of the tasks awaited at that instant: what follows from a proof is about that wait."""


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
        return Proof((), Island())
    island = Island(breathe)
    island.add_tasks(tasks)
    island.add_own(own())
    spread = grow(island, guesses)
    island.add_own(own())  # growth has met more of what they refer to
    closed = _closed_part(island, spread)
    del island, spread  # their references to the members would count as somebody's
    return again(Proof((), closed), moves)


def again(proof: Proof, moves: Moves) -> Proof:
    """The same judgement at this instant, on the same objects: nothing, if anything has changed since."""
    island = proof.island
    surplus = read(island)
    if surplus is None:
        return Proof((), island)
    spread = Spread(island, surplus)
    _let_move(island, spread, moves)
    closed = spread.closed()
    waits = tuple(island.members[island.awaited[number]] for number in closed)
    return Proof(tuple(island.members[number] for number in closed), island, waits)


def _closed_part(island: Island, spread: Spread) -> Island:
    """What is not open, with the dicts of its instances."""
    part = island
    if any(spread.opened):
        kept = [number for number in island.expanded() if number in island.own or not spread.opened[number]]
        part = island.narrowed(kept)
    part.add_dicts()
    return part


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
