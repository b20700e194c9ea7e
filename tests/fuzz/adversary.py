"""At the end, whoever can still be reached does whatever he can.

Laws:
- Reachable is what any code of the program could get at: from the program's globals through containers,
  attributes, weak references, callables and kept tracebacks; not through a task into its frames, for who has
  a task can cancel it and no more, and not through a future into its waiters.
- What is reached is set, filled, emptied, notified. Locks are left alone: a release by other code is what
  ``proven`` leaves aside.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import functools
import types
import weakref
from collections.abc import Iterator
from typing import Any

from . import kit

_MOST = 2_000
_CONTAINERS = (list, tuple, set, frozenset, collections.deque)
_OWN = (kit.Obj, kit.Ref, kit.Channel, kit.Mutex, kit.Bomb, kit.Guard, asyncio.Queue)


def poke(roots: Any) -> int:
    """Do it; return how many things were reached."""
    things = list(reachable(roots))
    for thing in things:
        with contextlib.suppress(Exception):
            act_on(thing)
    return len(things)


def act_on(thing: Any) -> None:
    if type(thing) is asyncio.Future:
        kit.finish(thing)
    elif isinstance(thing, asyncio.Event):
        thing.set()
    elif isinstance(thing, asyncio.Queue):
        kit.put(thing)
        kit.take(thing)
        kit.put(thing)
        kit.done(thing)
    elif isinstance(thing, kit.Channel):
        thing.send(1)
    elif isinstance(thing, types.GeneratorType):
        thing.close()
    elif callable(thing) and not isinstance(thing, type | kit.Void):
        thing()


def reachable(roots: Any) -> Iterator[Any]:
    """The things to act on."""
    seen: dict[int, Any] = {}
    todo = list(roots)
    while todo and len(seen) < _MOST:
        thing = todo.pop()
        if id(thing) in seen or isinstance(thing, type | types.ModuleType | str | int | float | None | kit.Void):
            continue
        seen[id(thing)] = thing
        if is_own(thing):
            yield thing
        todo += leads_to(thing)


def is_own(thing: Any) -> bool:
    kinds = (asyncio.Future, asyncio.Event, asyncio.Queue, kit.Channel, types.GeneratorType)
    return isinstance(thing, (*kinds, types.FunctionType, types.MethodType, functools.partial))


def leads_to(thing: Any) -> list[Any]:
    if isinstance(thing, dict | weakref.WeakValueDictionary):
        return list(thing.values())
    if isinstance(thing, _CONTAINERS):
        return list(thing)
    if isinstance(thing, weakref.ref):
        return [thing()]
    if isinstance(thing, types.FunctionType):
        cells = [cell.cell_contents for cell in thing.__closure__ or () if not is_empty(cell)]
        return [*cells, *(thing.__defaults__ or ())]
    if isinstance(thing, types.MethodType):
        return [thing.__self__]
    if isinstance(thing, functools.partial):
        return [thing.func, *thing.args]
    if isinstance(thing, BaseException):
        return [thing.__traceback__]
    if isinstance(thing, types.TracebackType):
        return [thing.tb_frame, thing.tb_next]
    if isinstance(thing, types.FrameType):
        return list(thing.f_locals.values()) if thing.f_code.co_filename.endswith(("kit.py", "program.py")) else []
    return list(vars(thing).values()) if isinstance(thing, _OWN) else []


def is_empty(cell: Any) -> bool:
    try:
        return cell.cell_contents is None
    except ValueError:
        return True
