"""From suspended tasks to those whose wait can never end.

Laws:
- First a guess from the watcher's thread, at leisure; then, for what looks closed, the arithmetic once more at
  one instant. Only the second counts.
- Whoever will move by itself (a deadline) is woken in the model, and so is whoever will be collected and has
  clean-up code to run, or may own something that has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ..bytecode import handlers_around
from ..stacks import chain
from .growth import grow
from .island import Island
from .reading import read
from .selftest import trusted
from .spread import Spread

_LIBRARY = ("_asyncio", "asyncio", "builtins")
Moves = Callable[[list[Any], Callable[[], None]], Iterable[Any]]
"""Given suspended tasks, those of them whose wait will end by itself; the function given is called at each step."""


@dataclass(frozen=True, slots=True)
class Proof:
    """Tasks that nobody can wake, in an island nobody can enter. Refers to live objects, never kept."""

    tasks: tuple[Any, ...]
    island: Island


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
    closed = _closed_part(island, grow(island, guesses))
    del island  # its references to the members would count as somebody's
    return again(Proof((), closed), moves)


def again(proof: Proof, moves: Moves) -> Proof:
    """The same judgement at this instant, on the same objects: nothing, if anything has changed since."""
    island = proof.island
    surplus = read(island)
    if surplus is None:
        return Proof((), island)
    spread = Spread(island, surplus)
    _let_move(island, spread, moves)
    return Proof(tuple(island.members[number] for number in spread.closed()), island)


def _closed_part(island: Island, spread: Spread) -> Island:
    """What is not open, with the dicts of its instances."""
    part = island
    if any(spread.opened):
        part = island.narrowed([number for number in island.expanded() if not spread.opened[number]])
    part.add_dicts()
    return part


def _let_move(island: Island, spread: Spread, moves: Moves) -> None:
    finalizers = any(map(_is_finalized, set(map(type, island.members))))
    while closed := spread.closed():
        moving = set(_moving(island, closed, moves))
        moving |= {number for number in spread.unreachable() if finalizers or _cleans_up(island.members[number])}
        if not moving:
            return
        spread.wake(moving)


def _moving(island: Island, closed: list[int], moves: Moves) -> Iterator[int]:
    for task in moves([island.members[number] for number in closed], island.pause):
        number = island.number.get(id(task))
        if number is not None:
            yield number


def _is_finalized(cls: type) -> bool:
    """Whether code of the program's runs when an instance goes: its own ``__del__``, not one of the interpreter's."""
    return any("__del__" in vars(base) and not base.__module__.startswith(_LIBRARY) for base in cls.__mro__)


def _cleans_up(task: Any) -> bool:
    """Whether code of the program's runs when this task is collected: a ``with`` or ``try`` around its wait."""
    return any(
        handler.is_written
        for link in chain(task.get_coro())
        if link.module.partition(".")[0] not in ("asyncio", "unstuck")
        for handler in handlers_around(link.code, link.lasti)
    )
