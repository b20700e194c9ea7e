"""A pane: one of the five pages of the dashboard.

Laws:
- A pane says what is to be worked out for a scene, and presents what came of it. It does not compute on the screen's
  thread.
- Only the pane that is seen is worked out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from textual.containers import Vertical
from textual.widget import Widget

from ..scene import Scene
from ..sorting import Ask
from ..view import View
from ..widgets.sheet import Sheet

if TYPE_CHECKING:
    from ..app import TopApp


class Pane(Vertical):
    """A page. ``TITLE`` is its name on the tab."""

    TITLE: ClassVar[str] = ""
    FILTERED: ClassVar[bool] = False
    """Whether ``/`` filters it."""
    DEFAULT_CSS = """
    Pane { height: 1fr; }
    """

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.ask = Ask()

    @property
    def top(self) -> TopApp:
        """The dashboard's application."""
        return self.app  # type: ignore[return-value]

    def work(self, scene: Scene) -> Callable[[], Any]:
        """What is to be worked out, away from the screen's thread."""
        raise NotImplementedError

    def present(self, result: Any) -> None:
        """Show what was worked out."""
        raise NotImplementedError

    def target(self) -> Widget:
        """What gets the keys."""
        raise NotImplementedError

    @property
    def matches(self) -> str:
        """How many rows the filter leaves; empty without one."""
        return ""

    def again(self) -> None:
        """Something else is asked for: work it out, as soon as what is there has been painted."""
        self.call_after_refresh(self._ask)

    def _ask(self) -> None:
        self.top.bench.ask(str(self.id), self.work(self.top.scene), urgent=True)

    def only(self, text: str) -> None:
        """Filter by these words."""
        self.ask = self.ask.only(text)
        self.again()


class TablePane(Pane):
    """A page with one table."""

    FILTERED = True

    @property
    def matches(self) -> str:
        """How many rows the filter leaves."""
        view = self.sheet.view
        return "" if view.total is None else f"{len(view.rows):,} of {view.total:,}"

    @property
    def sheet(self) -> Sheet:
        """The table."""
        return self.query_one(Sheet)

    def target(self) -> Widget:
        """The table."""
        return self.sheet

    def present(self, result: View) -> None:
        """Show the table."""
        self.sheet.show(result)

    def on_sheet_sort_by(self, event: Sheet.SortBy) -> None:
        """Another order."""
        event.stop()
        self.ask = self.ask.by(event.column, event.inverted)
        self.again()
