"""The end of tasks that were not done: collected half-way, or cut off because the main task returned.

Laws:
- Where tasks are about to be cut off, ``State.on_end`` is called first, in the loop's thread; the loop stands
  still then. What is asked there is not this module's business.
- A task that is destroyed after its loop has stopped was left behind by its program, and is not told.
"""

from __future__ import annotations

import functools
from asyncio import runners
from dataclasses import dataclass
from typing import Any

from ..patching import Patches
from ..stacks import chain
from ..state import State
from .errors import Listener, Spot

KIND = "orphan-task"


@dataclass(frozen=True, slots=True)
class Collected:
    """A task that was collected before it was done, while its loop was running."""

    key: int
    name: str
    coro: str
    stood: tuple[Spot, ...]
    """Its frames, outermost first, where they could still be read."""
    defined: Spot | None
    made_at: Spot | None
    """Where it was made, if asyncio's debug mode knows."""
    loop: str


def install(patches: Patches, state: State) -> None:
    """Be told before ``asyncio.run`` cancels what is left."""
    original = getattr(runners, "_cancel_all_tasks", None)
    if original is None:
        return

    @functools.wraps(original)
    def _cancel_all_tasks(loop: Any) -> None:
        try:
            if state.on:
                state.on_end(loop)
        except Exception:  # noqa: BLE001 - the program ends as it would
            pass
        original(loop)

    patches.replace(runners, "_cancel_all_tasks", _cancel_all_tasks)


def listener(state: State) -> Listener:
    """Notes the tasks that were destroyed while they were pending."""

    def listen(loop: Any, context: dict[str, Any]) -> None:
        if context["message"] == "Task was destroyed but it is pending!" and _goes_on(loop):
            state.facts[KIND].append(_collected(context["task"], loop))

    return listen


def _collected(task: Any, loop: Any) -> Collected:
    coro, made = task.get_coro(), getattr(task, "_source_traceback", None)
    code = getattr(coro, "cr_code", None)
    links = chain(coro) if getattr(coro, "cr_frame", None) is not None else []
    return Collected(
        key=id(task),
        name=task.get_name(),
        coro=str(getattr(coro, "__qualname__", "")),
        stood=tuple((link.code.co_filename, link.line, link.code.co_qualname) for link in links),
        defined=(code.co_filename, code.co_firstlineno, code.co_qualname) if code is not None else None,
        made_at=(made[-1].filename, made[-1].lineno, made[-1].name) if made else None,
        loop=f"{type(loop).__name__}-{id(loop):x}",
    )


def _goes_on(loop: Any) -> bool:
    """Whether the loop runs and is to go on: its main coroutine's return stops it one turn later."""
    return loop.is_running() and not getattr(loop, "_stopping", False)
