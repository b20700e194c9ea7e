"""Driving the dashboard in tests: keys in, the text of the screen out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from textual import events
from textual.keys import _character_to_key
from textual.pilot import Pilot

from unstuck.agent import wire
from unstuck.tui.app import TopApp
from unstuck.tui.picture import Picture
from unstuck.tui.scene import Scene, Shot
from unstuck.tui.source import Source, Still

CHARACTERS = {"space": " ", "slash": "/", "question_mark": "?"}
SMALL, LARGE = (80, 24), (160, 50)
Steps = Callable[["Driver"], Awaitable[None]]


class Driver:
    """A dashboard under test."""

    def __init__(self, app: TopApp, pilot: Pilot[Any]) -> None:
        self.app, self.pilot = app, pilot

    async def press(self, *keys: str) -> None:
        """Press keys, and wait until all that follows is seen."""
        for key in keys:
            await self.burst(key)

    async def burst(self, *keys: str) -> None:
        """Press keys all at once, and wait until all that follows is seen."""
        driver = self.app._driver
        assert driver is not None
        for key in keys:
            name = _character_to_key(key) if len(key) == 1 and not key.isalnum() else key
            event = events.Key(name, CHARACTERS.get(key, key if len(key) == 1 else None))
            event.set_sender(self.app)
            driver.send_message(event)
        await self.settle()

    async def click(self, x: int, y: int, times: int = 1) -> None:
        """Click at a cell of the screen."""
        await self.pilot.click(offset=(x, y), times=times)
        await self.settle()

    async def settle(self) -> None:
        """Wait until nothing is worked on any more: not here, and not on the bench."""
        before = None
        while before != (now := self.text) or not self.app.bench.idle:
            before = now
            for _ in range(3):
                await self.pilot._wait_for_screen()
                with self.app.screen._context():
                    self.app.screen._on_timer_update()  # else it draws sixty times a second
            await asyncio.sleep(0.001)

    async def until(self, seen: Callable[[], bool], patience: float = 5.0) -> None:
        """Wait for something to become true."""
        end = asyncio.get_running_loop().time() + patience
        while not seen():
            assert asyncio.get_running_loop().time() < end, self.text
            await self.pilot.pause(0.01)

    @property
    def text(self) -> str:
        """What the screen shows."""
        strips = self.app.screen._compositor.render_strips()
        return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips)

    @property
    def rows(self) -> list[str]:
        """The same, line by line."""
        return self.text.split("\n")

    def row(self, words: str) -> str:
        """The first line with these words."""
        return next((row for row in self.rows if words in row), "")

    @property
    def notes(self) -> list[str]:
        """What was notified."""
        return [note.message for note in self.app._notifications]


class Listener(Still):
    """A scene of processes that hear what is said to them, and of which one may choose."""

    def __init__(self, *pictures: Picture) -> None:
        super().__init__(Scene(tuple(Shot.of(each) for each in pictures)))
        self.said: list[tuple[int, wire.Asked]] = []
        self.picked: list[tuple[tuple[int, ...], wire.Greeting | None]] = []
        self.told: list[wire.Answer] = []
        self.changed: Callable[[], None] = lambda: None
        self.browsing = False

    def start(self, changed: Callable[[], None]) -> None:
        self.changed = changed
        changed()

    def show(self, *shots: Shot) -> None:
        """Something else is to be seen."""
        self._scene = Scene(shots)
        self.changed()

    def send(self, pid: int, frame: wire.Asked) -> None:
        self.said.append((pid, frame))

    def answers(self) -> list[wire.Answer]:
        answers, self.told = self.told, []
        return answers

    def browse(self, on: bool = True) -> None:
        self.browsing = on

    def choose(self, pids: Iterable[int], model: wire.Greeting | None = None) -> None:
        self.browsing = False
        self.picked.append((tuple(pids), model))


def drive(source: Source | Scene, steps: Steps, size: tuple[int, int] = SMALL) -> None:
    """Run the dashboard on a screen of that size."""

    async def run() -> None:
        app = TopApp(Still(source) if isinstance(source, Scene) else source)
        async with app.run_test(size=size) as pilot:
            driver = Driver(app, pilot)
            await driver.settle()
            await steps(driver)

    asyncio.run(run())
