"""Lines of text with tones, to be scrolled through: details, diagnostics, help."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from rich.style import Style
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget

from ..ink import Line, width_of
from ..palette import strip_of, tones

Teller = Callable[[int], Sequence[Line]]
"""Gives the lines for a width."""


class Inked(Widget):
    """Draws lines with tones. What its style and the theme are is asked once a paint, not once a line."""

    _inks: tuple[Mapping[str, Style], Style]

    def render_lines(self, crop: Region) -> list[Strip]:
        """All that is to be painted now."""
        self._inks = tones(self.app.theme_variables), self.rich_style
        return super().render_lines(crop)

    def inked(self, drawn: Line, left: int, width: int, base: Style | None = None) -> Strip:
        """``width`` cells of a line, from the cell ``left``, on the widget's own style or on another."""
        styles, own = self._inks
        ground = own if base is None else base
        return strip_of(drawn, styles, ground).crop_extend(left, left + width, ground)


class Lines(ScrollView, Inked, can_focus=True):
    """Lines that are worked out for the width at hand, of which only the visible ones are drawn."""

    DEFAULT_CSS = """
    Lines { overflow-y: scroll; scrollbar-size: 1 1; padding: 0 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "scroll_up", "up", show=False),
        Binding("down,j", "scroll_down", "down", show=False),
        Binding("left,h", "scroll_left", "left", show=False),
        Binding("right,l", "scroll_right", "right", show=False),
        Binding("pageup,ctrl+b,ctrl+u", "page_up", "page up", show=False),
        Binding("pagedown,ctrl+f,ctrl+d", "page_down", "page down", show=False),
        Binding("home,g", "scroll_home", "first", show=False),
        Binding("end,G", "scroll_end", "last", show=False),
    ]

    def __init__(self, tell: Teller | None = None, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._tell: Teller = tell or (lambda width: ())
        self.lines: Sequence[Line] = ()

    def show(self, tell: Teller, from_top: bool = False) -> None:
        """Show other lines; where one has scrolled to stays, unless ``from_top``."""
        self._tell = tell
        self._lay()
        if from_top:
            self.scroll_to(0, 0, animate=False)

    def _lay(self) -> None:
        width = self.scrollable_content_region.width
        if width <= 0:
            return
        self.lines = self._tell(width)
        self.virtual_size = Size(max(map(width_of, self.lines), default=0), len(self.lines))
        self.refresh()

    def action_scroll_end(self) -> None:
        """To the last line, at once."""
        self.scroll_to(y=self.max_scroll_y, animate=False)

    def on_resize(self) -> None:
        """Lay the lines out for the new width."""
        self._lay()

    def render_line(self, y: int) -> Strip:
        """One of the visible lines."""
        width = self.scrollable_content_region.width
        left, top = round(self.scroll_x), round(self.scroll_y)
        drawn = self.lines[y + top] if y + top < len(self.lines) else ()
        return self.inked(drawn, left, width)


class Bar(Inked):
    """One line that fills its width, worked out anew when it is told to."""

    DEFAULT_CSS = """
    Bar { height: 1; }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._tell: Callable[[int], Line] = lambda width: ()

    def show(self, tell: Callable[[int], Line]) -> None:
        """Show another line."""
        self._tell = tell
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """The line."""
        return self.inked(self._tell(self.size.width), 0, self.size.width)
