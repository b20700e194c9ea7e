"""Where scenes come from: live processes (``fleet``), or something that stands still."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from ..agent import wire
from .connection import Unreachable
from .scene import Scene


class Source(Protocol):
    """What a dashboard shows. Its methods are called on the screen's thread."""

    @property
    def browsing(self) -> bool:
        """Whether all that there is is shown, to choose from."""
        ...

    def start(self, changed: Callable[[], None]) -> None:
        """Begin; ``changed`` may be called from any thread when there is something new to see."""
        ...

    def scene(self) -> Scene:
        """What is to be seen now."""
        ...

    def answers(self) -> list[wire.Answer]:
        """What has become of actions, each told once."""
        ...

    def troubles(self) -> list[str]:
        """Why something cannot be seen."""
        ...

    @property
    def chosen(self) -> bool:
        """Whether something was chosen before."""
        ...

    def browse(self, on: bool = True) -> None:
        """Show all that there is, to choose from; or no more, but what was chosen before."""
        ...

    def choose(self, pids: Iterable[int], model: wire.Greeting | None = None) -> None:
        """Watch these; with ``model`` also those that come later and are alike."""
        ...

    def send(self, pid: int, frame: wire.Asked) -> None:
        """Say something to a process. Raises Unreachable."""
        ...

    def close(self) -> None:
        """Nobody looks any more."""
        ...


class Still:
    """One scene that does not change."""

    browsing = False
    chosen = True

    def __init__(self, scene: Scene) -> None:
        self._scene = scene

    def start(self, changed: Callable[[], None]) -> None:
        """There is something to see at once."""
        changed()

    def scene(self) -> Scene:
        """The scene."""
        return self._scene

    def answers(self) -> list[wire.Answer]:
        """Nothing is ever answered."""
        return []

    def troubles(self) -> list[str]:
        """Nothing is wrong with it."""
        return []

    def browse(self, on: bool = True) -> None:
        """There is nothing else to choose."""

    def choose(self, pids: Iterable[int], model: wire.Greeting | None = None) -> None:
        """There is nothing else to choose."""

    def send(self, pid: int, frame: wire.Asked) -> None:
        """Nobody listens."""
        raise Unreachable("this is a recording: nobody listens")

    def close(self) -> None:
        """Nothing to let go of."""
