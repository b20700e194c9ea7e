"""The conversation with one client: what it asks for, and what it is told when it is time.

Laws:
- One update at a time: the next is made when the client has taken the last, and says all that has happened since.
- What it does not take is not made: a client that reads slowly costs no more than one that reads fast.
- Whatever it says that is no frame of ours ends the conversation, with a word.
"""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .. import wire
from .client import Client, Gone
from .details import History
from .entries import Entry
from .frames import cut
from .orders import Order
from .tab import Tab

_MOST_EVENTS = 1_000
_MOST_DELAYS = 1_000
_MOST_RESOURCES = 500
_INTRODUCED_WITHIN = 5.0
_FAREWELL = 1.0
_IMPATIENT_FOR = 3.0
_PERIODS = (0.05, 60.0)


class Session:
    """One client. ``now`` is monotonic seconds throughout."""

    def __init__(self, client: Client, now: float) -> None:
        self.client = client
        self.attach: wire.Attach | None = None
        """None until it has introduced itself."""
        self.tab: Tab | None = None
        self.due = now
        """When it is to have its next update."""
        self.is_leaving = False
        self.is_complete = False
        """Whether it has been told the whole picture once."""
        self.followed: Entry | None = None
        self.history = History()
        self.told: wire.Detail | None = None
        """The last detail of the followed task that it was told."""
        self.orders: list[Order] = []
        self._lost = 0
        self._events: deque[dict[str, Any]] = deque()
        self._delays: defaultdict[str, deque[float]] = defaultdict(lambda: deque(maxlen=_MOST_DELAYS))
        self._unpacker = wire.from_client()
        self._ends, self._patient = now + _INTRODUCED_WITHIN, now + _IMPATIENT_FOR

    @property
    def wants_rows(self) -> bool:
        """Whether it wants to be told of tasks and resources."""
        return self.attach is not None and self.attach.rows and self.tab is not None

    @property
    def wants_stacks(self) -> bool:
        """Whether it wants to be told where each task stands."""
        return self.attach is not None and self.attach.stacks and not self.is_complete

    def is_urgent(self, now: float) -> bool:
        """Whether somebody sits there and waits for the first picture: of all stacks, however long that takes."""
        return self.wants_stacks or (self.tab is not None and not self.is_complete and now < self._patient)

    def hear(self, now: float) -> Iterator[wire.Asked]:
        """What it has said since the last time. Raises Gone when it went, or has to."""
        self.client.flush(now)
        if (self.attach is None or self.is_leaving) and now > self._ends:
            raise Gone
        if self.is_leaving:
            if not self.client.backlog:
                raise Gone
            return
        data = self.client.receive()
        try:
            yield from self._unpacker.feed(data) if data else ()
        except wire.Malformed as wrong:
            self.dismiss(str(wrong), now)

    def dismiss(self, reason: str, now: float) -> None:
        """Tell it why it will be told no more, and hang up once it has heard."""
        self.say(wire.Refusal(reason))
        self.is_leaving, self._ends = True, now + _FAREWELL

    def say(self, frame: wire.Told) -> None:
        """Send a frame."""
        self.client.post(wire.pack(frame))

    def answer(self, now: float) -> None:
        """Say how its orders went, those of which that is known."""
        for order in list(self.orders):
            answer = order.answer(now)
            if answer is not None:
                self.orders.remove(order)
                self.say(answer)

    def stop_following(self) -> None:
        """It does not want to know more of a task than of others."""
        self.followed, self.told, self.history = None, None, History()

    def note_event(self, record: dict[str, Any]) -> None:
        """Something has happened to a finding; who has not been greeted yet will be greeted with it."""
        if self.attach is not None:
            self._events.append(record)

    def note_delays(self, samples: Mapping[str, Iterable[float]]) -> None:
        """Loops, by their ids, were late by so much."""
        for key, late in samples.items():
            self._delays[key].extend(late)

    def is_due(self, now: float) -> bool:
        """Whether it is to have an update now, and takes it; one that it does not take counts as lost."""
        if self.attach is None or self.is_leaving or now < self.due:
            return False
        least, most = _PERIODS
        self.due = max(self.due, now - least) + min(max(self.attach.period, least), most)
        if self.client.backlog:
            self._lost += 1
            if len(self._events) > _MOST_EVENTS:
                raise Gone
            return False
        return True

    def update(
        self,
        health: wire.Health,
        loops: Iterable[wire.Loop],
        is_complete: bool,
        rows: tuple[wire.Task, ...] = (),
        details: tuple[wire.Detail, ...] = (),
    ) -> None:
        """Tell it all that there is to be told. What is complete is said after the last of the ``details``."""
        gone, over, fresh = self._account()
        late = tuple(wire.Loop(each.id, each.thread, each.running, each.tasks, self._late(each.id)) for each in loops)
        events = tuple(self._events)
        complete = is_complete and not details
        update = wire.Update(time.time(), health, complete, gone, rows, over, fresh, late, events, self._lost)
        for data in cut(update):
            self.client.post(data)
        for detail in details:
            self.say(detail)
        if is_complete and not complete:
            self.say(wire.Update(update.time, health, True, loops=tuple(loops)))
        self.is_complete = is_complete
        self._delays.clear()
        self._events.clear()
        self._lost = 0

    def _account(self) -> tuple[tuple[str, ...], tuple[str, ...], tuple[wire.Resource, ...]]:
        if self.tab is None or not self.wants_rows:
            return (), (), ()
        fresh = tuple(thing.row for thing in self.tab.take_fresh(_MOST_RESOURCES) if thing.row is not None)
        return self.tab.take_gone(), self.tab.take_over(), fresh

    def _late(self, key: str) -> tuple[float, ...]:
        return tuple(self._delays.get(key, ()))
