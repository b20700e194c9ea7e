"""What one client has been told of tasks and resources, and what it has yet to be told.

Law: bounded by what lives. Whatever happens while the client does not read, each living task is in ``pending`` at most
once, and each one gone in ``gone`` only if the client knew it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from .entries import Entry
from .things import Thing


class Tab:
    """The account of one client."""

    def __init__(self, entries: Iterable[Entry], things: Iterable[Thing], stacks: bool = False) -> None:
        first = sorted(entries, key=lambda entry: entry.since)
        self.pending: dict[Entry, None] = dict.fromkeys(first)
        """Tasks to be told of, in the order in which they moved; at first those that have waited for longest."""
        self.unexplained: dict[Entry, None] = {}
        """Tasks whose details are to be told, where the client wants those of all: after the first picture."""
        self.gone: dict[str, None] = {}
        self.fresh: dict[Thing, None] = dict.fromkeys(thing for thing in things if thing.row is not None)
        self.over: dict[str, None] = {}
        self._known: set[Entry] = set()
        self._things: set[Thing] = set()
        self._owed: set[Entry] = set(first)
        self._wants_stacks = stacks

    @property
    def is_complete(self) -> bool:
        """Whether all that lived when the client came has been told, and all that is known of resources."""
        return not self._owed and not self.fresh and not self.unexplained

    @property
    def is_first(self) -> bool:
        """Whether there are tasks in the first picture that the client has yet to be told of."""
        return bool(self._owed)

    def next(self, most: int) -> list[Entry]:
        """The tasks to be told of next: of the first picture in its order, then by turns the oldest and the newest.

        With the oldest alone, a client of a busy program would hear of tasks only when they are about to end.
        """
        oldest = list(islice(self.pending, most))
        if self._owed or len(self.pending) <= most // 2:
            return oldest
        return [entry for pair in zip(oldest, reversed(self.pending), strict=False) for entry in pair][:most]

    def on_move(self, entry: Entry) -> None:
        """A task is new or has moved."""
        self.pending[entry] = None

    def on_leave(self, entry: Entry) -> None:
        """A task has ended."""
        self.missed(entry)
        self.unexplained.pop(entry, None)
        if entry in self._known:
            self._known.discard(entry)
            if entry.birth is not None:
                self.gone[entry.birth.id] = None

    def on_change(self, thing: Thing) -> None:
        """A resource is new or has changed."""
        self.fresh[thing] = None

    def on_over(self, thing: Thing) -> None:
        """Nobody waits for a resource any more."""
        self.fresh.pop(thing, None)
        if thing in self._things:
            self._things.discard(thing)
            self.over[thing.id] = None

    def told(self, entry: Entry) -> None:
        """The client is being told of this task."""
        if self._wants_stacks and entry in self._owed:
            self.unexplained[entry] = None
        self.missed(entry)
        self._known.add(entry)

    def missed(self, entry: Entry) -> None:
        """The task was gone before anybody could tell."""
        self.pending.pop(entry, None)
        self._owed.discard(entry)

    def take_gone(self) -> tuple[str, ...]:
        """The ids of tasks that the client knew and that have ended."""
        taken, self.gone = tuple(self.gone), {}
        return taken

    def take_over(self) -> tuple[str, ...]:
        """The ids of resources that the client knew and nobody waits for any more."""
        taken, self.over = tuple(self.over), {}
        return taken

    def take_fresh(self, most: int) -> Iterator[Thing]:
        """The resources to be told of, a bounded number at once."""
        for thing in list(self.fresh)[:most]:
            del self.fresh[thing]
            if thing.row is not None:
                self._things.add(thing)
                yield thing
