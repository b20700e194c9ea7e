"""What a client may ask to be done: cancel a task, switch the agent off. Nothing else, and only where that is allowed.

Laws:
- Only with UNSTUCK_ALLOW_ACTIONS=1, and refused with that word otherwise.
- A task is cancelled in its loop's own thread. Nobody waits for that: the answer comes when it is done, or when its
  loop has not done it in time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .. import wire
from ..state import OwnReference, State
from .rows import name_of

_PATIENCE = 5.0
_FORBIDDEN = "refused: the process was not started with UNSTUCK_ALLOW_ACTIONS=1"


@dataclass(slots=True)
class Order:
    """Something under way. ``answer`` is there once it is done."""

    number: int
    until: float
    """Monotonic."""
    outcome: list[wire.Answer] = field(default_factory=list)

    def answer(self, now: float) -> wire.Answer | None:
        """How it went; None while that is open."""
        if self.outcome:
            return self.outcome[0]
        if now < self.until:
            return None
        return wire.Answer(self.number, False, "asked for, but the task's loop has not turned since")


def refused(number: int) -> wire.Answer:
    """The answer where nothing may be done."""
    return wire.Answer(number, False, _FORBIDDEN)


def cancel(wanted: wire.Cancel, state: State, how: Callable[[Any], bool], now: float) -> Order:
    """Have a task cancelled by ``how``, in its loop."""
    order = Order(wanted.number, now + _PATIENCE)
    task = task_of(wanted.task, state)
    if task is None or task.done():
        order.outcome.append(wire.Answer(wanted.number, False, f"there is no task {wanted.task} any more"))
        return order
    reference = OwnReference(task)
    try:
        task.get_loop().call_soon_threadsafe(_step, reference, how, order)
    except RuntimeError:
        order.outcome.append(wire.Answer(wanted.number, False, "the task's loop is closed"))
    return order


def task_of(key: str, state: State) -> Any:
    """The living task with that id."""
    try:
        return state.task_by_id(int(key.removeprefix("task-"), 16))
    except ValueError:
        return None


def _step(reference: Any, how: Callable[[Any], bool], order: Order) -> None:
    """In the loop's thread."""
    task = reference()
    try:
        if task is None or task.done():
            order.outcome.append(wire.Answer(order.number, False, "it had ended by itself"))
        elif how(task):
            order.outcome.append(wire.Answer(order.number, True, f"{name_of(task)} was cancelled"))
        else:
            order.outcome.append(wire.Answer(order.number, False, f"{name_of(task)} could not be cancelled"))
    except Exception as failed:  # noqa: BLE001 - nothing may reach the program
        order.outcome.append(wire.Answer(order.number, False, f"cancelling failed: {failed!r}"))
