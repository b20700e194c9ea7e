"""A finding in full, as lines with tones: the diagnostic that stderr prints, the graph, and where each task stands."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from ..agent.findings import Finding
from ..agent.sinks.page import BOX, LEAST_WIDTH, Page
from ..agent.sinks.places import bare
from ..agent.sinks.text import clean
from ..agent.snapshot import TaskView
from . import words
from .drawing import drawn
from .ink import Line, clip, line
from .views.places import path

_PAINTED = re.compile("\x1b([a-z]*)\x1b")
_TONES = {"box": "dim", "task": "bold", "name": "bold", "note": "link", "id": "dim", "help": "good", "takes": "waits",
          "blocks": "waits", "": ""}  # fmt: skip
_MOST_STACKS = 20


class _Toned(Page):
    """The page of stderr with tones in the place of colours."""

    def __init__(self, width: int) -> None:
        super().__init__(False, max(width, LEAST_WIDTH), BOX)

    def _paint(self, style: str, text: str) -> str:
        return f"\x1b{style}\x1b{text}\x1b\x1b" if text else text


def told(finding: Finding, age: float, width: int, waited: Mapping[str, float] | None = None) -> list[Line]:
    """Everything about a finding that is ``age`` seconds old now. ``waited``: for how long its tasks have, by id."""
    known = waited or {}
    tasks = tuple(replace(task, waiting_s=known.get(task.id, task.waiting_s)) for task in finding.tasks)
    finding = replace(finding, age_s=age, tasks=tasks)
    lines = diagnostic(finding, width)
    graph = drawn(finding, width)
    if graph:
        lines += [(), *graph]
    stacks = list(_stacks(finding, width))
    return [*lines, (), *stacks] if stacks else lines


def diagnostic(finding: Finding, width: int) -> list[Line]:
    """What stderr shows when the finding is opened."""
    return [_toned(text) for text in _Toned(width).diagnostic(finding)]


def _toned(text: str) -> Line:
    spans = []
    tone = ""
    for number, piece in enumerate(_PAINTED.split(text)):
        if number % 2:
            tone = _TONES.get(piece, piece)
        elif piece:
            spans.append((piece, tone))
    return tuple(spans)


def _stacks(finding: Finding, width: int) -> Iterator[Line]:
    """The whole await chain of each task, outermost first."""
    for task in finding.tasks[:_MOST_STACKS]:
        if not task.stack:
            continue
        role = "" if task.role == "core" else "  behind it"
        waiting = f"  for {words.span(task.waiting_s)}" if task.waiting_s else ""
        yield line(("where ", "dim"), (clean(task.name), "bold"), (" stands", "dim"), (role + waiting, "dim"))
        yield from (clip(row, width) for row in _stack(task))
        yield ()


def _stack(task: TaskView) -> Iterator[Line]:
    for place in task.stack:
        yield line("  ", *path(place), (f" in {clean(bare(place.function))}", "dim"))
        if place.code:
            yield line("      ", clean(place.code))
    if task.created_at is not None:
        yield line(("  made at ", "dim"), *path(task.created_at), "  ", (clean(task.created_at.code), "dim"))
    if task.trace_id:
        yield line(("  trace ", "dim"), clean(task.trace_id), ("  span ", "dim"), clean(task.span_id or ""))
