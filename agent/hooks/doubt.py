"""Holds in doubt: a task stands in a block over what it holds no more, and its exit may give another's away.

Laws:
- A ``release()`` is regular when it undoes an ``acquire()`` called by hand, in the same task, and no handler
  around it releases once more. Any other one, as of a lock that ``async with`` took, leaves the holder in debt.
- As long as a debtor lives, no hold on that lock or semaphore is sure (see ``holds``); a done task has left
  all its blocks.
- Costs nothing where nobody releases by hand. Debtors are weak references; None stands for one not known.
"""

from __future__ import annotations

import asyncio
import sys
import weakref
from collections.abc import Iterable
from types import CodeType, FrameType
from typing import Any

from ..bytecode import releases_again
from ..state import DEBTORS, State

_BLOCKS: tuple[Any, ...] = (asyncio.Condition.__aenter__, asyncio.Condition.__aexit__, asyncio.Condition.wait)
_WAIT = asyncio.Condition.wait.__code__
_PASSING = {id(function.__code__) for function in _BLOCKS}


def by_wait(depth: int) -> bool:
    """Whether the function ``depth`` frames out waits on a condition, and will take the lock again."""
    frame = _frame(depth + 1)
    return frame is not None and frame.f_code is _WAIT


def by_block(depth: int) -> bool:
    """Whether the function ``depth`` frames out gives back on behalf of an ``async with`` over a condition."""
    frame = _frame(depth + 1)
    return frame is not None and id(frame.f_code) in _PASSING


def undoes(taken: CodeType, depth: int, through: CodeType | None = None) -> bool:
    """Whether the ``release()`` called ``depth`` frames out undoes, for good, the ``acquire()`` called in ``taken``.

    Calls that ``through`` only passes on are its caller's.
    """
    frame = _frame(depth + 1)
    if frame is not None and frame.f_code is through:
        frame = frame.f_back
    if frame is None or id(frame.f_code) in _PASSING:
        return True
    return id(taken) not in _PASSING and not releases_again(frame.f_code, frame.f_lasti)


def _frame(depth: int) -> FrameType | None:
    try:
        return sys._getframe(depth + 1)
    except ValueError:  # called by C
        return None


def doubt(resource: Any, task: Any) -> None:
    """From now on ``task`` (None: somebody) may give back a unit that it does not hold."""
    debtors = [each for each in getattr(resource, DEBTORS, None) or () if is_debtor(each)]
    reference = None if task is None else weakref.ref(task)
    if all(each is not reference for each in debtors):
        debtors.append(reference)
    setattr(resource, DEBTORS, debtors)


def doubt_all(resource: Any, keys: Iterable[int], state: State) -> None:
    """The same of all living tasks with these ids."""
    for key in keys:
        task = state.task_by_id(key)
        if task is not None:
            doubt(resource, task)


def is_debtor(reference: weakref.ref[Any] | None) -> bool:
    """Whether there still is a task with blocks to leave."""
    if reference is None:
        return True
    task = reference()
    return task is not None and not task.done()
