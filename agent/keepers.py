"""Who keeps a task? Its reference count, less the references that keep it for nobody.

Theory. asyncio refers to its tasks weakly. What else refers to a suspended task without anybody being able to
await or cancel it by that: the wake-up callback of the future it awaits (and, since 3.14, that future's note of
who awaits it), what ``gather``, ``wait``, ``shield``, TaskGroup and ``timeout`` note of the task that waits in
them, and variables of the task's own frames. If nothing is left when these are taken off, nobody has the task.

Laws:
- What is taken off was seen: each such reference is found in the object that holds it. What is not recognised
  counts as a keeper; so does an object that the task's frames refer to and that refers to the task.
- The counts of all tasks are read in one call into C. A task whose known references were the same before and
  after, and that awaits the same future still, has not moved in between.
- No constant is trusted: what a count is without any other reference is measured along, on an object of ours;
  and unless tasks known to be kept, and some known not to be, come out right on this interpreter, no answer is
  given (``selftest``).
"""

from __future__ import annotations

import asyncio
import functools
import gc
import types
import weakref
from collections.abc import Callable, Iterable
from sys import getrefcount
from typing import Any

from .attributes import is_a
from .proof.owned import owned_by_frame
from .stacks import chain
from .state import TaskRecord, is_ours

_MOST_CALLBACKS, _MOST_FUTURES = 100, 200
_Gathering: Any = asyncio.tasks._GatheringFuture  # type: ignore[attr-defined]
_SETS = (set, frozenset, list, tuple)
Others = Callable[[Any], int]


def unkept(records: Iterable[Any], others: Others, ready: bool = False) -> list[Any]:
    """The weak references, of these, to unfinished tasks that nobody keeps and of whose end nobody is told.

    ``others`` counts further references to a task that the caller knows of, such as the agent's own. Tasks that
    are about to run are judged only if they are ``ready`` for it: where their loop stands still, and ``others``
    knows its queue.
    """
    chosen = list(records)
    free = _unkept([record() for record in chosen], others, ready)
    return [record for record, is_free in zip(chosen, free, strict=True) if is_free and not _is_heard(record())]


def is_unkept(record: Any) -> bool:
    """Whether nobody keeps this one task, whoever may be told of its end."""
    return _unkept([record()], lambda _task: 0, False)[0]


def surplus(records: list[Any]) -> list[int]:
    """How many references there are to each task, known or not: cheap, and no verdict. Dead ones have none."""
    return _counts([record() for record in records])


def _counts(things: list[Any]) -> list[int]:
    """References to each thing beside the one in this list, all at one instant."""
    everything = [*things, object()]
    found = list(map(getrefcount, everything))
    own = found.pop() + 1
    return [count - own for count in found]


def _unkept(tasks: list[Any], others: Others, ready: bool) -> list[bool]:
    before = [_known_of(task, others, ready) for task in tasks]
    waits = [getattr(task, "_fut_waiter", None) for task in tasks]
    found = _counts(tasks)
    after = [_known_of(task, others, ready) for task in tasks]
    same = [getattr(task, "_fut_waiter", None) is wait for task, wait in zip(tasks, waits, strict=True)]
    rows = zip(before, found, after, same, strict=True)
    return [still and first is not None and first == count == last for first, count, last, still in rows]


def _known_of(task: Any, others: Others, ready: bool) -> int | None:
    """The references to an unfinished task that keep it for nobody; None where it is not to be judged."""
    if task is None or task.done():
        return None
    if task._fut_waiter is None:
        return others(task) if ready else None
    known = Known(task)
    return None if known.is_too_much else known.count + others(task)


def _is_heard(task: Any) -> bool:
    """Whether somebody is told of the task's end, or has it in a weak set or dictionary of his own."""
    if task is None or any(not is_ours(entry[0]) for entry in task._callbacks or ()):
        return True
    return any(each.__callback__ is not None and not is_a(each, TaskRecord) for each in weakref.getweakrefs(task))


class Known:
    """The references to a suspended task that keep it for nobody, found one by one."""

    def __init__(self, task: Any) -> None:
        self.task, self.count, self.is_too_much = task, 0, False
        self._seen: set[int] = set()
        self._futures: list[Any] = []
        self._meet(task._fut_waiter)
        for link in chain(task.get_coro()):
            self._frame(owned_by_frame(link.awaitable, link.referents()), link.module.startswith("asyncio."))
        for future in self._futures:  # grows meanwhile
            self._future(future)
            if len(self._futures) > _MOST_FUTURES:
                self.is_too_much = True
                return

    def _frame(self, values: list[Any], is_asyncios: bool) -> None:
        self._direct(values)
        for value in values:
            self._manager(getattr(value, "__self__", None) if is_a(value, types.MethodType) else value)
            if not is_asyncios:
                continue
            if is_a(value, types.CellType):
                self._cell(value)
            elif type(value) in _SETS:  # the futures that wait() was given
                self._meet(*list(value)[: _MOST_FUTURES + 1])

    def _manager(self, value: Any) -> None:
        if not is_a(value, (asyncio.Timeout, asyncio.TaskGroup)) or not self._is_new(value):
            return
        attributes = vars(value)
        self._direct([attributes.get("_task"), attributes.get("_parent_task")])
        self._meet(*list(attributes.get("_tasks") or ())[: _MOST_FUTURES + 1])

    def _future(self, future: Any) -> None:
        if is_a(future, _Gathering):
            self._meet(*future._children[: _MOST_FUTURES + 1])
        referents = gc.get_referents(future)
        self._direct(referents)
        for each in referents:
            if type(each) is list:
                self.is_too_much |= len(each) > _MOST_CALLBACKS
                for entry in each[: _MOST_CALLBACKS + 1]:
                    self._callback(entry[0] if type(entry) is tuple and entry else None)
            elif type(each) is set:
                self._direct(each)
            else:
                self._callback(each)

    def _callback(self, callback: Any) -> None:
        """A done-callback that only wakes the task, or only notes that it waits."""
        if is_a(callback, (types.BuiltinMethodType, types.MethodType)):
            if self._is_new(callback):
                self._direct([callback.__self__])
        elif is_a(callback, functools.partial):
            if _is_asyncios(callback.func) and self._is_new(callback):
                self._direct(callback.args)
        elif is_a(callback, types.FunctionType) and _is_asyncios(callback) and self._is_new(callback):
            self._direct(callback.__defaults__ or ())
            for name, cell in zip(callback.__code__.co_freevars, callback.__closure__ or (), strict=False):
                if name == "cur_task":
                    self._cell(cell)
                elif name in ("children", "inner"):
                    content = cell.cell_contents
                    self._meet(*(content[: _MOST_FUTURES + 1] if type(content) is list else [content]))

    def _cell(self, cell: Any) -> None:
        if self._is_new(cell):
            self._direct(gc.get_referents(cell))

    def _direct(self, values: Iterable[Any]) -> None:
        self.count += sum([each is self.task for each in list(values)])

    def _meet(self, *futures: Any) -> None:
        self._futures += [each for each in futures if is_a(each, asyncio.Future) and self._is_new(each)]

    def _is_new(self, thing: Any) -> bool:
        if id(thing) in self._seen:
            return False
        self._seen.add(id(thing))
        return True


def _is_asyncios(function: Any) -> bool:
    return str(getattr(function, "__module__", "")).startswith("asyncio.")
