"""The line of keys at the bottom: what can be done here.

One line that is drawn anew, where Textual's footer is a widget for each key, taken down and built again whenever the
focus moves, which lays out the whole screen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from textual import events
from textual.binding import Binding
from textual.screen import Screen

from ..ink import Line, line, width_of
from .lines import Bar

_GAP = 1


class Keys(Bar):
    """Each key that does something now, and what. A click is the key."""

    DEFAULT_CSS = """
    Keys { dock: bottom; background: $panel; padding: 0 1; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._keys: Sequence[tuple[str, Line]] = ()

    def on_mount(self) -> None:
        """Hear of every change."""
        self.screen.bindings_updated_signal.subscribe(self, self._changed)

    def _changed(self, screen: Screen[Any]) -> None:
        if screen is not self.screen:
            return
        first: dict[str, tuple[Binding, bool]] = {}
        for _, binding, enabled, _ in screen.active_bindings.values():
            if binding.show:
                first.setdefault(binding.action, (binding, enabled))
        keys = [(binding.key, self._span_of(binding, enabled)) for binding, enabled in first.values()]
        if keys != self._keys:
            self._keys = keys
            drawn = tuple(span for _, each in keys for span in (*each, (" " * _GAP, "")))
            self.show(lambda width: drawn)

    def _span_of(self, binding: Binding, enabled: bool) -> Line:
        tone = "" if enabled else "dim"
        return line((self.app.get_key_display(binding), "key" if enabled else "dim"), (f" {binding.description}", tone))

    def on_click(self, event: events.Click) -> None:
        """Which key was meant?"""
        start = self.styles.padding.left
        for key, shown in self._keys:
            if start <= event.x < start + width_of(shown):
                self.app.simulate_key(key)
                return
            start += width_of(shown) + _GAP
