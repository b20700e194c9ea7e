"""All messages that cross into the dashboard's screen. A newer one of a kind takes the place of an older."""

from __future__ import annotations

from typing import Any

from textual.message import Message


class Pictured(Message):
    """There is something new to see."""

    def can_replace(self, message: Message) -> bool:
        """One look sees everything."""
        return isinstance(message, Pictured)


class Worked(Message):
    """What was asked of the bench under this name is done; ``failed`` when it could not be done."""

    def __init__(self, name: str, result: Any, failed: Exception | None = None) -> None:
        self.name, self.result, self.failed = name, result, failed
        super().__init__()

    def can_replace(self, message: Message) -> bool:
        """An older result of the same name."""
        return isinstance(message, Worked) and message.name == self.name


class Picked(Message):
    """Somebody chose what to watch: pids, and one of them when all that are alike are meant."""

    def __init__(self, pids: tuple[int, ...], everyone: bool) -> None:
        self.pids, self.everyone = pids, everyone
        super().__init__()
