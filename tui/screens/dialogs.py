"""What lies over a page for a moment: the help, a question."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Label

from ..ink import Line, line
from ..widgets.lines import Lines

_KEYS = (
    ("everywhere", (
        ("1 … 5, tab, shift+tab", "turn the pages"),
        ("j k, ↓ ↑, g G, ctrl+d ctrl+u", "move"),
        ("enter", "open what is under the cursor"),
        ("esc", "back, out of a filter, of one process"),
        ("space", "freeze the picture; let it go on"),
        ("p", "choose other processes"),
        ("T", "dark or light"),
        ("ctrl+p", "command palette"),
        ("q", "quit"),
    )),
    ("tables", (
        ("/", "filter as you type: word, -word (not)"),
        ("s S, ← →, a click on a title", "sort by the next column, or back"),
        ("i", "turn the order round"),
    )),
    ("findings", (
        ("y, Y", "copy as text, as JSON"),
        ("w", "save both in the working folder"),
        ("J K", "scroll the detail"),
    )),
    ("tasks", (
        ("f", "follow: its await chain stays in sight"),
        ("b, c", "to its blocker, to its creator"),
        ("x", "cancel it, with UNSTUCK_ALLOW_ACTIONS=1"),
    )),
    ("waits", (
        ("→ ←, l h", "unfold, fold"),
    )),
    ("signs", (
        ("● ○", "of a finding; queued behind it"),
        ("↻", "a circle: they wait for each other"),
        ("proven", "it cannot end, cancellation aside"),
        ("suspected", "it stands, and no way out was found"),
        ("potential", "it did not happen, but could"),
    )),
)  # fmt: skip


class HelpScreen(ModalScreen[None]):
    """The keys."""

    DEFAULT_CSS = """
    HelpScreen { align: center middle; }
    HelpScreen Lines { width: 78; max-width: 96%; height: 90%; max-height: 42; border: round $primary;
        background: $surface; padding: 0 1; border-title-align: center; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,question_mark,q,enter,space", "dismiss", "back")]

    def compose(self) -> ComposeResult:
        """All keys on one page."""
        page = Lines(_help)
        page.border_title = "keys"
        yield page


def _help(width: int) -> list[Line]:
    lines: list[Line] = []
    for heading, keys in _KEYS:
        lines += [(), line((heading, "head2"))]
        lines += [line((f"  {key:<28} ", "key"), words) for key, words in keys]
    return lines[1:]


class Question(ModalScreen[bool]):
    """A question that is answered by yes or no. No is what happens by mistake."""

    DEFAULT_CSS = """
    Question { align: center middle; }
    Question Vertical { width: 64; max-width: 96%; height: auto; border: round $warning; background: $surface;
        padding: 1 2; }
    Question Label { width: 100%; }
    Question .answers { margin-top: 1; color: $text-muted; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "yes"),
        Binding("n,escape,q", "answer(False)", "no"),
    ]

    def __init__(self, question: str, explanation: str) -> None:
        super().__init__()
        self._question, self._explanation = question, explanation

    def compose(self) -> ComposeResult:
        """The question, what it means, the answers."""
        with Vertical():
            yield Label(self._question, markup=False)
            yield Label(self._explanation, markup=False)
            yield Label("y  yes        n  no", classes="answers", markup=False)

    def action_answer(self, yes: bool) -> None:
        """The answer."""
        self.dismiss(yes)
