"""At the end, whoever can still be reached does whatever he can.

Laws:
- Reachable is what any code of the program could get at: from the program's globals through containers,
  attributes, weak references, callables and kept tracebacks; not through a task into its frames, for who has
  a task can cancel it and no more, and not through a future into its waiters.
- What is reached is set, filled, emptied, notified, and in the end released.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import functools
import gc
import types
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from . import kit

_MOST = 2_000


_IN_C = {"itertools", "_queue", "functools"}


def poke(roots: Any) -> int:
    """Do it; return how many things were reached."""
    things = list(reachable(roots))
    for thing in things:
        with contextlib.suppress(Exception):
            act_on(thing)
    return len(things)


def release(roots: Any, give: Callable[[Any], None]) -> None:
    """Release what can be reached and is held."""
    for thing in reachable(roots):
        if isinstance(thing, asyncio.Lock | asyncio.Semaphore):
            give(thing)
        elif isinstance(thing, asyncio.Condition):
            give(thing._lock)  # type: ignore[attr-defined]


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
        if type(thing) in weakref.ProxyTypes:
            thing = behind(thing)
        elif type(thing) is kit.Touchy:
            thing = object.__getattribute__(thing, "thing")
        if id(thing) in seen or isinstance(thing, types.ModuleType | str | int | float | None | kit.Void):
            continue
        seen[id(thing)] = thing
        if is_own(thing):
            yield thing
        todo += leads_to(thing)


def behind(proxy: Any) -> Any:
    """The box that a weak proxy stands for."""
    try:
        return proxy.finish.__self__
    except ReferenceError:
        return None


def is_own(thing: Any) -> bool:
    kinds = (asyncio.Future, asyncio.Event, asyncio.Queue, kit.Channel, types.GeneratorType)
    if isinstance(thing, asyncio.Lock | asyncio.Semaphore | asyncio.Condition):
        return True
    return isinstance(thing, (*kinds, types.FunctionType, types.MethodType, functools.partial))


def leads_to(thing: Any) -> list[Any]:
    """What somebody who has a thing can get from it."""
    for kinds, read in _WAYS:
        if isinstance(thing, kinds):
            return list(read(thing))
    return list(gc.get_referents(thing)) if type(thing).__module__ in _IN_C else []


def is_void(method: Any) -> bool:
    return weakref.ref.__call__(method) is kit.VOID


def in_closure(function: Any) -> list[Any]:
    cells = [cell.cell_contents for cell in function.__closure__ or () if not is_empty(cell)]
    return [*cells, *(function.__defaults__ or ())]


def in_frame(frame: Any) -> list[Any]:
    return list(frame.f_locals.values()) if frame.f_code.co_filename.endswith(("kit.py", "program.py")) else []


_WAYS: tuple[tuple[Any, Callable[[Any], Iterable[Any]]], ...] = (
    ((dict, weakref.WeakValueDictionary), lambda thing: thing.values()),
    ((list, tuple, set, frozenset, collections.deque), lambda thing: thing),
    (weakref.ref, lambda thing: [] if type(thing) is weakref.WeakMethod and is_void(thing) else [thing()]),
    (types.FunctionType, in_closure),
    (types.MethodType, lambda thing: [thing.__self__]),
    (functools.partial, lambda thing: [thing.func, *thing.args]),
    (BaseException, lambda thing: [thing.__traceback__, *thing.args]),
    (types.TracebackType, lambda thing: [thing.tb_frame, thing.tb_next]),
    (types.FrameType, in_frame),
    (kit.Slotted, lambda thing: [thing.thing]),
    (type, lambda thing: [vars(thing).get("it")]),
    (
        (kit.Obj, kit.Ref, kit.Channel, kit.Mutex, kit.Bomb, kit.Guard, asyncio.Queue),
        lambda thing: vars(thing).values(),
    ),
)


def is_empty(cell: Any) -> bool:
    try:
        return cell.cell_contents is None
    except ValueError:
        return True
