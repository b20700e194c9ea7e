"""The rows of findings about tasks, errors and coroutines that nobody owns."""

from __future__ import annotations

from collections.abc import Iterator

from ..snapshot import TaskView
from .places import bare, code_of
from .rows import Row
from .text import clean


def rows_of(kind: str, task: TaskView) -> tuple[Row, ...]:
    """What is shown of a task in a finding of this kind; nothing when the general layout will do."""
    tell = {"never-awaited": _called}.get(kind)
    return tuple(tell(task)) if tell else ()


def _called(task: TaskView) -> Iterator[Row]:
    place = task.stack[-1]
    verb = "calls" if task.created_at else "defines" if place.function == task.coro else "drops"
    yield Row(str(place.line), code_of(place), verb, (f"{clean(bare(task.name))}()", "never awaited"))
