"""Everybody who looks at this process now, and what each of them wants.

Laws:
- Made with the first client and dropped with the last: without clients there is nothing of this.
- A client that fails, whatever the reason, is hung up on; the others go on.
- Nobody acts on the program unless the program's environment allows it.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any

from .. import wire
from . import orders
from .client import Client, Gone
from .entries import loops as loops_of
from .frames import greeting, other_version
from .scene import Scene
from .session import Session
from .subject import Subject
from .text import clean_record

MOST_CLIENTS = 32
_EAGER, _CALM = 0.01, 0.07
_GREETED_WITH = 100


class Audience:
    """All clients. ``now`` is monotonic seconds throughout."""

    def __init__(self, subject: Subject, started: float) -> None:
        self.subject, self.started = subject, started
        self.sessions: list[Session] = []
        self._has_to_go = False
        self._scene = Scene(subject)

    def take_dismissal(self) -> bool:
        """Whether a client has asked for the agent to be switched off; said once."""
        asked, self._has_to_go = self._has_to_go, False
        return asked

    @property
    def due_within(self) -> float:
        """Seconds until this wants to be called again."""
        return _EAGER if any(map(self._is_eager, self.sessions)) else _CALM

    def welcome(self, stream: socket.socket, now: float) -> None:
        """Somebody has connected."""
        session = Session(Client(stream, now), now)
        self.sessions.append(session)
        if len(self.sessions) > MOST_CLIENTS:
            session.dismiss(f"{MOST_CLIENTS} others are looking at this process already", now)

    def hear_event(self, record: dict[str, Any]) -> None:
        """Something has happened to a finding."""
        for session in self.sessions:
            session.note_event(clean_record(record))

    def serve(self, now: float) -> None:
        """Take what clients have said, and tell those who are due."""
        allowance = self._scene.allowance
        threads = [getattr(loop, "_thread_id", None) for loop in loops_of(self.subject.state)]
        allowance.begin(now, threads, any(each.is_urgent(now) for each in self.sessions))
        for session in list(self.sessions):
            self._with(session, lambda each: self._hear(each, now))
        self._scene.sample()
        due = [each for each in list(self.sessions) if self._with(each, lambda each: self._is_due(each, now))]
        if due:
            self._tell_all(due, now)
        allowance.end()

    def leave(self, now: float) -> None:
        """Tell what is left to be told, and hang up on everybody."""
        for session in list(self.sessions):
            self._with(session, lambda each: self._part(each, now))
        self.disown()

    def disown(self) -> None:
        """Let go of all connections, as in a forked child, whose parent they belong to."""
        for session in self.sessions:
            session.client.close()
        self.sessions.clear()

    # -- listening ---------------------------------------------------------------------------------

    def _hear(self, session: Session, now: float) -> None:
        for frame in session.hear(now):
            if isinstance(frame, wire.Attach):
                self._greet(session, frame, now)
            elif session.attach is None:
                session.dismiss("a conversation begins with Attach", now)
            elif isinstance(frame, wire.Follow):
                self._follow(session, frame.task, now)
            else:
                self._obey(session, frame, now)
        session.answer(now)
        session.client.flush(now)

    def _greet(self, session: Session, attach: wire.Attach, now: float) -> None:
        if attach.version != wire.VERSION:
            session.dismiss(other_version(attach.version), now)
        elif session.attach is not None:
            session.dismiss("Attach comes once", now)
        else:
            session.attach = attach
            findings = [clean_record(event.as_record()) for event in self.subject.findings()]
            session.say(greeting(self.started, self.subject.settings, tuple(findings[:_GREETED_WITH])))
            for record in findings[_GREETED_WITH:]:
                session.note_event(record)
            if attach.rows:
                session.tab = self._scene.open(now, attach.stacks)

    def _follow(self, session: Session, key: str | None, now: float) -> None:
        session.stop_following()
        session.due = now
        if key is None:
            return
        if session.tab is None:
            session.tab = self._scene.open(now, False)
        task = orders.task_of(key, self.subject.state)
        entry = self._scene.feed.entry_of(task) if task is not None and self._scene.feed is not None else None
        if entry is None:
            session.say(wire.Detail(key, gone=True))
        session.followed = entry

    def _obey(self, session: Session, order: wire.Cancel | wire.SwitchOff, now: float) -> None:
        if not self.subject.settings.allow_actions:
            session.say(orders.refused(order.number))
        elif isinstance(order, wire.Cancel):
            session.orders.append(orders.cancel(order, self.subject.state, self.subject.cancel, now))
        else:
            session.say(wire.Answer(order.number, True, "the agent in this process switches itself off"))
            self._has_to_go = True

    # -- telling -----------------------------------------------------------------------------------

    def _is_due(self, session: Session, now: float) -> bool:
        if not session.client.backlog and self._is_eager(session):
            session.due = min(session.due, now)
        return session.is_due(now)

    def _is_eager(self, session: Session) -> bool:
        """Whether this client should not have to wait: it is reading, or its first picture could be made."""
        if session.client.backlog:
            return session.client.is_reading
        return session.tab is not None and not session.is_complete and self._scene.has_time

    def _tell_all(self, due: list[Session], now: float) -> None:
        self._scene.look(now)
        delays = self._scene.delays()
        for session in self.sessions:
            session.note_delays(delays)
        tabs = {session: session.tab for session in due if session.tab is not None and session.wants_rows}
        rows = {session: self._scene.rows(tab) for session, tab in tabs.items()}
        self._scene.look_at_things()
        details = {session: self._scene.details(tab) for session, tab in tabs.items()}
        health = self._scene.health()
        loops = self._scene.loops(health.tasks)
        for session in due:
            self._with(
                session, lambda each: self._tell(each, now, health, loops, rows.get(each, ()), details.get(each, ()))
            )
        self.sessions = self.sessions[1:] + self.sessions[:1]  # another one is first to be told the next time

    def _tell(
        self,
        session: Session,
        now: float,
        health: wire.Health,
        loops: tuple[wire.Loop, ...],
        rows: tuple[wire.Task, ...],
        details: tuple[wire.Detail, ...],
    ) -> None:
        is_complete = session.is_complete or self._is_complete(session)
        session.update(health, loops, is_complete, rows, details)
        if session.followed is not None:
            self._tell_followed(session)
        session.client.flush(now)

    def _is_complete(self, session: Session) -> bool:
        return session.tab is None or self._scene.is_complete(session.tab, session.wants_stacks)

    def _tell_followed(self, session: Session) -> None:
        entry, feed = session.followed, self._scene.feed
        row = feed.row(entry, True) if feed is not None and entry is not None else None
        if entry is None or row is None:
            session.say(wire.Detail(entry.birth.id if entry is not None and entry.birth is not None else "", gone=True))
            session.stop_following()
            return
        detail = self._scene.detail(entry, session.history.note(row, time.time()))
        if detail is not None and detail != session.told:
            session.told = detail
            session.say(detail)

    def _part(self, session: Session, now: float) -> None:
        if session.attach is not None and not session.client.backlog:
            health = self._scene.health()
            session.update(health, self._scene.loops(health.tasks), session.is_complete)
        session.client.flush(now)

    def _with(self, session: Session, step: Callable[[Session], Any]) -> Any:
        try:
            return step(session)
        except Gone:
            self._drop(session)
        except Exception as failed:  # noqa: BLE001 - one client's trouble is not another's, let alone the program's
            self.subject.complain(f"a client of the socket was hung up on: {failed!r}")
            self._drop(session)
        return None

    def _drop(self, session: Session) -> None:
        session.client.close()
        self.sessions.remove(session)
        if session.tab is not None:
            self._scene.close(session.tab)
