"""A task in full: what it waits for, where it stands with the source, its past waits, who made it."""

from __future__ import annotations

from collections.abc import Iterator

from ...agent import wire
from ...agent.sinks.places import waiting_place
from ...agent.snapshot import Place
from .. import words
from ..ink import Line, clip, joined, line
from ..scene import Row, Shot
from .places import awaited, bare, holders, path, spot, tidy
from .tasks import age_of, mark_of

_MOST_PAST = 200


def told(row: Row, width: int) -> list[Line]:
    """Everything about the task."""
    shot, task = row
    detail = shot.details.get(task.id)
    lines = [*_head(row), (), *_stack(detail, task)]
    if detail is not None:
        lines += [*_holds(shot, detail), *_makers(shot, task, detail), *_past(shot, detail)]
    return [clip(each, width) for each in lines]


def brief(row: Row, width: int) -> list[Line]:
    """The await chain alone, for a few lines beside the table."""
    shot, task = row
    detail = shot.details.get(task.id)
    return [clip(each, width) for each in (title(row), *list(_stack(detail, task))[1:])]


def title(row: Row) -> Line:
    """Its name, state and wait on one line."""
    shot, task = row
    resource = shot.resources.get(task.on or "")
    held = holders(shot, resource.holders, task.id) if resource is not None else ()
    coro = bare(task.coro)
    return joined(
        [
            mark_of(row),
            (tidy(task.name), "bold"),
            (f"({coro})" if coro != task.name else "", "dim"),
            (task.state, task.state),
            (words.span(age_of(row)), ""),
            (("for ", "waits"), *awaited(shot, task)) if task.wait or task.on else "",
            (("held by ", "holds"), *held) if held else "",
        ]
    )


def _head(row: Row) -> Iterator[Line]:
    shot, task = row
    yield title(row)
    yield ()
    resource = shot.resources.get(task.on or "")
    if resource is not None:
        yield _fact("waits for", joined([tidy(resource.name), (tidy(resource.type), "dim"), _made(resource.made)]))
        if resource.holders:
            yield _fact("held by", _names(shot, resource.holders, task.id))
    elif task.joins:
        yield _fact("waits for", line(("the end of ", "dim"), *_names(shot, task.joins, task.id)))
    elif task.wait:
        yield _fact("waits for", line(tidy(task.wait)))
    if task.due is not None:
        yield _fact("ends in", line(words.span(task.due - shot.time), ("  by its timeout", "dim")))
    if task.born is not None:
        yield _fact("age", line(words.span(shot.time - min(task.born, task.since))))  # it may be seen late
    yield _fact("task", line((tidy(f"{task.id}  loop {task.loop}  pid {shot.pid}"), "dim")))
    detail = shot.details.get(task.id)
    if detail is not None and detail.trace_id:
        yield _fact("trace", line(tidy(detail.trace_id), ("  span ", "dim"), tidy(detail.span_id or "")))


def _fact(name: str, value: Line) -> Line:
    return line((f"  {name:<10}", "dim"), *value)


def _made(made: wire.Spot | None) -> Line:
    return line(("made at ", "dim"), *spot(made)) if made is not None else ()


def _names(shot: Shot, ids: tuple[str, ...], me: str) -> Line:
    distinct = list(dict.fromkeys(ids))
    names = [
        "itself" if id == me else tidy(shot.name_of(id)) if id in shot.tasks else "one that has ended"
        for id in distinct[:5]
    ]
    more = f" and {len(distinct) - 5:,} more" if len(distinct) > 5 else ""
    return line(", ".join(names), (more, "dim"))


def _stack(detail: wire.Detail | None, task: wire.Task) -> Iterator[Line]:
    yield line(("where it stands", "head2"))
    if detail is None or not detail.stack:
        if task.at is not None:
            yield line("  ", *path(task.at), (f" in {bare(task.at.function)}", "dim"))
        elif detail is None:
            yield line(("  not known yet", "dim"))
        else:
            yield line(("  nowhere that can be read", "dim"))
        return
    here = waiting_place([Place(each.file, each.line, each.function, each.code) for each in detail.stack])
    for place in detail.stack:
        mine = here is not None and (place.file, place.line) == (here.file, here.line)
        yield line("  ", *path(place), (f" in {bare(place.function)}", "dim"))
        if place.code:
            yield line(("    ▸ " if mine else "      ", "waits"), (tidy(place.code), "" if mine else "dim"))


def _holds(shot: Shot, detail: wire.Detail) -> Iterator[Line]:
    if not detail.holds:
        return
    yield ()
    yield line(("holds", "head2"))
    for id in detail.holds:
        resource = shot.resources.get(id)
        if resource is None:
            yield line("  ", (tidy(id), "dim"))
            continue
        waiters = (words.some(resource.waiters, "waiter"), "bad" if resource.waiters else "dim")
        yield line(
            "  ", joined([(tidy(resource.name), "bold"), (tidy(resource.type), "dim"), waiters, _made(resource.made)])
        )


def _makers(shot: Shot, task: wire.Task, detail: wire.Detail) -> Iterator[Line]:
    """Each creator with the line in which it made the one before."""
    if not detail.makers and task.made is None:
        return
    yield ()
    yield line(("who made it", "head2"))
    made: wire.Spot | wire.Place | None = task.made
    for maker in detail.makers:
        ended = "" if maker.id in shot.tasks else "has ended"
        yield line("  ", *joined([(tidy(maker.name), "bold"), path(made) if made else "", (ended, "dim")]))
        yield from _code(made)
        made = maker.made
    if made is not None:
        yield line("  ", *path(made))
        yield from _code(made)


def _code(made: wire.Spot | wire.Place | None) -> Iterator[Line]:
    if isinstance(made, wire.Place) and made.code:
        yield line("      ", tidy(made.code))


def _past(shot: Shot, detail: wire.Detail) -> Iterator[Line]:
    if not detail.past:
        return
    yield ()
    yield line(("its waits since it is followed", "head2"))
    for past in reversed(detail.past[-_MOST_PAST:]):
        ended = past.ended if past.ended is not None else shot.time
        on = tidy(shot.name_of(past.on)) if past.on else ""
        now = ("  now", "running") if past.ended is None else ("", "")
        yield line(
            f"  {words.span(max(0.0, ended - past.began)):>8}  ",
            joined([tidy(past.wait), (on, "bold"), spot(past.at)]),
            now,
        )


def blocker(row: Row) -> tuple[int, str] | None:
    """The task on which this one waits: the holder of what it waits for, or the task that it joins."""
    shot, task = row
    resource = shot.resources.get(task.on or "")
    ids = resource.holders if resource is not None else (*task.joins, task.on or "")
    return next(((shot.pid, id) for id in ids if id in shot.tasks), None)
