"""The application: one source of scenes, the screens that show them, what keys do everywhere.

Laws:
- The scene is looked at when the source says that it has changed; what came in between is never seen.
- While frozen nothing changes on any screen; what happens meanwhile is not kept, only where it has led.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable
from typing import Any, ClassVar

from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import Screen

from ..agent import wire
from .bench import Bench
from .connection import Unreachable
from .ink import Line
from .messages import Picked, Pictured, Worked
from .palette import DARK, LIGHT
from .scene import Row, Scene
from .screens.dashboard import PANES, Dashboard
from .screens.dialogs import HelpScreen, Question
from .screens.processes import ProcessesScreen
from .source import Source
from .views import head

_ASK_AGAIN = 2.0


class TopApp(App[None]):
    """The dashboard. ``source`` says what there is to see; while it is browsing one chooses first."""

    TITLE = "unstuck"
    ENABLE_COMMAND_PALETTE = True
    BINDINGS: ClassVar[list[BindingType]] = [Binding("T", "light_or_dark", "light or dark", show=False)]
    CSS = """
    Screen { background: $background; color: $foreground; }
    """

    def __init__(self, source: Source, light: bool = False) -> None:
        super().__init__()
        self.animation_level = "none"  # nobody in a hurry wants to see a page glide, nor does a slow line
        self.source = source
        self.scene = Scene()
        self.only: int | None = None
        """The process that is looked at alone."""
        self.frozen: float | None = None
        """Since when the picture stands still."""
        self.followed: tuple[int, str] | None = None
        """The task that is followed: pid and id."""
        self.bench = Bench(self._done)
        self.dashboard = Dashboard()
        self._light = light
        self._numbers = itertools.count(1)
        self._asked: dict[int, str] = {}
        self._asked_to_follow = 0.0

    def on_mount(self) -> None:
        """Begin to look."""
        for theme in (DARK, LIGHT):
            self.register_theme(theme)
        self.theme = (LIGHT if self._light else DARK).name
        self.bench.start()
        self.push_screen(self.dashboard)
        if self.source.browsing:
            self.push_screen(ProcessesScreen())
        self.source.start(self._changed)

    def on_unmount(self) -> None:
        """Look no more."""
        self.bench.stop()
        self.source.close()

    # From other threads

    def _changed(self) -> None:
        self.post_message(Pictured())

    def _done(self, name: str, result: Any, failed: Exception | None) -> None:
        self.post_message(Worked(name, result, failed))

    def on_worked(self, event: Worked) -> None:
        """A page is worked out."""
        self.dashboard.worked(event)

    # The scene

    def on_pictured(self) -> None:
        """There is something new."""
        for answer in self.source.answers():
            self._answered(answer)
        if self.frozen is None:
            self._look()
        else:
            self._show_heads()

    def _look(self) -> None:
        self.scene = self.source.scene().narrowed(self.only)
        self._keep_following()
        for screen in self.screen_stack:
            if hasattr(screen, "see") and screen.query("#head"):  # neither before it is made nor while it is taken down
                screen.see(self.scene)

    def _show_heads(self) -> None:
        for screen in self.screen_stack:
            for bar in screen.query("#head"):
                bar.refresh()

    def head(self, width: int) -> Line:
        """The line at the top of every screen."""
        since = None if self.frozen is None else time.time() - self.frozen
        return head.line_of(self.scene, since, self.source.troubles(), width)

    def freeze(self) -> None:
        """Let the picture stand still, or go on."""
        self.frozen = time.time() if self.frozen is None else None
        if self.frozen is None:
            self._look()
        self._show_heads()

    def look_at(self, pid: int | None) -> None:
        """Look at one process alone, or at all that are watched."""
        self.only = pid
        self.scene = self.scene.narrowed(pid)
        self.dashboard.see(self.scene)
        self.dashboard.pane.again()

    # Which processes

    def pick(self) -> None:
        """Choose other processes."""
        self.source.browse()
        if not self.source.browsing:
            self.notify("there are no other processes to choose from", timeout=3)
        elif not isinstance(self.screen, ProcessesScreen):
            self.frozen = None
            self.push_screen(ProcessesScreen())

    def on_picked(self, event: Picked) -> None:
        """These were chosen."""
        shot = self.scene.shot(event.pids[0])
        model = shot.greeting if event.everyone and shot is not None else None
        self.only = self.followed = None
        self.source.choose(event.pids, model)
        self._leave_list()

    def pick_none(self) -> None:
        """Go on with what was chosen before."""
        self.source.browse(False)
        self._leave_list()

    def _leave_list(self) -> None:
        if isinstance(self.screen, ProcessesScreen):
            self.pop_screen()
        self._look()

    # Following, acting

    def follow(self, key: tuple[int, str] | None) -> None:
        """Have one task told in full, or none."""
        before, self.followed = self.followed, key
        if before is not None and (key is None or key[0] != before[0]):
            self._say(before[0], wire.Follow(None))
        if key is not None:
            self._asked_to_follow = time.monotonic()
            self._say(key[0], wire.Follow(key[1]))

    def _keep_following(self) -> None:
        """A new conversation with the process must be told again."""
        if self.followed is None or time.monotonic() - self._asked_to_follow < _ASK_AGAIN:
            return
        pid, id = self.followed
        shot = self.scene.shot(pid)
        if shot is not None and id in shot.tasks and id not in shot.details:
            self.follow(self.followed)

    @property
    def may_act(self) -> bool:
        """Whether a process that is looked at obeys."""
        return any(shot.greeting.actions for shot in self.scene.seen)

    def ask_to_cancel(self, row: Row) -> None:
        """Cancel a task, if that is really meant."""
        shot, task = row
        if not shot.greeting.actions:
            self.notify(f"process {shot.pid} does not allow it: UNSTUCK_ALLOW_ACTIONS=1 there", severity="warning")
            return

        def answered(yes: bool | None) -> None:
            if yes:
                number = next(self._numbers)
                self._asked[number] = task.name
                self._say(shot.pid, wire.Cancel(number, task.id))

        explanation = "It gets a CancelledError where it waits, as from task.cancel()."
        self.push_screen(Question(f"Cancel {task.name} in process {shot.pid}?", explanation), answered)

    def ask_to_switch_off(self) -> None:
        """Switch the agent off in the process that is looked at, if that is really meant."""
        shot = next(shot for shot in self.scene.seen if shot.greeting.actions)

        def answered(yes: bool | None) -> None:
            if yes:
                self._say(shot.pid, wire.SwitchOff(next(self._numbers)))

        explanation = "It says nothing more and can be looked at no more, until the process starts anew."
        self.push_screen(Question(f"Switch the agent off in process {shot.pid}?", explanation), answered)

    def _answered(self, answer: wire.Answer) -> None:
        name = self._asked.pop(answer.number, "")
        text = answer.text or f"{name}: {'done' if answer.done else 'not done'}"
        self.notify(text, severity="information" if answer.done else "warning", timeout=6)

    def _say(self, pid: int, frame: wire.Asked) -> None:
        try:
            self.source.send(pid, frame)
        except Unreachable as gone:
            if not isinstance(frame, wire.Follow):
                self.notify(str(gone), severity="warning")

    # Everywhere

    def show_help(self) -> None:
        """The keys."""
        self.push_screen(HelpScreen())

    def action_light_or_dark(self) -> None:
        """The other theme."""
        self.theme = (DARK if self.theme == LIGHT.name else LIGHT).name

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """What the command palette offers."""
        for number, pane in enumerate(PANES):
            yield SystemCommand(
                pane.TITLE, f"turn to page {number + 1}", lambda number=number: self.dashboard.action_page(number)
            )
        yield SystemCommand("Freeze", "let the picture stand still, or go on", self.freeze)
        yield SystemCommand("Processes", "choose other processes", self.pick)
        yield SystemCommand("Light or dark", "the other theme", self.action_light_or_dark)
        if len(self.scene.seen) == 1 and self.may_act:
            yield SystemCommand("Switch the agent off", "in this process, after a question", self.ask_to_switch_off)
        yield SystemCommand("Keys", "what each key does", self.show_help)
        yield SystemCommand("Theme", "choose another theme", self.action_change_theme)
        yield SystemCommand("Quit", "leave", self.action_quit)
