"""The page of waits: the tree from those that everybody waits for down to those who wait."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from ..scene import Scene
from ..views import waits
from ..views.waits import Branch
from ..widgets.sheet import Sheet
from .pane import TablePane
from .task import TaskReader


class WaitsPane(TablePane):
    """Who is everybody waiting for?"""

    TITLE = "Waits"
    FILTERED = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right,l,plus", "unfold", "unfold", key_display="→"),
        Binding("left,h,minus", "fold", "fold", key_display="←"),
    ]

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._unfolded: frozenset[Hashable] = frozenset()
        self._folded: frozenset[Hashable] = frozenset()

    def compose(self) -> ComposeResult:
        """The tree."""
        yield Sheet(id="waits-sheet")

    def work(self, scene: Scene) -> Callable[[], Any]:
        """The tree, folded as it is."""
        opened, closed = self._unfolded, self._folded
        return lambda: waits.view(scene, opened, closed)

    def on_sheet_opened(self, event: Sheet.Opened) -> None:
        """A task on a screen of its own; of a resource, or what is folded away, its waiters."""
        event.stop()
        branch: Branch = event.row
        if not branch.more and branch.id in branch.shot.tasks:
            self.app.push_screen(TaskReader((branch.shot.pid, branch.id)))
        else:
            self.action_unfold()

    def action_unfold(self) -> None:
        """Show what waits below the cursor's row, and in the end all of it."""
        branch: Branch | None = self.sheet.row
        if branch is not None:
            node = (branch.shot.pid, branch.id)
            if node in self._folded:
                self._folded -= {node}
            else:
                self._unfolded |= {node}
            self.again()

    def action_fold(self) -> None:
        """Hide what waits below the cursor's row."""
        branch: Branch | None = self.sheet.row
        if branch is not None:
            node = (branch.shot.pid, branch.id)
            if node in self._unfolded:
                self._unfolded -= {node}
            else:
                self._folded |= {node}
            self.again()
