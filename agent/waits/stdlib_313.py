"""What is so since 3.12 and 3.13: ``wait_for`` is a timeout around a plain await (the timeout is read from
the frame's contexts), ``as_completed`` is an object."""

from __future__ import annotations

from typing import Any

from ..stacks import Link
from .locals import local
from .model import Mode, Wait
from .rows import Row, Table


def fill(table: Table) -> None:
    """Enter the rows."""
    table.add(
        "asyncio.tasks:_AsCompletedIterator._wait_for_one",
        Row("asyncio.as_completed", _as_completed, composite=True, joins=True),
    )


def _as_completed(link: Link, _links: list[Link], future: Any) -> Wait:
    iterator = local(link, "self")
    todo = tuple(getattr(iterator, "_todo", ()))
    timer = getattr(iterator, "_timeout_handle", None)
    if not todo:
        return Wait("", Mode.FREE, future)
    return Wait("", Mode.ANY, None, todo, due=timer.when() if timer is not None else None)
