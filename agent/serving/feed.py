"""What has changed among the tasks since the last look.

Laws:
- One look serves all clients; it costs an attribute and a comparison or two a task, and hands the interpreter back
  between chunks. What a task waits for is read when its row is made: later, for what has changed only, as far as the
  allowance goes.
- Tasks and what they await are kept weakly. That a future is the very same one, not another at its address, a weak
  reference tells: so from the first look on no wait looks older than it is.
- A task that came and went between two looks was never there.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import filterfalse
from typing import Any

from .. import wire
from ..state import OwnReference, State
from .births import Birth, Births
from .entries import DONE, READY, RUNNING, WAITING, Entry, chunks, nothing, reference, running, unread
from .lore import Lore
from .rows import Standing, name_of, standing_of
from .things import Things

Heard = Callable[[Entry], None]


class Feed:
    """The tasks of the process as they were last seen. ``on_move`` and ``on_leave`` get entries during a look."""

    def __init__(self, state: State, on_move: Heard, on_leave: Heard) -> None:
        self.state, self.on_move, self.on_leave = state, on_move, on_leave
        self.entries: dict[Any, Entry] = {}
        self.counts = dict.fromkeys((RUNNING, READY, WAITING, DONE), 0)
        self.troubles: dict[str, str] = {}
        """What could not be read, and why: the last of each kind."""
        self.looked = 0.0
        """Monotonic: when it last looked; 0 before the first time."""
        self._lore = Lore()
        self._births = Births(self._lore, self.entries)
        self.things = Things(state, self._lore, self.wall, self.troubles)
        self._running: set[int] = set()
        self._epoch = time.time() - time.monotonic()

    def look(self, now: float) -> None:
        """One pass over all tasks. ``now`` is monotonic seconds."""
        self._lore.refresh()
        self._running = set(map(id, running(self.state)))
        gone: list[Entry] = []
        for chunk in chunks(list(self.entries.values())):
            self._pass(chunk, now, gone)
        for entry in gone:
            del self.entries[entry.record]
            self._leave(entry)
        for chunk in chunks(list(self.state.records)):
            for record in filterfalse(self.entries.__contains__, chunk):
                self._welcome(record, now)
        self.looked = now

    def wall(self, monotonic: float) -> float:
        """Seconds since the epoch of a moment on the monotonic clock."""
        return monotonic + self._epoch

    def living(self) -> list[Entry]:
        """The tasks that have not ended."""
        return [entry for entry in self.entries.values() if entry.state != DONE]

    def entry_of(self, task: Any) -> Entry | None:
        """What is known of a living task."""
        record = self.state.record_of(task)
        return self.entries.get(record if record is not None else OwnReference(task))

    def row(self, entry: Entry, thorough: bool) -> wire.Task | None:
        """The task's row as it is now; None when it is gone."""
        task = entry.record()
        if task is None or task.done():
            return None
        if entry.row is None:
            try:
                entry.row = self._make(entry, task, thorough)
            except Exception as failed:  # noqa: BLE001 - a task of the program's own make may be anything
                self.troubles["rows"] = repr(failed)
                entry.birth = birth = Birth(f"task-{id(task):x}", "?", "")
                entry.row = wire.Task(birth.id, "?", birth.coro, birth.loop, entry.state, self.wall(entry.since))
        return entry.row

    # -- looking -----------------------------------------------------------------------------------

    def _pass(self, chunk: list[Entry], now: float, gone: list[Entry]) -> None:
        for entry in chunk:
            task = entry.record()
            if task is None:
                gone.append(entry)
                continue
            future = task._fut_waiter
            if future is None:
                if entry.state != DONE:
                    self._stir(entry, task, now)
            elif entry.future() is not future and entry.future is not unread:
                self._settle(entry, task, future, now)
                self.on_move(entry)

    def _welcome(self, record: Any, now: float) -> None:
        task = record()
        if task is None or not hasattr(task, "_fut_waiter"):
            return  # gone already, or some object that the program registered as a task
        entry = self.entries[record] = Entry(record, now)
        future = task._fut_waiter
        if future is None:
            self._stir(entry, task, now)
            return
        if self.looked:
            self._enter(entry, WAITING, now, unread)
        else:  # the first picture begins with those that have waited for longest
            self._settle(entry, task, future, now)
        self.on_move(entry)

    def _stir(self, entry: Entry, task: Any, now: float) -> None:
        """It awaits nothing: it runs, is about to, or has ended."""
        before, state = entry.state, DONE if task.done() else RUNNING if id(task) in self._running else READY
        if state == before:
            return
        self._enter(entry, state, now, nothing)
        if state != DONE:
            self.on_move(entry)
        elif before:
            self.on_leave(entry)

    def _settle(self, entry: Entry, task: Any, future: Any, now: float) -> None:
        """It has begun to wait."""
        self._enter(entry, WAITING, self._since(entry, task, future, now), reference(future))

    def _since(self, entry: Entry, task: Any, future: Any, now: float) -> float:
        """Since when it waits for this future: as a hook noted it, or as the census or a look of ours saw it."""
        blocked = self.state.blocked.get(id(task))
        if blocked is not None:
            return blocked[1]
        record = entry.record
        if getattr(record, "witness", 0) == id(future):
            return float(max(record.moved, self.looked if entry.state and entry.future is not unread else 0.0))
        return entry.seen if entry.future is unread else now

    def _enter(self, entry: Entry, state: str, since: float, future: Callable[[], Any]) -> None:
        if entry.state:
            self.counts[entry.state] -= 1
        self.counts[state] += 1
        entry.state, entry.since, entry.future, entry.row = state, since, future, None
        self._let_go(entry)

    def _let_go(self, entry: Entry) -> None:
        if entry.thing is not None:
            self.things.leave(entry.thing, entry)
            entry.thing = None

    def _leave(self, entry: Entry) -> None:
        self.counts[entry.state] -= 1
        self._let_go(entry)
        if entry.state != DONE:
            self.on_leave(entry)

    # -- making rows -------------------------------------------------------------------------------

    def _make(self, entry: Entry, task: Any, thorough: bool) -> wire.Task:
        birth = entry.birth
        if birth is None:
            born = self.wall(min(getattr(entry.record, "born", entry.seen), entry.since))
            birth = entry.birth = self._births.of(task, entry.record, born)
        future, found = task._fut_waiter, Standing()
        if future is not None:  # else the next look will see what it does
            if entry.future() is not future:
                self._settle(entry, task, future, time.monotonic())
            found = standing_of(task, future, self._lore, thorough)
        on = found.joins[0] if found.joins else None
        if found.resource is not None:
            self._let_go(entry)
            entry.thing = self.things.use(found.resource, entry)
            on = entry.thing.id if entry.thing is not None else None
        return wire.Task(
            birth.id,
            name_of(task),
            birth.coro,
            birth.loop,
            entry.state,
            self.wall(entry.since),
            found.wait,
            on,
            None if found.due is None else time.time() + found.due - task.get_loop().time(),
            birth.born,
            birth.parent,
            birth.made,
            found.at,
            found.joins,
        )
