"""The way out of a proven deadlock, for programs that asked for one: raise or cancel.

Laws:
- Only for proven findings, only in the loop's thread, only after one more look that all is as it was.
- Raising ends one task's wait as if what it awaits had failed: its wake-up is taken off the awaited future
  and called with a failed one. Nobody else who awaits that future notices anything.
"""

from __future__ import annotations

import re
from typing import Any

from .confirm import in_loop
from .errors import DeadlockError
from .resources import is_owned
from .state import State
from .vigil import Outcome, Vigil
from .waits.reading import JOINABLE, wait_of


def resolve(how: str, vigil: Vigil, state: State, story: str) -> bool:
    """Do as ``how`` (raise or cancel) says; whether it was done."""
    tasks = vigil.tasks()
    if not tasks:
        return False
    loop = tasks[0].get_loop()

    def step() -> bool:
        if vigil.look() is not Outcome.STILL:
            return False
        if how == "cancel":
            return cancel(youngest(tasks, state))
        return throw(last_to_block(tasks, state), DeadlockError(story))

    return bool(in_loop(loop, step))


def cancel(task: Any) -> bool:
    """Cancel a deadlocked task.

    ``Task.cancel`` hands the cancellation on to what the task awaits; in a circle of awaits that never ends
    but in a RecursionError (facts: CPython 3.11 to 3.15). There the task alone is woken with a cancellation.
    """
    if isinstance(task._fut_waiter, JOINABLE):
        return throw(task, None)
    return bool(task.cancel("unstuck: youngest task of a deadlock"))


def throw(task: Any, error: BaseException | None) -> bool:
    """Let ``error``, or a cancellation when None, come out of what the suspended ``task`` awaits.

    False when the task's wake-up is not found.
    """
    future = task._fut_waiter
    entry = next((each for each in future._callbacks or () if getattr(each[0], "__self__", None) is task), None)
    if entry is None:
        return False
    wake_up, context = entry
    hands_over = is_owned(wait_of(task).resource)
    failed = task.get_loop().create_future()
    if error is None:
        failed.cancel()
    else:
        failed.set_exception(error)
        failed.exception()  # retrieved: the task gets it now
    future.remove_done_callback(wake_up)
    future.add_done_callback(_retrieve)  # nobody awaits it any more: its error must not be called unretrieved
    task.get_loop().call_soon(wake_up, failed, context=context)
    if hands_over:
        future.cancel()  # else anyio's lock would be handed to a task that waits for it no more
    return True


def _retrieve(future: Any) -> None:
    if not future.cancelled():
        future.exception()


def last_to_block(tasks: list[Any], state: State) -> Any:
    """The task whose wait closed the circle: the one that began to wait last."""
    blocked = state.blocked
    return max(tasks, key=lambda task: blocked[id(task)][1] if id(task) in blocked else _parked_since(task, state))


def youngest(tasks: list[Any], state: State) -> Any:
    """The task created last, by asyncio's own numbering; a task with a name of its own counts by its wait."""
    numbers = {id(task): re.fullmatch(r"Task-(\d+)", task.get_name()) for task in tasks}
    if all(numbers.values()):
        return max(tasks, key=lambda task: int(numbers[id(task)][1]))  # type: ignore[index]
    return last_to_block(tasks, state)


def _parked_since(task: Any, state: State) -> float:
    return float(getattr(state.record_of(task), "moved", 0.0))
