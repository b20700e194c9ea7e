"""Waits that are meant to last: the ways in which programs say "for ever".

Laws:
- ``await asyncio.Future()``, ``await loop.create_future()`` and ``await asyncio.Event().wait()`` await what was made
  on the spot and given to nobody; so does the await of a local variable that is made and then only awaited.
- In so many words, as a statement whose value nobody uses, that is meant in any task: it cannot be read otherwise.
- With a variable, or where the value is used, it is meant where something is kept open meanwhile (a ``with`` around
  it), and where a loop's main coroutine stands (a server's ``main``): nobody was lost there, for nobody was ever
  meant to come.
- A task that is nothing but such a wait, ``create_task(asyncio.Event().wait())``, and that nobody awaits: whoever
  ended it, nothing would follow.
"""

from __future__ import annotations

import asyncio
import dis
from functools import lru_cache
from types import CodeType
from typing import Any

from .attributes import own
from .bytecode import handlers_around, per_place
from .libraries import anyio
from .stacks import Link, chain
from .waits.joiners import joiners
from .waits.reading import callbacks
from .waits.rows import find_code

_MAKERS = ("Future", "create_future", "Event")
_WAITING = ("wait", "is_set", "done", "locked")
_AWAITING = ("SEND", "YIELD_VALUE", "RESUME", "JUMP_BACKWARD_NO_INTERRUPT", "END_SEND", "LOAD_CONST")
_CALLING = ("CALL", "PRECALL", "KW_NAMES")
_LOADS = ("LOAD_ATTR", "LOAD_METHOD", "LOAD_GLOBAL", "LOAD_NAME", "LOAD_DEREF")
_FAST = ("LOAD_FAST", "LOAD_FAST_CHECK", "LOAD_FAST_BORROW")


def is_parked_on_purpose(task: Any, resource: Any) -> bool:
    """Whether a task that waits for an event or future says by its code that it waits for ever."""
    library = anyio()
    events = library.events if library is not None else ()
    if not isinstance(resource, (asyncio.Event, asyncio.Future, *events)) or isinstance(resource, asyncio.Task):
        return False
    own = [link for link in chain(task.get_coro()) if link.is_own]
    if not own:
        return next(joiners(task), None) is None
    says = _awaited(own[-1].code, own[-1].lasti)
    if says is None or not (says in _MAKERS or _only_awaited(own[-1].code, says)):
        return False
    if _is_main(task) or any(map(_keeps_open, own)):
        return True
    return says in _MAKERS and not _is_used(own[-1].code, own[-1].lasti)


def _keeps_open(link: Link) -> bool:
    return any(handler.is_with for handler in handlers_around(link.code, link.lasti))


def _is_main(task: Any) -> bool:
    done = find_code("asyncio.base_events:_run_until_complete_cb")
    return any(own(each, "__code__") is done for each in callbacks(task))


@per_place
def _is_used(code: CodeType, lasti: int) -> bool:
    """Whether anything is done with the value of the suspended ``await``."""
    after = (each.opname for each in _instructions(code) if each.offset >= lasti)
    return next((name for name in after if name not in _AWAITING), "") != "POP_TOP"


@per_place
def _awaited(code: CodeType, lasti: int) -> str | None:
    """What the suspended ``await`` names: a maker that it calls, a local variable, or ``wait()`` of either; or None."""
    before = [each for each in _instructions(code) if each.offset < lasti]
    while before and before.pop().opname != "GET_AWAITABLE":
        pass
    while before and before[-1].opname in _CALLING:
        before.pop()
    if before and before[-1].argval == "wait":
        before.pop()
        while before and before[-1].opname in _CALLING:
            before.pop()
    last = before[-1] if before else None
    if last is None or not (last.opname in _FAST or (last.opname in _LOADS and last.argval in _MAKERS)):
        return None
    return str(last.argval)


@lru_cache(maxsize=512)
def _only_awaited(code: CodeType, name: str) -> bool:
    """Whether a local variable is made in this code and used for nothing but awaiting."""
    if name in code.co_cellvars or name in code.co_freevars or name in code.co_varnames[: code.co_argcount]:
        return False
    instructions = _instructions(code)
    for index, instruction in enumerate(instructions):
        if instruction.argval == name and not instruction.opname.startswith("STORE"):
            following = instructions[index + 1]
            if instruction.opname not in _FAST:
                return False
            if following.opname != "GET_AWAITABLE" and following.argval not in _WAITING:
                return False
        elif isinstance(instruction.argval, tuple) and name in instruction.argval:
            return False
    return True


def _instructions(code: CodeType) -> list[dis.Instruction]:
    return [each for each in dis.get_instructions(code) if each.opname not in ("CACHE", "PUSH_NULL", "NOT_TAKEN")]
