"""The list of processes to choose from, live: one of them, or all workers of one service together."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen

from .. import words
from ..ink import Line, apart, line
from ..messages import Picked
from ..scene import Scene
from ..sorting import Ask
from ..view import View
from ..views import processes
from ..views.processes import Group
from ..widgets.keys import Keys
from ..widgets.lines import Bar, Lines
from ..widgets.sheet import Sheet

if TYPE_CHECKING:
    from ..app import TopApp

_HELP = (
    "No process of yours runs the agent and has an event loop. Start one with it:",
    "",
    "    UNSTUCK=1 python app.py        or        unstuck run app.py",
    "",
    "It appears here by itself. A service with a socket folder of its own: set UNSTUCK_SOCKET_DIR here as there.",
)


class ProcessesScreen(Screen[None]):
    """Which process?"""

    DEFAULT_CSS = """
    ProcessesScreen #head { background: $panel; }
    ProcessesScreen Lines { padding: 2 3; display: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "mark", "mark"),
        Binding("escape", "back", "back"),
        Binding("question_mark", "help", "help", key_display="?"),
        Binding("q", "app.quit", "quit"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._ask = Ask(processes.FINDINGS)
        self._marked: set[int] = set()

    @property
    def top(self) -> TopApp:
        """The dashboard's application."""
        return self.app  # type: ignore[return-value]

    def compose(self) -> ComposeResult:
        """The list; words in its place while it is empty."""
        yield Bar(id="head")
        yield Sheet(id="processes")
        yield Lines(lambda width: [line(each) for each in _HELP])
        yield Keys()

    def on_mount(self) -> None:
        """Show what is known already."""
        self.set_focus(self.query_one(Sheet))
        self.see(self.top.scene)

    def see(self, scene: Scene) -> None:
        """The list, and what cannot be seen."""
        self._marked &= {shot.pid for shot in scene.shots}
        sheet = self.query_one(Sheet)
        sheet.show(self._view(scene))
        sheet.display, self.query_one(Lines).display = bool(scene.shots), not scene.shots
        number = len(scene.shots)
        self.query_one("#head", Bar).show(
            lambda width: _head(number, len(self._marked), self.top.source.troubles(), width)
        )

    def _view(self, scene: Scene) -> View:
        return processes.view(scene, self._ask, grouped=True, marked=frozenset(self._marked))

    def on_sheet_sort_by(self, event: Sheet.SortBy) -> None:
        """Another order."""
        event.stop()
        self._ask = self._ask.by(event.column, event.inverted)
        self.see(self.top.scene)

    def on_sheet_opened(self, event: Sheet.Opened) -> None:
        """This one, those that are marked, or all of the service."""
        event.stop()
        row = event.row
        if isinstance(row, Group):
            self.app.post_message(Picked(tuple(shot.pid for shot in row.shots), everyone=True))
        else:
            self.app.post_message(Picked(tuple(sorted(self._marked | {row.pid})), everyone=False))

    def action_mark(self) -> None:
        """Mark the process under the cursor, to choose several."""
        row = self.query_one(Sheet).row
        if row is not None:
            pids = {shot.pid for shot in row.shots} if isinstance(row, Group) else {row.pid}
            self._marked = self._marked - pids if pids <= self._marked else self._marked | pids
            self.see(self.top.scene)
            self.query_one(Sheet).action_move(1)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Back is only where one came from somewhere."""
        return action != "back" or self.top.source.chosen

    def action_back(self) -> None:
        """To what was watched before."""
        self.top.pick_none()

    def action_help(self) -> None:
        """The keys."""
        self.top.show_help()


def _head(number: int, marked: int, troubles: list[str], width: int) -> Line:
    chosen = f"  {marked} marked" if marked else ""
    left = line(
        (" unstuck ", "bold"),
        f" which process?  {words.some(number, 'process', 'processes')} with the agent",
        (chosen, "key"),
    )
    return apart(left, line((troubles[0] if troubles else "", "bad"), " "), width)
