"""What there is to be seen, for all clients alike: one look at the tasks, one allowance, one set of samples.

Law: clients take turns at what the allowance leaves for rows; a row is made once, for whoever is told of it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from itertools import islice
from typing import Any

from .. import wire
from ..delays import Delays
from ..pace import HAND_BACK
from ..snapshot import ResourceView
from ..views import loop_name
from .allowance import Allowance
from .details import detail_of
from .entries import READY, RUNNING, WAITING, Entry, count, count_by_loop, loops, oldest_wait
from .feed import Feed
from .subject import Subject
from .tab import Tab
from .text import clean
from .things import Things

_MOST_ROWS = 2_000
_ROWS_AT_ONCE, _DETAILS_AT_ONCE = 100, 20
_THOROUGH = 20
"""So many rows of an update say when a timeout ends the wait, also where time is scarce."""
_WORTH = 0.003
"""Seconds of allowance that are worth an update of their own."""


class Scene:
    """The process as clients see it. ``now`` is monotonic seconds throughout."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.allowance = Allowance()
        self.feed: Feed | None = None
        self.tabs: list[Tab] = []
        self._delays = Delays(subject.stalled)
        self._counts: dict[str, int] = {}
        self._by_loop: dict[int, int] = {}

    @property
    def has_time(self) -> bool:
        """Whether more than a few rows could be made at once."""
        return self.allowance.left > _WORTH

    def open(self, now: float, stacks: bool) -> Tab:
        """Somebody wants to see tasks: what he is to be told of them."""
        if self.feed is None:
            self.feed = Feed(self.subject.state, self._on_move, self._on_leave)
            self.allowance.looking(now, lambda: self._look(now))
        tab = Tab(self.feed.living(), self.feed.things.known.values(), stacks)
        self.tabs.append(tab)
        return tab

    def close(self, tab: Tab) -> None:
        """He does not want to any more."""
        self.tabs.remove(tab)
        if not self.tabs:
            self.feed = None

    def look(self, now: float) -> None:
        """Look at the tasks, if it is time."""
        if self.allowance.may_look(now):
            self.allowance.looking(now, lambda: self._look(now))

    def look_at_things(self) -> None:
        """Look at what tasks wait for, and how it is called; after the rows, for these tell what it is."""
        if self.feed is None:
            return
        things = self.feed.things
        self._refresh(things)
        if things.nameless and self.has_time and not any(tab.pending for tab in self.tabs):
            things.find_names({each.id: each.name for each in self._told_resources()})
            self._refresh(things)

    def is_complete(self, tab: Tab, stacks: bool) -> bool:
        """Whether a client has been told of all that lived when it came, and of what that waits for."""
        if self.feed is None or not tab.is_complete or self.feed.things.unseen:
            return False
        return not (stacks and self.feed.things.nameless) or self.allowance.is_scarce

    def sample(self) -> None:
        """Note how late the loops are."""
        self._delays.sample(loops(self.subject.state))

    def delays(self) -> dict[str, tuple[float, ...]]:
        """How late the loops were, by their ids, since the last call."""
        taken = self._delays.take()
        return {loop_name(loop): taken.get(id(loop), ()) for loop in loops(self.subject.state)}

    def rows(self, tab: Tab) -> tuple[wire.Task, ...]:
        """Rows of the tasks that a client is to be told of next."""
        rows, feed = list[wire.Task](), self.feed
        for entry in tab.next(_MOST_ROWS) if feed is not None else ():
            if len(rows) % _ROWS_AT_ONCE == 0 and not self._may_go_on(bool(rows)):
                break
            thorough = len(rows) < _THOROUGH or not self.allowance.is_scarce
            row = feed.row(entry, thorough) if feed is not None else None
            if row is None:
                tab.missed(entry)
                continue
            tab.told(entry)
            rows.append(row)
        return tuple(rows)

    def details(self, tab: Tab) -> tuple[wire.Detail, ...]:
        """Where tasks stand of which a client wants to know that of all, once it knows that they are there."""
        details = list[wire.Detail]()
        for number, entry in enumerate(list(islice(tab.unexplained, 0 if tab.is_first else _MOST_ROWS))):
            if number % _DETAILS_AT_ONCE == 0 and not self._may_go_on(bool(number)):
                break
            del tab.unexplained[entry]
            detail = self.detail(entry)
            if detail is not None:
                details.append(detail)
        return tuple(details)

    def detail(self, entry: Entry, past: tuple[wire.Past, ...] = ()) -> wire.Detail | None:
        """All there is to tell of one task; None when it is gone, or cannot be read."""
        feed = self.feed
        if feed is None:
            return None
        try:
            return detail_of(entry, self.subject.state, feed.things, past)
        except Exception as failed:  # noqa: BLE001 - a task of the program's own make may be anything
            feed.troubles["stacks"] = repr(failed)
            return None

    def health(self) -> wire.Health:
        """How the process and the agent in it are."""
        counts = self.feed.counts if self.feed is not None else self._counts
        running, ready, waiting = (counts.get(state, 0) for state in (RUNNING, READY, WAITING))
        oldest = oldest_wait(self.subject.state)
        return wire.Health(
            running + ready + waiting,
            running,
            ready,
            waiting,
            time.thread_time(),
            self.subject.retracted(),
            {part: clean(reason) for part, reason in (self.subject.failed() | self._troubles()).items()},
            None if oldest is None else oldest + time.time() - time.monotonic(),
        )

    def loops(self, tasks: int) -> tuple[wire.Loop, ...]:
        """All loops, without their delays, where there are so many tasks in all."""
        found = loops(self.subject.state)
        counts = self._by_loop if len(found) > 1 else {id(loop): tasks for loop in found}
        return tuple(
            wire.Loop(loop_name(loop), _thread_name(loop), loop.is_running(), counts.get(id(loop), 0)) for loop in found
        )

    def _look(self, now: float) -> None:
        state = self.subject.state
        if self.feed is None:
            self._counts = count(state)
        else:
            self.feed.look(now)
        if len(loops(state)) > 1:
            self._by_loop = count_by_loop(state)

    def _may_go_on(self, has_begun: bool) -> bool:
        """Whether the allowance has more; the interpreter is handed back in between."""
        if has_begun:
            time.sleep(HAND_BACK)
        return self.allowance.left > 0

    def _refresh(self, things: Things) -> None:
        for thing in things.refresh(time.thread_time() + self.allowance.left):
            for tab in self.tabs:
                tab.on_change(thing)
        for thing in things.take_over():
            for tab in self.tabs:
                tab.on_over(thing)

    def _told_resources(self) -> Iterator[ResourceView]:
        """Those that open findings tell of, and call somehow."""
        for event in self.subject.findings():
            yield from event.finding.resources

    def _troubles(self) -> dict[str, str]:
        return self.feed.troubles if self.feed is not None else {}

    def _on_move(self, entry: Entry) -> None:
        for tab in self.tabs:
            tab.on_move(entry)

    def _on_leave(self, entry: Entry) -> None:
        for tab in self.tabs:
            tab.on_leave(entry)


def _thread_name(loop: Any) -> str:
    thread = threading._active.get(getattr(loop, "_thread_id", None))  # type: ignore[attr-defined]
    return clean(thread.name) if thread is not None else ""
