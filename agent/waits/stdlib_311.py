"""What only 3.11 and 3.12 do: ``wait_for`` over a task of its own (3.11), ``as_completed`` as a generator."""

from __future__ import annotations

import asyncio
import gc
from types import GeneratorType
from typing import Any

from ..attributes import is_a
from ..stacks import Link
from .locals import local
from .model import Mode, Wait
from .rows import Row, Table, find_code


def fill(table: Table) -> None:
    """Enter the rows."""
    table.add("asyncio.tasks:wait_for", Row("asyncio.wait_for", _wait_for, joins=True))
    fill_as_completed(table)


def fill_as_completed(table: Table) -> None:
    """Enter what 3.12 still shares with 3.11."""
    table.add(
        "asyncio.tasks:as_completed._wait_for_one",
        Row("asyncio.as_completed", _as_completed, composite=True, joins=True),
    )


def _wait_for(link: Link, _links: list[Link], _future: Any) -> Wait:
    timer, inner = local(link, "timeout_handle"), local(link, "fut")
    if timer is None or not asyncio.isfuture(inner):
        return Wait("", Mode.FREE)
    due = (
        timer.when() if getattr(timer, "_scheduled", True) else None
    )  # it has fired: wait_for awaits the cancelled task
    return Wait("", Mode.ALL, None, (inner,), due=due)


def _as_completed(_link: Link, links: list[Link], future: Any) -> Wait:
    code = find_code("asyncio.tasks:as_completed")
    for link in reversed(links):
        for value in link.referents():
            if type(value) is GeneratorType and value.gi_code is code and value.gi_frame is not None:
                todo, timer = _cell_value(value, set), _cell_value(value, asyncio.TimerHandle)
                if todo:
                    return Wait("", Mode.ANY, None, tuple(todo), due=timer.when() if timer is not None else None)
    return Wait("", Mode.FREE, future)


def _cell_value(generator: GeneratorType[Any, Any, Any], kind: type) -> Any:
    for cell in gc.get_referents(generator):
        if type(cell).__name__ == "cell":
            try:
                if is_a(cell.cell_contents, kind):
                    return cell.cell_contents
            except ValueError:
                continue
    return None
