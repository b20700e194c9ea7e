"""Everybody who is not stuck: could one of them still come to some object, or start some function again?

Laws:
- Stuck is also who waits for stuck tasks only, or for a lock that stuck tasks hold (``frozen``); everybody else is
  a bystander: tasks of all loops, threads, and what is called back by timers, descriptors and signals.
- Of a connection that stands, its protocol is searched, as a server's handlers are. Where connections cannot be
  listed, as uvloop's, somebody behind one may come to everything.
- Each bystander is searched once, whatever is asked; all searches together are bounded, and beyond the bound
  everybody may come to everything.
"""

from __future__ import annotations

import asyncio
import signal
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from .deadlines import own_deadline
from .outlook import Outlook, standing
from .quiet import acting, is_runners
from .resources import holder_ids
from .state import State
from .timers import pending
from .waits import Mode, future_wait, wait_of
from .waits.joiners import joiners

_MOST_VISITS, _MOST_NEEDS, _MOST_FROZEN, _DEEPEST = 20_000, 1_000, 10_000, 20
_PAUSE_AFTER, _MOST_TASKS, _TRIES = 100, 2_000, 3
_JOINING = (Mode.ALL, Mode.FAIL_FAST, Mode.ANY)
_LATER = asyncio.futures._set_result_unless_cancelled  # type: ignore[attr-defined]


class Bystanders:
    """The searches for all that is ``wanted`` (ids of objects and of code objects)."""

    def __init__(self, state: State, wanted: Iterable[int], pause: Callable[[], None]) -> None:
        self.state, self.wanted, self.pause = state, frozenset(wanted), pause
        self._left = _MOST_VISITS
        self._kept: list[Any] = []
        self._known: set[int] = set()
        self._searches: list[tuple[str, Outlook]] = []
        self._by_calls: Outlook | None = None
        self._by_threads: Outlook | None = None

    def who_reaches(self, things: set[int], stuck: set[int]) -> str | None:
        """The name of a bystander who may come to one of these things, or of what calls one; None if nobody may."""
        if _may(self._calls(), things):
            return "a callback"
        if _may(self._threads(), things):
            return "a thread"
        tasks = [task for task in self.state.tasks() if id(task) not in stuck and not task.done()]
        if len(tasks) > _MOST_TASKS:
            return f"one of {len(tasks):,} tasks"
        self._search(tasks)
        return next((name for name, outlook in self._searches if _may(outlook, things)), None)

    def _search(self, tasks: list[Any]) -> None:
        """Search from those not searched yet: from tasks that stand at the same instructions all at once."""
        alike: dict[Any, list[Any]] = defaultdict(list)
        for count, task in enumerate([each for each in tasks if id(each) not in self._known]):
            if count % _PAUSE_AFTER == 0:
                self.pause()
            self._known.add(id(task))
            self._kept.append(task)
            alike[standing(task)].append(task)
        for group in alike.values():
            for _ in range(_TRIES):
                outlook = Outlook(self.wanted, max(self._left, 0), self.pause)
                outlook.of_tasks(group)
                self._left -= outlook.visits
                if not outlook.moved:
                    break
                self.pause()
            self._searches.append((f"the task {group[0].get_name()}", outlook))

    def _calls(self) -> Outlook:
        if self._by_calls is None:
            outlook = self._by_calls = Outlook(self.wanted, _MOST_VISITS, self.pause)
            outlook.overflow = any(
                not hasattr(getattr(loop, "_selector", None), "get_map") for loop in self.state.loops
            )
            for function, arguments in [each for loop in list(self.state.loops) for each in _calls_of(loop)]:
                outlook.of_call(function, arguments)
            for handler in map(signal.getsignal, signal.valid_signals()):
                if callable(handler) and not is_runners(handler):
                    outlook.of_call(handler)
        return self._by_calls

    def _threads(self) -> Outlook:
        """From the threads beside the loops: what runs in a loop is its tasks and callbacks."""
        if self._by_threads is None:
            outlook = self._by_threads = Outlook(self.wanted, _MOST_VISITS, self.pause)
            _own, frames, more = acting(list(self.state.loops))
            outlook.overflow = bool(more)
            while frames and not outlook.overflow:
                outlook.of_thread(frames.popitem()[1])
        return self._by_threads


def _may(outlook: Outlook, things: set[int]) -> bool:
    return outlook.overflow or not things.isdisjoint(outlook.found)


def _calls_of(loop: Any) -> Iterator[tuple[Any, Any]]:
    """The callbacks of a loop's timers, ready handles, descriptors and signals, with their arguments."""
    selector: Any = getattr(loop, "_selector", None)
    keys = list((selector.get_map() or {}).values()) if hasattr(selector, "get_map") else []
    watched = [handle for key in keys for handle in key.data or () if handle is not None]
    signals = list((getattr(loop, "_signal_handlers", None) or {}).values())
    for handle in [*pending(loop), *watched, *signals]:
        function, arguments = getattr(handle, "_callback", None), getattr(handle, "_args", None) or ()
        if function is not None and function is not _LATER:
            yield function, arguments


def frozen(core: Iterable[Any], state: State) -> dict[int, Any]:
    """The stuck tasks, and those who wait for nothing but them, by id."""
    found = {id(task): task for task in core}
    fresh = list(found.values())
    while fresh and len(found) < _MOST_FROZEN:
        behind = {id(each): each for task in fresh for each in joiners(task)}
        behind.update({id(each): each for each in _queueing(found, state)})
        fresh = [each for key, each in behind.items() if key not in found and _waits_only_for(each, found)]
        found.update({id(each): each for each in fresh})
    return found


def _queueing(found: dict[int, Any], state: State) -> Iterator[Any]:
    """The tasks blocked on what only these tasks hold."""
    for key, resource, _since in state.waits():
        holders = holder_ids(resource)
        if key not in found and holders and all(holder in found for holder in holders):
            task = state.task_by_id(key)
            if task is not None:
                yield task


def _waits_only_for(task: Any, found: dict[int, Any]) -> bool:
    wait = wait_of(task)
    if task.done() or own_deadline(task, {}) is not None:
        return False
    if wait.mode is Mode.HELD:
        return True  # see _queueing
    return _hangs(wait, found)


def _hangs(wait: Any, found: dict[int, Any], depth: int = 0) -> bool:
    """Whether a joining wait can end only when one of the tasks found does; nobody else's failure is counted on."""
    needs = [need for need in wait.needs if not need.done()]
    if not needs or wait.mode not in _JOINING or len(needs) > _MOST_NEEDS or depth > _DEEPEST:
        return False
    stuck = (
        id(need) in found if isinstance(need, asyncio.Task) else _hangs(future_wait(need), found, depth + 1)
        for need in needs
    )
    return any(stuck) if wait.mode is Mode.ALL else all(stuck)
