"""What there is to tell of one task: where it stands with source text, who made it, what it holds and waited for.

Law: only for the task that somebody follows, or once for each where a client asked for all stacks: it reads source.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from types import FrameType
from typing import Any

from .. import wire
from ..managers import within
from ..resources import is_resource, stands_for
from ..snapshot import Place
from ..stacks import Link, chain, line_of
from ..standing import current_frames
from ..state import State
from ..tracing import span_of
from ..views import place_of, resource_id, task_id
from ..waits.joiners import parent_of
from .entries import RUNNING, Entry
from .rows import name_of
from .things import Things

_MOST_FRAMES = 200
_MOST_MAKERS = 20
_MOST_PAST = 100
_LONGEST = 500
_LOOP = "asyncio.events"


def detail_of(entry: Entry, state: State, things: Things, past: tuple[wire.Past, ...] = ()) -> wire.Detail | None:
    """All of it; None when the task is gone."""
    task = entry.record()
    if task is None or entry.birth is None:
        return None
    links = [link for link in chain(task.get_coro()) if not link.module.startswith("unstuck.")]
    stack = _running_stack(task) if entry.state == RUNNING else [place_of(link) for link in links[-_MOST_FRAMES:]]
    return wire.Detail(
        entry.birth.id,
        False,
        tuple(map(_place, stack)),
        tuple(_makers(task, state)),
        past,
        tuple(dict.fromkeys((*_held_by_frames(links), *things.held_by(id(task))))),
        *span_of(task),
    )


class History:
    """The waits of a followed task, as its rows told them."""

    def __init__(self) -> None:
        self._past: deque[wire.Past] = deque(maxlen=_MOST_PAST)
        self._now: wire.Past | None = None

    def note(self, row: wire.Task, now: float) -> tuple[wire.Past, ...]:
        """The task is there now; all of its waits so far. ``now`` is seconds since the epoch."""
        waits = row.state == "waiting"
        current = wire.Past(row.wait, row.on, row.at, row.since, None) if waits else None
        if self._now is not None and current != self._now:
            ended = row.since if row.since > self._now.began else now
            self._past.append(wire.Past(self._now.wait, self._now.on, self._now.at, self._now.began, ended))
        self._now = current
        return (*self._past, current) if current is not None else tuple(self._past)


def _place(place: Place) -> wire.Place:
    return wire.Place(place.file[:_LONGEST], place.line, place.function[:_LONGEST], place.code[:_LONGEST])


def _makers(task: Any, state: State) -> Iterator[wire.Maker]:
    seen = {id(task)}
    for _ in range(_MOST_MAKERS):
        task = parent_of(task, state)
        if task is None or id(task) in seen:
            return
        seen.add(id(task))
        record = state.record_of(task)
        code = getattr(record, "code", None)
        made = None
        if record is not None and code is not None:
            made = _place(Place.at(code.co_filename, line_of(code, record.lasti), code.co_qualname))
        yield wire.Maker(task_id(task), name_of(task), made)


def _held_by_frames(links: list[Link]) -> Iterator[str]:
    """What the task holds because it stands in an ``async with`` over it."""
    for link in links:
        for entered in within(link):
            thing = stands_for(entered.manager)
            if entered.is_async and is_resource(thing):
                yield resource_id(thing)


def _running_stack(task: Any) -> list[Place]:
    """Where a running task is: its loop's thread, from the task's step on."""
    frame: FrameType | None = current_frames().get(getattr(task.get_loop(), "_thread_id", None) or 0)
    found = list[Place]()
    while frame is not None and len(found) < _MOST_FRAMES:
        if frame.f_globals.get("__name__") == _LOOP:
            break
        found.append(Place.at(frame.f_code.co_filename, frame.f_lineno or 0, frame.f_code.co_qualname))
        frame = frame.f_back
    return found[::-1]
