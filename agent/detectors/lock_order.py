"""lock-order: tasks have taken the same locks in different orders; that was no deadlock this time, but can be.

Laws:
- Told is a circle of orders (``ordering``) that were really seen, one finding for each set of creation sites.
- First between the very locks. Only then between kinds of locks, and a kind is what one line makes as one
  attribute of each object (``self.lock = asyncio.Lock()``): a helper or a loop that makes locks for many
  purposes makes no kind. A place that takes locks of several kinds, as code over sorted locks does, says
  nothing about kinds.
- What can end by itself or was asked for first is no order: under a timeout, or after ``lock.locked()``.
- Whatever else is written around both acquisitions and may exclude others, such as a semaphore, counts as
  held in common when it has the same name.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable

from ..findings import Finding
from ..hooks.orders import KIND, Order, Party
from ..names import assigned_name
from ..state import State
from .enclosing import asks_first, assign, blocks, ends_by_itself
from .model import Sight
from .order_views import describe
from .ordering import Edge, Path, Ways

__all__ = ["KIND", "LockOrder"]

_MOST_TOLD = 1_000


class LockOrder:
    """Tells circles among the orders that the lock hooks noted."""

    kind = KIND
    lasting = True
    often = False

    def __init__(self, state: State) -> None:
        self.state = state
        self._locks, self._kinds = Ways(), Ways()
        self._told: set[Hashable] = set()
        self._is_kind: dict[Hashable, bool] = {}
        self._met: defaultdict[Hashable, set[Hashable]] = defaultdict(set)
        """The kinds of locks taken at each place."""

    def look(self, sight: Sight) -> Iterable[Finding]:
        """Findings of circles that the orders noted since the last look have closed."""
        self.state.tidy_orders()
        facts, found = self.state.facts[KIND], list[Finding]()
        while facts:
            path = self._enter(facts.popleft())
            subject = (KIND, frozenset(_site(edge.order.outer) for edge in path or ()))
            if path and subject not in self._told and len(self._told) < _MOST_TOLD:
                self._told.add(subject)
                found.append(describe((*path[1:], path[0]), subject, self.state))  # the newest order last
        return found

    def _enter(self, order: Order) -> Path | None:
        around = blocks(order.stack)
        if asks_first(order.place) or ends_by_itself(order.stack, around):
            return None
        spots, names = assign(order.held, around)
        self._met[_place(order)].add(self._kind(order.inner))
        edge = Edge(order, spots, names | {party.serial for party, _taken in order.held})
        source, target = order.outer.serial, order.inner.serial
        self._locks.add(source, target, edge)
        return self._locks.circle(source, target, edge, _always) or self._by_kind(edge, names)

    def _by_kind(self, edge: Edge, names: frozenset[str]) -> Path | None:
        order = edge.order
        source, target = self._kind(order.outer), self._kind(order.inner)
        if source == target:
            return None
        edge = Edge(order, edge.spots, names | {self._kind(party) for party, _taken in order.held})
        self._kinds.add(source, target, edge)
        return self._kinds.circle(source, target, edge, self._is_plain) if self._is_plain(edge) else None

    def _is_plain(self, edge: Edge) -> bool:
        """Whether the place takes locks of one kind only."""
        return len(self._met[_place(edge.order)]) == 1

    def _kind(self, party: Party) -> Hashable:
        """The same for all locks of one kind; else the lock's own number."""
        if party.made is None:
            return party.serial
        site = _site(party)
        if site not in self._is_kind:
            owner = party.made[0].co_qualname.rpartition(".")[0].rpartition(".")[2]
            name = assigned_name(party.made) or ""
            self._is_kind[site] = bool(owner) and name.startswith(f"{owner}.") and name[len(owner) + 1 :].isidentifier()
        return site if self._is_kind[site] else party.serial


def _site(party: Party) -> Hashable:
    return party.serial if party.made is None else (id(party.made[0]), party.made[1])


def _place(order: Order) -> Hashable:
    return id(order.place[0]), order.place[1]


def _always(_edge: Edge) -> bool:
    return True
