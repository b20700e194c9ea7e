"""The page of resources: locks, queues, pools and the like that somebody waits for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from textual.app import ComposeResult

from ..scene import Row, Scene
from ..views import resources
from ..widgets.sheet import Sheet
from .pane import TablePane


class ResourcesPane(TablePane):
    """All resources that somebody waits for."""

    TITLE = "Resources"

    def compose(self) -> ComposeResult:
        """The table."""
        yield Sheet(id="resources-sheet")

    def work(self, scene: Scene) -> Callable[[], Any]:
        """The table."""
        ask = self.ask
        return lambda: resources.view(scene, ask)

    def on_sheet_opened(self, event: Sheet.Opened) -> None:
        """Who waits for it: the tasks, filtered by its name."""
        event.stop()
        row: Row = event.row
        self.top.dashboard.show_tasks_of(row[1].name)
