"""Errors that ``gather`` throws away: it raises the first one, and asks for the others only to forget them.

Laws:
- The way of a gather that does not fail is untouched: what is replaced is the call that fails it.
- Told is only what nobody else can ask for. When the gather fails, a child must have no other callback than
  the gather's; when the child has failed, nobody may refer to it but the gather. Both are seen in the
  loop's thread, the latter inside the child's own callback, where the count of its references is exact.
- What that count is for a future that nobody refers to, and for one that somebody does, is measured on each
  kind of loop, with futures of our own. Where the two do not differ by exactly one, nothing is ever told.
- Whoever refers weakly to the child, otherwise than by the registries of tasks, could ask while it lives. A
  weak set or dictionary makes it untold. A bare weak reference may be our own note of a child's parent, which
  is told apart from the program's by nobody: then it is not sure.
- Who was cancelled after the gather had failed is being cleaned up; its errors are not told.
"""

from __future__ import annotations

import asyncio
from asyncio import tasks
from itertools import islice
from sys import getrefcount
from types import CodeType
from typing import Any
from weakref import WeakKeyDictionary, getweakrefs

from ..patching import Patches
from ..state import State, TaskRecord, is_ours
from .errors import DROPPED, KIND, NO_ERRORS, lost

_CHILDREN = (asyncio.Task, getattr(tasks, "_GatheringFuture", asyncio.Task))
_MOST_READY = 10_000
_MOST_CHILDREN = 1_000
_HOUSEKEEPING = getattr(tasks, "_discard_awaited_by", None) or object()
"""What a gather itself is to be told of, in Python 3.14 and later."""


def install(patches: Patches, state: State) -> None:
    """Watch what is left of a gather when it fails."""
    cls: Any = getattr(tasks, "_GatheringFuture", None)
    codes = [each for each in tasks.gather.__code__.co_consts if isinstance(each, CodeType)]
    done = [each for each in codes if each.co_name == "_done_callback"]
    if cls is None or len(done) != 1:
        return
    original, keeper = cls.set_exception, _Keeper(state, done[0])

    def set_exception(self: Any, exception: Any) -> None:
        original(self, exception)
        try:
            keeper.watch(self)
        except Exception:  # noqa: BLE001 - a child of some class that is a future only by name
            pass

    patches.replace(cls, "set_exception", set_exception)


class _Keeper:
    """Watches the children of failed gathers."""

    def __init__(self, state: State, gathers: CodeType) -> None:
        self.state, self.gathers = state, gathers
        self.scales: WeakKeyDictionary[Any, _Scale] = WeakKeyDictionary()

    def watch(self, outer: Any) -> None:
        """``outer`` has just failed: watch those of its children that only it will ask."""
        if outer._cancel_requested or not self.state.on:
            return
        loop, children = outer.get_loop(), outer._children
        left = self._unasked(children[:_MOST_CHILDREN], loop)
        if not left:
            return
        scale = self.scales.get(loop)
        if scale is None or scale.debug is not loop.get_debug():
            scale = self.scales[loop] = _Scale(loop)
        for child in left:
            child.add_done_callback(_Watch(self.state, scale, children))

    def _unasked(self, children: list[Any], loop: Any) -> list[Any]:
        """The children that may still fail, or have failed unasked, and of which the gather alone will hear."""
        wanted = {id(child): child for child in children if isinstance(child, _CHILDREN)}
        asking = {
            key: [each[0] for each in child._callbacks or ()] for key, child in wanted.items() if not child.done()
        }
        failed = {key: list[Any]() for key, child in wanted.items() if child.done() and child._log_traceback}
        if failed:  # in this very turn of the loop: their callbacks are about to run
            for handle in islice(getattr(loop, "_ready", ()), _MOST_READY):
                for arg in handle._args or ():
                    failed.get(id(arg), []).append(handle._callback)
        return [wanted[key] for key, callbacks in (asking | failed).items() if self._is_alone(callbacks)]

    def _is_alone(self, callbacks: list[Any]) -> bool:
        others = [each for each in callbacks if not is_ours(each)]
        asking = [each for each in others if getattr(each, "func", None) is not _HOUSEKEEPING]
        return [getattr(each, "__code__", None) for each in asking] == [self.gathers]


class _Scale:
    """What the reference count of a future is inside its callback, on this loop: measured by two probes."""

    def __init__(self, loop: Any) -> None:
        self.debug = loop.get_debug()
        self.counts: dict[bool, int] = {}
        for held in (False, True):
            future = loop.create_future()
            future.add_done_callback(_Weigh(self, future if held else None))
            future.set_result(None)

    @property
    def free(self) -> int | None:
        """The count when nobody refers to it; None while, or if, that is not known."""
        free = self.counts.get(False)
        return free if free is not None and self.counts.get(True) == free + 1 else None


class _Weigh:
    """The callback of a probe, called as a watch is. ``held`` is the future, if somebody is to refer to it."""

    def __init__(self, scale: _Scale, held: Any) -> None:
        self.scale, self.held = scale, held

    def __call__(self, future: Any) -> None:
        self.scale.counts[self.held is not None] = getrefcount(future)


class _Watch:
    """The last callback of a child: whether it failed, and who else could know."""

    def __init__(self, state: State, scale: _Scale, children: list[Any]) -> None:
        self.state, self.scale, self.children = state, scale, children

    def __call__(self, future: Any) -> None:
        count = getrefcount(future)  # no function in here may close over it: a cell would count too
        free, error = self.scale.free, future._exception
        if error is None or free is None or not self.state.on or future.cancelled():
            return
        if isinstance(error, NO_ERRORS) or getattr(future, "cancelling", int)():
            return
        if count == free + list(map(id, self.children)).count(id(future)):
            strangers = [each for each in getweakrefs(future) if not isinstance(each, TaskRecord)]
            if all(each.__callback__ is None for each in strangers):
                self.state.facts[KIND].append(lost(DROPPED, future, error, self.state, sure=not strangers))
