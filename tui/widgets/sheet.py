"""A table of any number of rows, of which only the visible ones are ever drawn.

Laws:
- What is shown is a ``View``, replaced as a whole; the cursor stays on its row, by key, wherever that goes.
- A row that is gone leaves the cursor where it was.
- In another order a cursor at the top stays at the top: nobody has chosen that row, one wants to see who is first now.
- The sheet knows nothing of tasks: it tells which row is meant, and its owner acts.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, ClassVar

from textual import events
from textual.actions import SkipAction
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from ..columns import column_at, laid, widths
from ..ink import Line, line
from ..view import NOTHING, View
from .lines import Inked

_MARGIN = 1


class Sheet(ScrollView, Inked, can_focus=True):
    """Rows under a header. Posts Moved, Opened and SortBy."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"sheet--cursor", "sheet--header"}
    DEFAULT_CSS = """
    Sheet { overflow-x: hidden; overflow-y: scroll; scrollbar-size-vertical: 1; }
    Sheet > .sheet--header { background: $panel; }
    Sheet > .sheet--cursor { background: $primary 16%; }
    Sheet:focus > .sheet--cursor { background: $primary 28%; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "up", show=False),
        Binding("down,j", "move(1)", "down", show=False),
        Binding("pageup,ctrl+b", "page(-1.0)", "page up", show=False),
        Binding("pagedown,ctrl+f", "page(1.0)", "page down", show=False),
        Binding("ctrl+u", "page(-0.5)", "half a page up", show=False),
        Binding("ctrl+d", "page(0.5)", "half a page down", show=False),
        Binding("home,g", "top", "first", show=False),
        Binding("end,G", "bottom", "last", show=False),
        Binding("enter", "open", "open", show=False),
        Binding("s,right", "sort(1)", "sort by the next column", show=False),
        Binding("S,left", "sort(-1)", "sort by the one before", show=False),
        Binding("i", "invert", "turn the order round", show=False),
    ]

    class Moved(Message):
        """The cursor is on another row, or the row has changed."""

        def __init__(self, sheet: Sheet, key: Hashable, row: Any) -> None:
            self.sheet, self.key, self.row = sheet, key, row
            super().__init__()

        @property
        def control(self) -> Sheet:
            """The sheet."""
            return self.sheet

    class Opened(Moved):
        """The row under the cursor was chosen."""

    class SortBy(Message):
        """Another order is wanted; ``inverted`` None: the column's own."""

        def __init__(self, sheet: Sheet, column: int, inverted: bool) -> None:
            self.sheet, self.column, self.inverted = sheet, column, inverted
            super().__init__()

        @property
        def control(self) -> Sheet:
            """The sheet."""
            return self.sheet

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.view: View = NOTHING
        self.cursor = 0
        self._key: Hashable = None

    # What is shown

    def show(self, view: View) -> None:
        """Show another picture of the same."""
        if self.cursor == 0 and (view.sort, view.inverted) != (self.view.sort, self.view.inverted):
            self._key = None
        found = view.index_of(self._key, self.cursor) if self._key is not None else None
        same = found is not None
        self.view = view
        self.virtual_size = Size(self.size.width, len(view.rows) + 1)
        offset = self.cursor - round(self.scroll_y)
        self.cursor = min(self.cursor if found is None else found, max(0, len(view.rows) - 1))
        if same and self.scroll_y and self.cursor:  # the cursor's row stays where it is on the screen
            self.scroll_to(y=max(0, self.cursor - offset), animate=False)
        self._arrive()
        self.refresh()

    def go_to(self, key: Hashable) -> bool:
        """Put the cursor on this row; whether it is there."""
        index = self.view.index_of(key)
        if index is None:
            self._key = key  # it may come with the next view
            return False
        self._move_to(index)
        return True

    @property
    def sizes(self) -> Sequence[int]:
        """The widths of the columns; a cell is left free at either edge."""
        return widths(self.view.columns, self.size.width - 2)

    @property
    def row(self) -> Any:
        """The row under the cursor; None of an empty sheet."""
        return self.view.rows[self.cursor] if self.view.rows else None

    @property
    def key(self) -> Hashable:
        """What the row under the cursor is."""
        return self.view.key(self.row) if self.view.rows else None

    # Moving

    def _move_to(self, index: int) -> None:
        self.cursor = max(0, min(index, len(self.view.rows) - 1))
        self._arrive()
        self.refresh()

    def _arrive(self) -> None:
        if not self.view.rows:
            return
        self._key = self.view.key(self.row)
        self._reveal()
        self.post_message(self.Moved(self, self._key, self.row))

    def _reveal(self) -> None:
        height, top = max(1, self.size.height - 1), round(self.scroll_y)
        margin = min(_MARGIN, (height - 1) // 2)
        if self.cursor < top + margin:
            self.scroll_to(y=max(0, self.cursor - margin), animate=False)
        elif self.cursor > top + height - 1 - margin:
            self.scroll_to(y=self.cursor - height + 1 + margin, animate=False)

    def action_move(self, by: int) -> None:
        """One row up or down."""
        self._move_to(self.cursor + by)

    def action_page(self, by: float) -> None:
        """Pages up or down."""
        self._move_to(self.cursor + int(by * max(1, self.size.height - 2)))

    def action_top(self) -> None:
        """To the first row."""
        self._move_to(0)

    def action_bottom(self) -> None:
        """To the last row."""
        self._move_to(len(self.view.rows) - 1)

    def action_open(self) -> None:
        """Choose the row under the cursor."""
        if self.view.rows:
            self.post_message(self.Opened(self, self.key, self.row))

    # Order

    def action_sort(self, step: int) -> None:
        """Sort by the next or previous column that is shown. The key is somebody else's where nothing is sorted."""
        if self.view.sort is None:
            raise SkipAction
        sizes = self.sizes
        able = [n for n, column in enumerate(self.view.columns) if column.sortable and sizes[n]]
        if not able:
            return
        here = able.index(self.view.sort) if self.view.sort in able else -step
        self.post_message(self.SortBy(self, able[(here + step) % len(able)], False))

    def action_invert(self) -> None:
        """Turn the order round."""
        if self.view.sort is not None:
            self.post_message(self.SortBy(self, self.view.sort, not self.view.inverted))

    def on_click(self, event: events.Click) -> None:
        """A row is chosen by a click, opened by two; a title sorts."""
        if event.y == 0:
            self._sort_at(event.x)
            return
        index = event.y - 1 + round(self.scroll_y)
        if index < len(self.view.rows):
            self._move_to(index)
            if event.chain == 2:
                self.action_open()

    def _sort_at(self, x: int) -> None:
        column = column_at(self.sizes, x - 1)
        if self.view.sort is not None and column is not None and self.view.columns[column].sortable:
            again = column == self.view.sort
            self.post_message(self.SortBy(self, column, again and not self.view.inverted))

    # Drawing

    def on_resize(self) -> None:
        """Keep the cursor in sight."""
        self.virtual_size = Size(self.size.width, len(self.view.rows) + 1)
        self._reveal()

    def render_line(self, y: int) -> Strip:
        """The header, or the row that is at this height now."""
        index = y - 1 + round(self.scroll_y)
        if y == 0:
            return self._drawn(self._header(), "sheet--header")
        if index < len(self.view.rows):
            row = self.view.rows[index]
            sizes = self.sizes
            component = "sheet--cursor" if index == self.cursor else ""
            return self._drawn(laid(self.view.columns, sizes, self.view.cells(row)), component)
        if not self.view.rows and y == 1:
            return self._drawn(line("  ", (self.view.empty, "dim")))
        return self._drawn(())

    def _drawn(self, drawn: Line, component: str = "") -> Strip:
        base = self.get_component_rich_style(component) if component else None
        return self.inked(line(" ", *drawn), 0, self.size.width, base)

    def _header(self) -> Line:
        sizes = self.sizes
        titles = []
        for index, column in enumerate(self.view.columns):
            arrow = ("▴" if self.view.inverted else "▾") if index == self.view.sort else ""
            titles.append((column.title + arrow, "sorted" if arrow else "head"))
        return laid(self.view.columns, sizes, titles)
