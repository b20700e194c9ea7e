"""The page of findings: the list, and below it everything about the one under the cursor."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from .. import keeping
from ..ink import text_of
from ..scene import Row, Scene
from ..sorting import Ask
from ..views import findings
from ..widgets.lines import Lines
from ..widgets.sheet import Sheet
from .pane import TablePane
from .reader import Reader

_WIDTH = 100


class FindingsPane(TablePane):
    """List and detail."""

    TITLE = "Findings"
    DEFAULT_CSS = """
    FindingsPane Sheet { height: 2; max-height: 33%; }
    FindingsPane Lines { height: 1fr; border-top: solid $border; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "copy", "copy"),
        Binding("Y", "copy_json", "copy as JSON", show=False),
        Binding("w", "save", "save"),
        Binding("J", "detail(1)", "scroll the detail down", show=False),
        Binding("K", "detail(-1)", "scroll the detail up", show=False),
    ]

    def compose(self) -> ComposeResult:
        """The list, and the detail."""
        yield Sheet(id="findings-sheet")
        yield Lines(id="findings-detail")

    def on_mount(self) -> None:
        """Nothing is chosen yet."""
        self._shown: Any = None
        self.query_one(Lines).can_focus = False

    def work(self, scene: Scene) -> Callable[[], Any]:
        """The list."""
        ask = self.ask
        return lambda: findings.view(scene, ask)

    def present(self, result: Any) -> None:
        """The list, and the detail anew, for its age grows."""
        super().present(result)
        self.sheet.styles.height = max(1, len(result.rows)) + 1
        if not result.rows:
            self._shown = None
            self.query_one(Lines).show(lambda width: ())

    def on_sheet_moved(self, event: Sheet.Moved) -> None:
        """Tell the finding under the cursor."""
        event.stop()
        row: Row = event.row
        self.query_one(Lines).show(lambda width: findings.told(row, width), from_top=event.key != self._shown)
        self._shown = event.key

    def on_sheet_opened(self, event: Sheet.Opened) -> None:
        """The finding on a screen of its own."""
        event.stop()
        key = event.key
        self.app.push_screen(
            Reader(lambda scene: _found(scene, key), findings.told, self.action_copy, self.action_save)
        )

    def action_detail(self, by: int) -> None:
        """Scroll the detail."""
        self.query_one(Lines).scroll_relative(y=by * 3, animate=False)

    def action_copy(self) -> None:
        """The finding as text, to the clipboard."""
        if (row := self.sheet.row) is not None:
            self.app.copy_to_clipboard(text(row))
            self.notify(f"{row[1]['kind']} {row[1]['id']} copied", timeout=3)

    def action_copy_json(self) -> None:
        """Its record, to the clipboard."""
        if (row := self.sheet.row) is not None:
            self.app.copy_to_clipboard(json.dumps(row[1], ensure_ascii=False, indent=2))
            self.notify(f"the record of {row[1]['id']} copied", timeout=3)

    def action_save(self) -> None:
        """As text and as JSON, into the working folder."""
        if (row := self.sheet.row) is not None:
            self.notify(keeping.saved(row[1], text(row)), timeout=6)


def text(row: Row) -> str:
    """The finding as text."""
    return "\n".join(text_of(line).rstrip() for line in findings.told(row, _WIDTH)) + "\n"


def _found(scene: Scene, key: Any) -> Row | None:
    view = findings.view(scene, Ask())
    index = view.index_of(key)
    return None if index is None else view.rows[index]
