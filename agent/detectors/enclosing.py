"""The ``with`` blocks around a noted acquisition, read from the code of the frames that were there.

Law: nothing of those frames is left but code and offset, so what a block is over is known only as it is
written. Where that is not enough to tell a lock that was held from something else, the answer is none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import CodeType

from ..bytecode import Manager, handlers_around, manager_of
from ..hooks.orders import Hold, Party
from ..names import assigned_name
from ..stacks import line_of
from ..state import Site

_TIMEOUTS = ("timeout", "deadline", "fail_after", "fail_at", "move_on_after", "move_on_at", "wait_for")
_EXCLUSIVE = ("lock", "mutex", "sem", "guard", "exclusive", "limit", "serial")


Spot = tuple[CodeType, int]
"""A code object and a line."""


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """A ``with`` block: code and line of its statement, and what it enters, as written."""

    spot: Spot
    manager: Manager

    @property
    def name(self) -> str:
        """The last name in the expression."""
        return self.manager.names[-1] if self.manager.names else ""


def blocks(stack: Sequence[Site]) -> list[Block]:
    """The blocks around the frames of a stack, outermost first; the stack is innermost first."""
    found = []
    for code, lasti in reversed(stack):
        handlers = [each for each in handlers_around(code, lasti) if each.is_with]
        found += [Block((code, each.line), manager_of(code, each.target)) for each in reversed(handlers)]
    return found


def ends_by_itself(stack: Sequence[Site], around: Sequence[Block]) -> bool:
    """Whether a timeout ends the wait, as far as that is written in the code."""
    names = [name for each in around for name in each.manager.names] + [code.co_name for code, _lasti in stack]
    return any(word in name.lower() for name in names for word in _TIMEOUTS)


def asks_first(place: Site) -> bool:
    """Whether the function that takes the lock looks whether it is free, so that it need not wait."""
    return "locked" in place[0].co_names


def assign(held: Sequence[Hold], around: Sequence[Block]) -> tuple[dict[int, Spot], frozenset[str]]:
    """Where each held lock (outermost first) was taken, by its number; and by name what else may exclude others."""
    found = {party.serial: (taken[0], line_of(*taken)) for party, taken in held if taken is not None}
    left = [each for each in around if each.spot not in found.values()]
    unknown = [party for party, taken in held if taken is None]
    pairs = _in_order(unknown, left) or list(_by_name(unknown, left))
    entered = [block for _party, block in pairs]
    names = frozenset(each.name for each in left if each not in entered and _may_exclude(each))
    return found | {party.serial: block.spot for party, block in pairs}, names


def _in_order(unknown: Sequence[Party], left: Sequence[Block]) -> list[tuple[Party, Block]]:
    """Locks and blocks, one to one, where there are as many: the blocks that are no calls, or all of them."""
    blocks = [each for each in left if each.manager.is_async]
    for choice in ([each for each in blocks if not each.manager.is_call], blocks):
        if len(choice) == len(unknown):
            return list(zip(unknown, choice, strict=True))
    return []


def _by_name(unknown: Sequence[Party], left: Sequence[Block]) -> Iterator[tuple[Party, Block]]:
    for party in unknown:
        name = (assigned_name(party.made) or "").partition(" ")[0].rpartition(".")[2]
        named = [each for each in left if name and each.name == name]
        if len(named) == 1:
            yield party, named[0]


def _may_exclude(block: Block) -> bool:
    return not block.manager.is_call or any(word in block.name.lower() for word in _EXCLUSIVE)
