"""The dashboard itself: the head, five pages behind tabs, a filter, the keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.screen import Screen
from textual.widgets import ContentSwitcher, Input, Label

from ..ink import Line
from ..messages import Worked
from ..scene import Scene
from ..widgets.keys import Keys
from ..widgets.lines import Bar
from ..widgets.tabs import Tabs
from .findings import FindingsPane
from .overview import OverviewPane
from .pane import Pane
from .resources import ResourcesPane
from .tasks import TasksPane
from .waits import WaitsPane

if TYPE_CHECKING:
    from ..app import TopApp

PANES: tuple[type[Pane], ...] = (OverviewPane, FindingsPane, TasksPane, WaitsPane, ResourcesPane)
_IDS = tuple(each.TITLE.lower() for each in PANES)
_TASKS = _IDS.index("tasks")


class Dashboard(Screen[None]):
    """Five pages of one scene.

    Keys that move the focus have priority: they are obeyed before the next key is even looked at, so nothing that is
    typed ahead goes to the page before.
    """

    DEFAULT_CSS = """
    Dashboard { layout: vertical; overflow: hidden; }
    #head { background: $panel; }
    #tabs { background: $surface; margin-bottom: 0; }
    #pages { height: 1fr; }
    #filter { height: 1; display: none; background: $surface; }
    #filter Label { color: $primary; text-style: bold; padding: 0 1; }
    #filter Input { border: none; height: 1; padding: 0; background: $surface; width: 1fr; }
    #filter Input:focus { border: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "filter", key_display="/", priority=True),
        Binding("space", "freeze", "freeze"),
        Binding("p", "processes", "processes"),
        Binding("question_mark", "help", "help", key_display="?"),
        Binding("q", "app.quit", "quit"),
        Binding("escape", "out", "out", show=False),
        Binding("down", "to_page", "to the page", show=False),
        Binding("tab", "turn(1)", "next page", show=False, priority=True),
        Binding("shift+tab", "turn(-1)", "previous page", show=False, priority=True),
        *(Binding(str(n + 1), f"page({n})", pane.TITLE, show=False, priority=True) for n, pane in enumerate(PANES)),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.page = 0
        self._matches = ""

    @property
    def top(self) -> TopApp:
        """The dashboard's application."""
        return self.app  # type: ignore[return-value]

    @property
    def pane(self) -> Pane:
        """The page that is seen."""
        return self.query_one(f"#{_IDS[self.page]}", Pane)

    def compose(self) -> ComposeResult:
        """Head, tabs, pages, filter, keys."""
        yield Bar(id="head")
        yield Tabs(id="tabs")
        with ContentSwitcher(initial=_IDS[0], id="pages"):
            for id, pane in zip(_IDS, PANES, strict=True):
                yield pane(id=id)
        with Horizontal(id="filter"):
            yield Label("/")
            yield Input(placeholder="words that a row must have; -word: must not have", select_on_focus=False)
            yield Label(id="matches")
        yield Keys()

    def on_mount(self) -> None:
        """The first page."""
        self.action_page(0)

    # What is seen

    def see(self, scene: Scene) -> None:
        """The scene has gone on: the head at once, the page as soon as it is worked out."""
        self._show_head(scene)
        self.top.bench.ask(str(self.pane.id), self.pane.work(scene))

    def worked(self, event: Worked) -> None:
        """A page is worked out: show it, unless the dashboard is about to go."""
        pane = next(iter(self.query(f"#{event.name}").results(Pane)), None)
        if pane is None:
            return
        if event.failed is not None:
            self.notify(f"{pane.TITLE} cannot be shown: {event.failed!r}", severity="error", timeout=10)
        else:
            pane.present(event.result)
            if pane is self.pane:
                self._show_matches()

    def _show_head(self, scene: Scene) -> None:
        self.query_one("#head", Bar).show(self.top.head)
        self.query_one(Tabs).put([pane.TITLE for pane in PANES], _counts(scene), self.page)

    # Pages

    def action_page(self, number: int) -> None:
        """Turn to a page."""
        self.page = number
        self.query_one(ContentSwitcher).current = _IDS[number]
        self._show_filter(self.pane.ask.filter)
        self.set_focus(self.pane.target())
        self._show_head(self.top.scene)
        self.pane.again()
        self.refresh_bindings()

    def action_turn(self, by: int) -> None:
        """To the next page or the one before."""
        self.action_page((self.page + by) % len(PANES))

    def on_tabs_chosen(self, event: Tabs.Chosen) -> None:
        """A tab was clicked."""
        self.action_page(event.index)

    def show_tasks_of(self, name: str) -> None:
        """Turn to the tasks that have to do with something of that name."""
        self.action_page(_TASKS)
        self._show_filter(name)
        self.pane.only(name)

    # The filter

    def action_filter(self) -> None:
        """Filter as one types."""
        self._show_filter(self.pane.ask.filter, even_empty=True)
        self.set_focus(self.query_one(Input))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only what has a filter is filtered; what is typed into the filter is no command."""
        if action in ("page", "turn", "filter") and isinstance(self.focused, Input):
            return False
        return action != "filter" or (self.is_mounted and self.pane.FILTERED)

    def _show_filter(self, text: str, even_empty: bool = False) -> None:
        box = self.query_one("#filter")
        box.display = bool(text) or even_empty
        with self.prevent(Input.Changed):
            self.query_one(Input).value = text
        self._show_matches()

    def _show_matches(self) -> None:
        """How many rows the filter leaves, where it is seen: another text lays out the whole screen anew."""
        matches = self.pane.matches if self.query_one("#filter").display else self._matches
        if matches != self._matches:
            self._matches = matches
            self.query_one("#matches", Label).update(matches)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Another filter."""
        event.stop()
        self.pane.only(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """The filter stays; the keys are the table's again."""
        event.stop()
        self._show_filter(event.value)
        self.set_focus(self.pane.target())

    # Out, freeze, help

    def action_to_page(self) -> None:
        """From the filter to what it leaves."""
        self.set_focus(self.pane.target())

    def action_out(self) -> None:
        """One step out: of the filter, of one process among several."""
        if self.query_one("#filter").display:
            self._show_filter("")
            self.set_focus(self.pane.target())
            self.pane.only("")
        elif self.top.only is not None:
            self.top.look_at(None)

    def action_freeze(self) -> None:
        """Let the picture stand still, or go on."""
        self.top.freeze()

    def action_processes(self) -> None:
        """Choose other processes."""
        self.top.pick()

    def action_help(self) -> None:
        """The keys."""
        self.top.show_help()


def _counts(scene: Scene) -> list[Line]:
    verdicts = scene.verdicts()
    findings = tuple((f"●{number}", verdict) for verdict, number in verdicts.items() if number)
    spaced = tuple(span for each in findings for span in (each, (" ", "")))[:-1]
    tasks = sum(shot.health.tasks for shot in scene.seen)
    waited = sum(len(shot.resources) for shot in scene.seen)
    return [
        (),
        spaced,
        ((f"{tasks:,}", "dim"),) if tasks else (),
        (),
        ((f"{waited:,}", "dim"),) if waited else (),
    ]
