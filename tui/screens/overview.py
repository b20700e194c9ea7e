"""The first page: how the process is, what is wrong, who blocks most. Of several processes a table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widget import Widget

from ..scene import Scene
from ..view import View
from ..views import overview, processes
from ..widgets.lines import Lines
from ..widgets.sheet import Sheet
from .pane import Pane

FINDINGS = 1
"""Which page they are on."""


class OverviewPane(Pane):
    """Lines for one process, a table for several."""

    TITLE = "Overview"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "findings", "findings", key_display="enter")]

    def on_mount(self) -> None:
        """Nothing is wrong yet."""
        self._offers = False

    def compose(self) -> ComposeResult:
        """Both; one of them is seen."""
        yield Lines(id="overview-lines")
        sheet = Sheet(id="overview-sheet")
        sheet.display = False
        yield sheet

    def work(self, scene: Scene) -> Callable[[], Any]:
        """The table, or the lines at the size at hand."""
        ask = self.ask
        if scene.several:
            return lambda: processes.view(scene, ask)
        page = self.query_one(Lines)
        width, height = max(40, self.size.width - 3), max(8, page.size.height)
        return lambda: overview.lines(scene, width, height)

    def present(self, result: Any) -> None:
        """Show one or the other."""
        page, sheet = self.query_one(Lines), self.query_one(Sheet)
        several = isinstance(result, View)
        if sheet.display != several:
            had_focus = page.has_focus or sheet.has_focus
            page.display, sheet.display = not several, several
            if had_focus:
                self.screen.set_focus(self.target())
        if several:
            sheet.show(result)
        else:
            page.show(lambda width: result)
        if self._offers != self._has_findings:
            self._offers = self._has_findings
            self.screen.refresh_bindings()

    @property
    def _has_findings(self) -> bool:
        """Whether something is wrong with the one process that is looked at."""
        return not self.top.scene.several and bool(self.top.scene.findings())

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """From here one turns to the findings, where there are some."""
        return action != "findings" or self._has_findings

    def action_findings(self) -> None:
        """To the findings."""
        self.top.dashboard.action_page(FINDINGS)

    def target(self) -> Widget:
        """The one that is seen."""
        sheet = self.query_one(Sheet)
        return sheet if sheet.display else self.query_one(Lines)

    def on_resize(self) -> None:
        """The lines depend on the size."""
        self.again()

    def on_sheet_opened(self, event: Sheet.Opened) -> None:
        """Look at one process alone."""
        event.stop()
        self.top.look_at(event.row.pid)

    def on_sheet_sort_by(self, event: Sheet.SortBy) -> None:
        """Another order of the processes."""
        event.stop()
        self.ask = self.ask.by(event.column, event.inverted)
        self.again()
