"""A task on a screen of its own, followed as long as one looks at it."""

from __future__ import annotations

from typing import Any, ClassVar

from textual.binding import Binding, BindingType

from ..ink import text_of
from ..scene import Row, Scene
from ..views import task
from .reader import Reader

_WIDTH = 120


class TaskReader(Reader):
    """Everything about one task."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("b", "blocker", "its blocker"),
        Binding("c", "creator", "its creator"),
        Binding("x", "cancel", "cancel task"),
        Binding("x", "refuse", "cancel task", show=False),
    ]

    def __init__(self, key: Any) -> None:
        super().__init__(self._look_up, task.told, copy=self._to_clipboard)
        self.key: tuple[int, str] = key
        self._before: tuple[int, str] | None = None

    def on_mount(self) -> None:
        """Follow it, so that its stack is told."""
        self._before = self.top.followed
        self.top.follow(self.key)
        super().on_mount()

    def on_unmount(self) -> None:
        """Follow what was followed before."""
        self.top.follow(self._before)

    def _look_up(self, scene: Scene) -> Row | None:
        shot = scene.shot(self.key[0])
        found = shot.tasks.get(self.key[1]) if shot is not None else None
        return None if shot is None or found is None else (shot, found)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Cancelling is offered where the process obeys."""
        if action == "cancel":
            return self.top.may_act
        return super().check_action(action, parameters)

    def action_blocker(self) -> None:
        """To the task on which it waits."""
        self._go(task.blocker(self.row) if self.row is not None else None, "it waits for no other task")

    def action_creator(self) -> None:
        """To the task that made it."""
        parent = self.row[1].parent if self.row is not None else None
        alive = parent is not None and self.row is not None and parent in self.row[0].tasks
        self._go((self.key[0], parent) if alive else None, "the task that made it has ended, or is not known")

    def _go(self, key: Any, otherwise: str) -> None:
        if key is None:
            self.notify(otherwise, timeout=3)
        else:
            self.app.push_screen(TaskReader(key))

    def action_cancel(self) -> None:
        """Cancel it, if that is really meant."""
        if self.row is not None:
            self.top.ask_to_cancel(self.row)

    def action_refuse(self) -> None:
        """Say why it cannot be cancelled, where that is not offered."""
        self.action_cancel()

    def _to_clipboard(self) -> None:
        if self.row is not None:
            text = "\n".join(text_of(line).rstrip() for line in task.told(self.row, _WIDTH))
            self.app.copy_to_clipboard(text + "\n")
            self.notify(f"{self.row[1].name} copied", timeout=3)
