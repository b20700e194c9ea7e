"""From suspended tasks to those whose wait can never end.

Laws:
- First a guess from the watcher's thread, at leisure; then, for what looks closed, the arithmetic once more at
  one instant. Only the second counts.
- Whoever will move by itself (a deadline) is woken in the model, and so is whoever will be collected and has
  clean-up code to run (``cleanup``). Where that cannot be told, whoever has such code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from .apart import apart
from .cleanup import are_in_contexts, cleans_up
from .growth import grow, reveal
from .island import MOST_MEMBERS, Island
from .kinds import GATE
from .reading import read
from .selftest import trusted
from .spread import Spread

_A_LOOK = 12
"""What it costs to look at one task closely, as ``Island.pause`` counts."""
Moves = Callable[[list[Any], Callable[[], None]], Iterable[Any]]
"""Given suspended tasks, those of them whose wait will end by itself; the function given is called at each step."""


@dataclass(frozen=True, slots=True)
class Proof:
    """Tasks that nobody can wake, in islands nobody can enter. Refers to live objects, never kept."""

    tasks: tuple[Any, ...]
    waits: tuple[Any, ...] = ()
    """The future that each of the tasks awaited at that instant: what follows from a proof is about that wait."""
    objects: int = 0
    """How many objects were read at one instant, in ``parts`` of one instant each."""
    parts: int = 0


def prove(
    tasks: Iterable[Any],
    moves: Moves,
    own: Callable[[], Iterable[Any]] = tuple,
    breathe: Callable[[], None] | None = None,
    guesses: int = 300,
    most: int = MOST_MEMBERS,
) -> Proof:
    """Which of these suspended tasks, and of those met on the way, wait for ever.

    ``own`` gives the agent's own objects that refer to the program's. An island of ``most`` members grows no more.
    """
    if not trusted():
        return Proof(())
    island = Island(breathe, most)
    try:
        island.add_tasks(tasks)
        island.add_own(own())
        spread, is_known = reveal(island, grow(island, guesses))
        island.add_own(own())  # growth has met more of what they refer to
        return _judge(island, _closed_parts(island, spread.opened), moves, is_known)
    finally:
        island.release()


def _closed_parts(island: Island, opened: Sequence[int]) -> list[list[int]]:
    """What is not open, with the dicts of its instances: in parts that have nothing to do with each other."""
    met_since = len(island.members) - len(opened)
    kept = island.cut([*opened, *[0] * met_since])
    if not any(island.kinds[number] == GATE for number in kept):
        return []
    more = island.add_dicts(kept)
    return apart(island, sorted(kept + more) if more else kept)


def _judge(island: Island, parts: list[list[int]], moves: Moves, is_known: bool) -> Proof:
    """What the arithmetic says now, one part at a time: nothing of one where anything has changed.

    ``is_known``: whoever keeps a member without being one is outside.
    """
    tasks, waits = list[Any](), list[Any]()
    for part in parts:
        surplus = read(island, part)
        if surplus is not None:
            spread = Spread(island, surplus, part)
            closed = [island.members[number] for number in spread.closed()]
            _let_move(island, spread, moves, is_known and not are_in_contexts(closed, island.pause))
            for chunk in island.paced(spread.closed()):
                tasks += [island.members[number] for number in chunk]
                waits += [island.members[island.awaited[number]] for number in chunk]
    return Proof(tuple(tasks), tuple(waits), sum(map(len, parts)), len(parts))


def _let_move(island: Island, spread: Spread, moves: Moves, is_known: bool) -> None:
    while closed := spread.closed():
        moving = set(_moving(island, closed, moves))
        for number in spread.unreachable(is_known):
            island.pause()
            if cleans_up(island.members[number], island.kinds[number]):
                moving.add(number)
        if not moving:
            return
        spread.wake(moving)


def _moving(island: Island, closed: list[int], moves: Moves) -> Iterator[int]:
    for task in moves([island.members[number] for number in closed], partial(island.pause, _A_LOOK)):
        number = island.number.get(id(task))
        if number is not None:
            yield number
