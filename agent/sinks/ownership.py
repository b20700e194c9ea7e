"""The rows of findings about tasks, errors and coroutines that nobody owns, and of what runs or ran."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from ..snapshot import Place, TaskView
from .places import bare, below_loop, code_of, own_frames, waiting_place, where
from .rows import Row
from .text import clean, count_of

_MOST_FRAMES = 5


def rows_of(kind: str, task: TaskView) -> tuple[Row, ...] | None:
    """What is shown of a task in a finding of this kind; None when the general layout will do."""
    tell = _TELLERS.get(kind)
    return tuple(tell(task)) if tell else None


def _culprit(stack: Sequence[Place], verb: str, facts: tuple[str, ...]) -> Iterator[Row]:
    """The program's innermost frames below the loop, and last the frame that did it, if a library's."""
    places = below_loop(stack)
    last, own = len(places) - 1, own_frames(places)
    if not own:
        return
    picked = own[-_MOST_FRAMES:] if own[-1:] == [last] else [*own[1 - _MOST_FRAMES :], last]
    for before, index in zip([picked[0] - 1, *picked], picked, strict=False):
        if index - before > 1:
            yield Row("", f"({count_of(index - before - 1, 'library frame')})")
        place, final = places[index], index == last
        yield Row(where(place), code_of(place), verb if final else "", facts if final else ())


def _blocks(task: TaskView) -> Iterator[Row]:
    yield from _culprit(task.stack, "blocks", ("the loop",))


def _called(task: TaskView) -> Iterator[Row]:
    if not task.stack:  # in a record that somebody else wrote
        return
    place = task.stack[-1]
    verb = "calls" if task.created_at else "defines" if place.function == task.coro else "drops"
    yield Row(str(place.line), code_of(place), verb, (f"{clean(bare(task.name))}()", "never awaited"))


def _failed(task: TaskView) -> Iterator[Row]:
    error = clean(task.error or "")
    if task.stack:
        yield from _culprit(task.stack, "raises", (error,))
    else:
        yield Row("", "", "bears", (error,))
    yield from _made(task)


def _unkept(task: TaskView) -> Iterator[Row]:
    place = waiting_place(task.stack)
    if place is not None:
        is_definition = place.code.startswith(("async def ", "def ", "@"))
        yield Row(
            where(place),
            code_of(place),
            "ran" if is_definition else "waits",
            ("nothing yet" if is_definition else "here",),
        )
    yield from _made(task)


def _leaked(task: TaskView) -> Iterator[Row]:
    if task.created_at is not None:
        yield from _unkept(task)
    elif task.stack:
        yield Row(where(task.stack[-1]), code_of(task.stack[-1]), "will be called", ())


def _made(task: TaskView) -> Iterator[Row]:
    """Where the task was made, when that was seen."""
    if task.created_at is not None:
        yield Row(where(task.created_at), code_of(task.created_at), "makes", ("the task",))


_TELLERS: dict[str, Callable[[TaskView], Iterator[Row]]] = {
    "blocked-loop": _blocks,
    "lost-error": _failed,
    "never-awaited": _called,
    "orphan-task": _unkept,
    "task-leak": _leaked,
}
