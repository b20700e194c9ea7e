"""What has changed among the tasks since the last look.

Laws:
- One look serves all clients; it costs an attribute read and a comparison or two a task, and hands the interpreter
  back between chunks. Rows are made afterwards, for what has changed only, as far as the allowance goes.
- Tasks and what they wait for are kept weakly. That a future is the very same one, not another at its address, a weak
  reference tells: so a wait never looks older than it is from the first look on.
- A task that came and went between two looks was never there.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from itertools import filterfalse
from typing import Any

from .. import wire
from ..census import CHUNK, HAND_BACK
from ..state import OwnReference, State
from .births import Birth, Births
from .lore import Lore
from .rows import Standing, name_of, standing_of
from .things import Thing, Things

RUNNING, READY, WAITING, DONE = "running", "ready", "waiting", "done"


def _nothing() -> None:
    return None


class Entry:
    """A task: what was seen of it, and its row, if one was made since it last moved."""

    __slots__ = ("birth", "future", "record", "row", "seen", "since", "state", "thing")

    def __init__(self, record: Any, now: float) -> None:
        self.record = record
        self.state = ""
        self.future: Callable[[], Any] = _nothing
        """A weak reference to what it awaits."""
        self.since = self.seen = now
        """Monotonic: since when it is in this state, and when it was first seen."""
        self.birth: Birth | None = None
        """What does not change; None until it was told of."""
        self.row: wire.Task | None = None
        self.thing: Thing | None = None


class Feed:
    """The tasks of the process as they were last seen. ``on_move`` and ``on_leave`` get the entry, at each look."""

    def __init__(self, state: State, on_move: Callable[[Entry], None], on_leave: Callable[[Entry], None]) -> None:
        self.state, self.on_move, self.on_leave = state, on_move, on_leave
        self._epoch = time.time() - time.monotonic()
        self.entries: dict[Any, Entry] = {}
        self.counts = dict.fromkeys((RUNNING, READY, WAITING, DONE), 0)
        self._lore = Lore()
        self._births = Births(self._lore, self.entries)
        self.troubles: dict[str, str] = {}
        """What could not be read, and why: the last of each kind."""
        self.things = Things(state, self._lore, self.wall, self.troubles)
        self._running: set[int] = set()
        self.looked = 0.0
        """Monotonic: when it last looked."""

    def look(self, now: float) -> None:
        """One pass over all tasks. ``now`` is monotonic seconds."""
        self._lore.refresh()
        self._running = set(map(id, running(self.state)))
        gone: list[Entry] = []
        for chunk in _chunks(list(self.entries.values())):
            self._pass(chunk, now, gone)
        for entry in gone:
            del self.entries[entry.record]
            self._leave(entry)
        for chunk in _chunks(list(self.state.records)):
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
        if entry.row is None and task is not None and entry.state != DONE:
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
            elif entry.future() is not future:
                self._settle(entry, task, future, now)

    def _welcome(self, record: Any, now: float) -> None:
        task = record()
        if task is None or not hasattr(task, "_fut_waiter"):
            return  # gone already, or some object that the program registered as a task
        entry = self.entries[record] = Entry(record, now)
        future = task._fut_waiter
        if future is None:
            self._stir(entry, task, now)
        else:
            self._settle(entry, task, future, now)

    def _stir(self, entry: Entry, task: Any, now: float) -> None:
        """It awaits nothing: it runs, is about to, or has ended."""
        state = DONE if task.done() else RUNNING if id(task) in self._running else READY
        if state == entry.state:
            return
        was_shown = entry.state != ""
        self._enter(entry, state, now, _nothing)
        if state != DONE:
            self.on_move(entry)
        elif was_shown:
            self.on_leave(entry)

    def _settle(self, entry: Entry, task: Any, future: Any, now: float) -> None:
        """It has begun to wait."""
        since = self._since(entry, task, future, now)
        self._enter(entry, WAITING, since, _reference(future))
        self.on_move(entry)

    def _since(self, entry: Entry, task: Any, future: Any, now: float) -> float:
        blocked = self.state.blocked.get(id(task))
        if blocked is not None:
            return blocked[1]
        record = entry.record
        if getattr(record, "witness", 0) != id(future):
            return now
        seen_before = 0.0 if not entry.state else self.looked
        return float(max(record.moved, seen_before))

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
            born = self.wall(getattr(entry.record, "born", entry.seen))
            birth = entry.birth = self._births.of(task, entry.record, born)
        future = task._fut_waiter
        if entry.state != WAITING or future is None or entry.future() is not future:
            found = Standing()  # the next look will see it where it is by then
        else:
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


def running(state: State) -> Iterator[Any]:
    """The tasks that are running now."""
    for loop in loops(state):
        try:
            task = asyncio.current_task(loop)
        except RuntimeError:
            continue
        if task is not None:
            yield task


def loops(state: State) -> list[Any]:
    """The loops of this process that are not closed."""
    for _ in range(3):
        try:
            return [loop for loop in list(state.loops) if not loop.is_closed()]
        except RuntimeError:  # another thread has just made one
            continue
    return []


def count(state: State) -> dict[str, int]:
    """How many tasks are in which state, where nobody needs to know which."""
    counts = dict.fromkeys((RUNNING, READY, WAITING), 0)
    for chunk in _chunks(list(state.records)):
        for record in chunk:
            task = record()
            if getattr(task, "_fut_waiter", None) is not None:
                counts[WAITING] += 1
            elif task is not None and not task.done():
                counts[READY] += 1
    counts[RUNNING] = len(list(running(state)))
    counts[READY] -= min(counts[RUNNING], counts[READY])
    return counts


def _reference(future: Any) -> Callable[[], Any]:
    try:
        return OwnReference(future)
    except TypeError:  # of the program's own make, without weak references: it has moved at each look
        return _nothing


def _chunks(things: list[Any]) -> Iterator[list[Any]]:
    """The things, chunk by chunk, with the interpreter handed back after each but the last."""
    for start in range(0, len(things), CHUNK):
        if start:
            time.sleep(HAND_BACK)
        yield things[start : start + CHUNK]
