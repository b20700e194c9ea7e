"""A program that runs in a thread of this process, with the agent and its socket on, and clients that look at it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import unstuck
from unstuck.agent import wire
from unstuck.tui.connection import Connection, Process, Unreachable
from unstuck.tui.picture import Picture

from .harness import Ear, settings

PATIENCE = 10.0
Body = Callable[[], Awaitable[object]]


@dataclass
class Watched:
    """A running program, and where its socket is."""

    folder: Path
    ear: Ear
    loop: asyncio.AbstractEventLoop
    clients: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    tasks: list[asyncio.Task[Any]] = field(default_factory=list)

    @property
    def process(self) -> Process:
        path = self.folder / f"{os.getpid()}.sock"
        assert appears(path)
        return Process(os.getpid(), str(path))

    def attach(self, **wanted: Any) -> Viewer:
        """A client that has been greeted."""
        wanted = {"period": 0.05} | wanted
        return Viewer(self.clients.enter_context(Connection(self.process, wire.Attach(wire.VERSION, **wanted))))

    def start(self, body: Coroutine[Any, Any, object], name: str | None = None) -> None:
        """Start a task in the program; it is called as its function is, if it has no other ``name``."""
        self.tasks.append(self.do(lambda: asyncio.create_task(body, name=name or body.__name__)))

    def do(self, step: Callable[[], Any]) -> Any:
        """Do something in the program's loop."""

        async def run() -> Any:
            return step()

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(PATIENCE)


class Viewer:
    """A client with its picture and all the frames that made it."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.picture = Picture(connection.greeting)
        self.frames: list[wire.Told] = []

    def watch(self, until: Callable[[Picture], object]) -> Picture:
        """Look until the picture is so."""
        end = time.monotonic() + PATIENCE
        for frame in self.connection.frames(PATIENCE):
            self.frames.append(frame)
            self.picture.apply(frame)
            assert self.picture.health is None or not self.picture.health.failed, self.picture.health.failed
            if until(self.picture):
                return self.picture
            if time.monotonic() > end:
                break
        raise AssertionError(f"not seen: {self.frames[-1] if self.frames else 'nothing'}")

    def whole(self) -> Picture:
        """Look until the first picture is complete."""
        return self.watch(lambda picture: picture.complete)

    def heard(self, kind: type[Any]) -> Any:
        """The next frame of that kind."""
        for frame in self.connection.frames(PATIENCE):
            self.picture.apply(frame)
            if isinstance(frame, kind):
                return frame
        raise AssertionError(f"no {kind.__name__}")

    def task(self, name: str) -> wire.Task:
        """The task of that name."""
        (found,) = [task for task in self.picture.tasks.values() if task.name == name]
        return found


@contextlib.contextmanager
def watched(body: Body, folder: Path, **changes: Any) -> Iterator[Watched]:
    """Run ``body`` as a program until the block is left; the agent is on and its socket open."""
    folder.chmod(0o700)
    ear, started = Ear(), threading.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def main() -> None:
        loops.append(asyncio.get_running_loop())
        asyncio.get_running_loop().call_soon(started.set)
        await body()

    def run() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            asyncio.run(main())

    unstuck.install(settings(**{"sinks": ("socket",), "socket_dir": str(folder)} | changes), sinks=[ear])
    thread = threading.Thread(target=run, name="program")
    try:
        thread.start()
        assert started.wait(PATIENCE)
        seen = Watched(folder, ear, loops[0])
        with seen.clients:
            yield seen
    finally:
        if loops and thread.is_alive():
            with contextlib.suppress(RuntimeError):
                loops[0].call_soon_threadsafe(_end, loops[0])
        thread.join(PATIENCE)
        unstuck.uninstall()


def _end(loop: asyncio.AbstractEventLoop) -> None:
    for task in asyncio.all_tasks(loop):
        task.cancel()


def appears(path: Path) -> bool:
    """Whether a file is there, now or soon."""
    return eventually(path.exists)


def eventually(condition: Callable[[], object], patience: float = PATIENCE) -> bool:
    """Whether something is so, now or soon."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.005)
    return bool(condition())


def reachable(process: Process) -> bool:
    """Whether somebody answers there."""
    try:
        Connection(process).close()
    except Unreachable:
        return False
    return True
