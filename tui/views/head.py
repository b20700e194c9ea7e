"""The line at the top: which processes, how they are, whether what is seen is live."""

from __future__ import annotations

from collections.abc import Sequence

from .. import words
from ..ink import Cell, Line, apart, clean, clip, joined, line, width_of
from ..scene import ENDED, LIVE, RECORDED, SILENT, Scene, Shot
from . import overview
from .processes import service_of

_WIDE = 120
_LEAST = 30
_LEAST_COMMAND = 22
_MOST_OF_THEM = 0.9


def line_of(scene: Scene, frozen: float | None, troubles: Sequence[str], width: int) -> Line:
    """The line. ``frozen``: for how long the picture has stood still, in seconds."""
    end = line(*_state(scene, frozen, troubles, width >= _WIDE), " ")
    who, command = _who(scene)
    left = line((" unstuck ", "bold"), " ", *who)
    if len(scene.seen) == 1 and frozen is None and scene.seen[0].state == LIVE:
        more = line(*overview.brief(scene.seen[0]), "   ", *end)
        end = more if width - width_of(more) >= min(width_of(left) + width_of(command), _LEAST) + 2 else end
    room = max(0, width - width_of(end) - 2)
    if room - width_of(left) >= min(width_of(command), _LEAST_COMMAND):  # a word or two of it say nothing
        left = line(*left, *command)
    return apart(clip(left, room), end, width)


def _who(scene: Scene) -> tuple[Line, Line]:
    """Who is looked at, and the command line that may be left out."""
    shots = scene.seen
    if not shots:
        return (), ()
    if len(shots) > 1:
        names = list(dict.fromkeys(service_of(shot) for shot in shots))
        of = f" of {clean(names[0])}" if len(names) == 1 else ""
        return line((f"{len(shots)} processes", "bold"), of), ()
    shot, command = shots[0], line("  ", clean(shots[0].command))
    if not shot.greeting.service:
        return line((str(shot.pid), "bold"), *command), ()
    return line((str(shot.pid), "bold"), "  ", clean(shot.greeting.service)), command


def _state(scene: Scene, frozen: float | None, troubles: Sequence[str], wide: bool) -> Line:
    if frozen is not None:
        return ((f" frozen {words.span(max(1.0, frozen))} ", "frozen"),)
    if not scene.seen:
        return ((troubles[0] if troubles else "connecting …", "bad" if troubles else "dim"),)
    cells: list[Cell] = [_note(shot, wide) for shot in scene.seen if shot.state in (ENDED, RECORDED, SILENT)]
    if cells:
        return joined(cells[:1] if len(scene.seen) == 1 else [_several(scene)])
    if any(shot.greeting and not shot.complete for shot in scene.seen):
        return (("● coming in", "warn"),)
    if part_of(scene.seen) < _MOST_OF_THEM:
        return ((f"● live, {part_of(scene.seen):.0%} of tasks", "warn"),)
    return (("● live", "good"),)


def part_of(shots: Sequence[Shot]) -> float:
    """The part of all tasks that is told: less where more come and go than the process has time to tell of."""
    every = sum(shot.health.tasks for shot in shots)
    return min(1.0, sum(len(shot.tasks) for shot in shots) / every) if every else 1.0


def _note(shot: Shot, wide: bool) -> Line:
    if shot.state == RECORDED:
        return ((" recorded ", "frozen"), (f" {shot.note}", "dim"))
    note = shot.note if wide else shot.note.partition(":")[0].partition(",")[0]
    if shot.state == ENDED:
        label = " ended " if shot.note.endswith("has ended") else " cut off "
        return ((label, "lost"), (f" {note}; its last picture" if wide else " its last picture", "dim"))
    return ((" silent ", "lost"), (f" {note}", "dim"))


def _several(scene: Scene) -> Line:
    if all(shot.state == RECORDED for shot in scene.seen):
        return ((" recorded ", "frozen"),)
    ended = sum(shot.state == ENDED for shot in scene.seen)
    silent = sum(shot.state == SILENT for shot in scene.seen)
    live = len(scene.seen) - ended - silent
    return joined(
        [
            (f"● {live} live", "good"),
            (f"{silent} silent" if silent else "", "warn"),
            (f"{ended} ended" if ended else "", "bad"),
        ]
    )
