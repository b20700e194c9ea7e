"""Holds in doubt: a task stands in a block over what it holds no more, and its exit may give another's away.

Laws:
- A ``release()`` is regular when it undoes an ``acquire()`` called by hand, in the same task, and no handler
  around it releases once more. Any other one, as of a lock that ``async with`` took, leaves the holder in debt.
- Who leaves such a block gives away what another has taken since: that one is in debt from then on.
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
from .knot import Gate

_BLOCKS: tuple[Any, ...] = (asyncio.Condition.__aenter__, asyncio.Condition.__aexit__, asyncio.Condition.wait)
_WAIT = asyncio.Condition.wait.__code__
_harmless: dict[tuple[int, int], CodeType] = {}
"""Calls of release() after which nothing releases again, by code and offset."""
_MOST_CALLS = 1_000
_PASSING = {id(function.__code__) for function in _BLOCKS}


def judge(lock: Any, note: Any, gate: Gate) -> None:
    """Look at a ``release()`` by hand, called by the caller's caller, of a lock that bore this note."""
    try:
        frame = sys._getframe(2)
        task = gate.current()
    except (RuntimeError, ValueError):  # no loop runs here, or called by C
        frame, task = None, None
    code = None if frame is None else frame.f_code
    by_hand = type(note) is tuple
    holder = task if note == id(task) else _holder(note, gate)
    if holder is task:
        if not (undoes(note[1], frame) if by_hand else id(code) in _PASSING):
            doubt(lock, task)
    elif holder is not None or not by_hand:  # one that is gone has left its blocks
        doubt(lock, task if code is _WAIT else holder)  # who waits will take it again, whoever lent it


def hand_on(lock: Any, gate: Gate) -> None:
    """A block is left. If the lock has debtors, and another holds it now, that one is a debtor from now on."""
    if getattr(lock, DEBTORS, None) is None:  # it has none, or the agent has been switched off
        return
    try:
        task = gate.current()
    except RuntimeError:  # no loop runs here
        task = None
    holder = _holder(lock._locked, gate)
    if holder is not None and holder is not task:
        doubt(lock, holder)


def _holder(note: Any, gate: Gate) -> Any:
    return note[0]() if type(note) is tuple else gate.state.task_by_id(note)


def undoes(taken: CodeType, frame: FrameType | None) -> bool:
    """Whether the ``release()`` called in this frame undoes, for good, the ``acquire()`` called in ``taken``."""
    if frame is None:
        return True
    code, call = frame.f_code, frame.f_lasti
    if id(code) in _PASSING:
        return True
    return id(taken) not in _PASSING and (_harmless.get((id(code), call)) is code or _is_harmless(code, call))


def _is_harmless(code: CodeType, call: int) -> bool:
    if releases_again(code, call):
        return False
    if len(_harmless) >= _MOST_CALLS:
        _harmless.clear()
    _harmless[id(code), call] = code
    return True


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
