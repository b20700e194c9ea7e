"""The line of tabs: which page is seen, and what each has to show."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.message import Message

from ..ink import Line, line, width_of
from .lines import Bar


class Tabs(Bar):
    """Titles with their numbers and counts. A click chooses one."""

    class Chosen(Message):
        """Somebody clicked on a tab."""

        def __init__(self, index: int) -> None:
            self.index = index
            super().__init__()

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._tabs: Sequence[Line] = ()

    def put(self, titles: Sequence[str], counts: Sequence[Line], active: int) -> None:
        """Show these titles, each with its count."""
        self._tabs = [
            line(
                ("│" if number else "", "dim"),
                (f" {number + 1} {title} ", "tab" if number == active else ""),
                *(((" ", ""), *count, (" ", "")) if count else ()),
            )
            for number, (title, count) in enumerate(zip(titles, counts, strict=True))
        ]
        tabs = tuple(span for tab in self._tabs for span in tab)
        self.show(lambda width: tabs)

    def on_click(self, event: events.Click) -> None:
        """Which tab was meant?"""
        start = 0
        for index, tab in enumerate(self._tabs):
            if start <= event.x < start + width_of(tab):
                self.post_message(self.Chosen(index))
                return
            start += width_of(tab)
