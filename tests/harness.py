"""Runs programs in this process under the agent, with a short tick, and collects what it says."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import unstuck
from unstuck.agent import quiet
from unstuck.agent.actions import throw
from unstuck.agent.config import Settings
from unstuck.agent.findings import Event, Finding
from unstuck.agent.views import task_id
from unstuck.agent.waits.reading import JOINABLE

from .programs import Program

TICK = 0.01
_SUSPENDED = inspect.CO_COROUTINE | inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR


@dataclass
class Ear:
    """A sink that remembers."""

    name: str = "ear"
    events: list[Event] = field(default_factory=list)
    heard: threading.Condition = field(default_factory=threading.Condition)

    def write(self, event: Event) -> None:
        with self.heard:
            self.events.append(event)
            self.heard.notify_all()

    def close(self) -> None:
        pass

    def opened(self, kind: str | None = None) -> list[Finding]:
        return [e.finding for e in self.events if e.event == "opened" and kind in (None, e.finding.kind)]

    def told(self, kind: str, event: str) -> bool:
        return any((each.event, each.finding.kind) == (event, kind) for each in self.events)

    def named(self, event: str) -> list[Finding]:
        return [e.finding for e in self.events if e.event == event]


def pass_over(module: str) -> None:
    """Threads that begin in this module are the tests' own, and no more bystanders than the agent's."""
    is_ours = quiet._is_ours

    def is_none_of_the_programs(frame: FrameType) -> bool:
        stack = [frame]
        while stack[-1].f_back is not None:
            stack.append(stack[-1].f_back)
        names = [each.f_globals.get("__name__") for each in reversed(stack)]
        begins = next((name for name in names if name != "threading"), None)
        is_whole = not stack[-1].f_code.co_flags & _SUSPENDED  # else the thread has left it meanwhile
        return (begins == module and is_whole) or is_ours(frame)

    quiet._is_ours = is_none_of_the_programs


def settings(**changes: Any) -> Settings:
    """Short times for tests; blocked-loop is off unless asked for, the test machine may well be busy."""
    values: dict[str, Any] = {"interval": TICK, "sinks": (), "blocked_loop_after": 60.0, "stuck_after": 0.05}
    return Settings(**(values | changes))


@contextlib.contextmanager
def agent(**changes: Any) -> Iterator[Ear]:
    """The agent switched on for a while."""
    ear = Ear()
    unstuck.install(settings(**changes), sinks=[ear])
    try:
        yield ear
    finally:
        unstuck.uninstall()


def run_until_found(
    program: Program, ear: Ear, kind: str, patience: float = 5.0, linger: float = 0.0, event: str = "opened"
) -> list[Finding]:
    """Run a program until a finding of that kind is opened, or has another event, then cancel what is left of it."""

    async def watch() -> None:
        task = asyncio.create_task(_as_coroutine(program), name="program")
        deadline = time.monotonic() + patience
        while not (ear.told(kind, event) or task.done() or time.monotonic() > deadline):
            await asyncio.sleep(TICK / 2)
        await asyncio.sleep(linger)
        await break_circles(ear)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for each in others:
            each.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    asyncio.run(watch())
    return ear.opened(kind)


async def break_circles(ear: Ear) -> None:
    """Task.cancel() in a circle of awaits ends in a RecursionError: wake the circle's tasks one by one."""
    circles = [finding for finding in ear.opened("deadlock") if not finding.resources]
    ids = {task.id for finding in circles for task in finding.core}
    for each in asyncio.all_tasks():
        if task_id(each) in ids and isinstance(each._fut_waiter, JOINABLE):  # type: ignore[attr-defined]
            throw(each, None)
            await asyncio.sleep(0.001)


def run_to_end(program: Program) -> None:
    """Run a healthy program to its end."""
    asyncio.run(_as_coroutine(program))


async def _as_coroutine(program: Program) -> None:
    await program()
