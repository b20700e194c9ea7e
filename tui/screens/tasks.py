"""The page of tasks: the table, and below it the followed one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from ..scene import Row, Scene
from ..views import task, tasks
from ..widgets.lines import Lines
from ..widgets.sheet import Sheet
from .pane import TablePane
from .task import TaskReader


class TasksPane(TablePane):
    """All tasks."""

    TITLE = "Tasks"
    DEFAULT_CSS = """
    TasksPane Sheet { height: 1fr; }
    TasksPane Lines { height: 35%; min-height: 6; max-height: 14; border-top: solid $border; display: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f", "follow", "follow"),
        Binding("x", "cancel", "cancel task"),
        Binding("x", "refuse", "cancel task", show=False),
        Binding("b", "blocker", "blocker", show=False),
    ]

    def compose(self) -> ComposeResult:
        """The table and, once one is followed, where it stands."""
        yield Sheet(id="tasks-sheet")
        yield Lines(id="followed")

    def on_mount(self) -> None:
        """The keys are the table's."""
        self.query_one(Lines).can_focus = False

    def work(self, scene: Scene) -> Callable[[], Any]:
        """The table, and the followed one's row."""
        ask, followed = self.ask, self.top.followed

        def worked() -> Any:
            return tasks.view(scene, ask, followed), _row(scene, followed)

        return worked

    def present(self, result: Any) -> None:
        """Both."""
        view, row = result
        super().present(view)
        strip = self.query_one(Lines)
        strip.display = self.top.followed is not None
        if row is not None:
            strip.show(lambda width: task.brief(row, width))

    def on_sheet_opened(self, event: Sheet.Opened) -> None:
        """The task on a screen of its own."""
        event.stop()
        self.app.push_screen(TaskReader(event.key))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Cancelling is offered where the process obeys."""
        return action != "cancel" or self.top.may_act

    def action_follow(self) -> None:
        """Follow the task under the cursor; let go of it when it is the followed one."""
        key = self.sheet.key
        self.top.follow(None if key == self.top.followed else key)  # type: ignore[arg-type]
        self.again()

    def action_cancel(self) -> None:
        """Cancel the task under the cursor, if that is really meant."""
        if self.sheet.row is not None:
            self.top.ask_to_cancel(self.sheet.row)

    def action_refuse(self) -> None:
        """Say why it cannot be cancelled, where that is not offered."""
        self.action_cancel()

    def action_blocker(self) -> None:
        """To the task that the one under the cursor waits for."""
        blocker = task.blocker(self.sheet.row) if self.sheet.row is not None else None
        if blocker is None:
            self.notify("it waits for no other task", timeout=3)
        elif not self.sheet.go_to(blocker):
            self.notify("the filter hides it", timeout=3)


def _row(scene: Scene, key: tuple[int, str] | None) -> Row | None:
    shot = scene.shot(key[0]) if key is not None else None
    found = shot.tasks.get(key[1]) if shot is not None and key is not None else None
    return None if shot is None or found is None else (shot, found)
