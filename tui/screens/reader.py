"""A screen for one thing in full: a finding, a task. It stays what it was opened for while the scene goes on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen

from ..ink import Line
from ..scene import Row, Scene
from ..widgets.keys import Keys
from ..widgets.lines import Bar, Lines

if TYPE_CHECKING:
    from ..app import TopApp

Finder = Callable[[Scene], Row | None]
Teller = Callable[[Row, int], Sequence[Line]]


class Reader(Screen[None]):
    """``find`` looks the thing up in a scene, ``tell`` gives its lines; what is gone stays as it was seen last."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,backspace,q", "back", "back"),
        Binding("y", "copy", "copy"),
        Binding("w", "save", "save"),
    ]

    def __init__(
        self,
        find: Finder,
        tell: Teller,
        copy: Callable[[], None] | None = None,
        save: Callable[[], None] | None = None,
    ) -> None:
        super().__init__()
        self._find, self._tell = find, tell
        self._copy, self._save = copy, save
        self.row: Row | None = None

    @property
    def top(self) -> TopApp:
        """The dashboard's application."""
        return self.app  # type: ignore[return-value]

    def compose(self) -> ComposeResult:
        """The head as everywhere, the lines, the keys."""
        yield Bar(id="head")
        yield Lines(id="reader")
        yield Keys()

    def on_mount(self) -> None:
        """Show it at once."""
        self.set_focus(self.query_one(Lines))
        self.see(self.top.scene)

    def see(self, scene: Scene) -> None:
        """The scene has gone on."""
        found = self._find(scene)
        if found is not None:
            self.row = found
        self.query_one("#head", Bar).show(self.top.head)
        if self.row is not None:
            row, gone = self.row, found is None
            self.query_one(Lines).show(lambda width: [*self._gone(gone), *self._tell(row, width)])

    def _gone(self, gone: bool) -> list[Line]:
        return [(("this is over; it is shown as it was seen last", "link"),), ()] if gone else []

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """No key for what cannot be done."""
        return not ((action == "copy" and self._copy is None) or (action == "save" and self._save is None))

    def action_back(self) -> None:
        """Where one came from."""
        self.dismiss()

    def action_copy(self) -> None:
        """To the clipboard."""
        if self._copy is not None:
            self._copy()

    def action_save(self) -> None:
        """Into files."""
        if self._save is not None:
            self._save()
