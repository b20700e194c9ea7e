"""What a task or callback may still come to touch: a search forwards from its frames, led by its code.

Laws:
- An object's attribute counts only where its name stands in code that may still run: so a heartbeat of a
  service is not taken for a user of the service's queue. A name leads to globals, to attributes, and to the
  functions of whatever was met; those functions' code is then read in turn, to a fixpoint.
- Where code takes names from strings (``getattr``), every attribute counts, and every global of the program's modules
  that are met; where it takes modules or whatever else by name, it may come to everything.
- Objects of the standard library are entered whole, for nobody's code names what is inside; what they hold of the
  program's may be called in any way.
- Tasks and loops are not entered: who holds a task can cancel it, not do its work.
- Bounded: where a bound is hit, ``overflow`` says so, and everything must be taken for reachable; also where
  something ``moved`` under the search, which may be made from another thread: then another try is worth it.
- Runs no code of the program.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import sys
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from contextvars import Context
from types import CellType, CodeType, FrameType, FunctionType, ModuleType
from typing import Any

from .attributes import content, instance_attributes
from .entering import (
    ANYTHING,
    CALLED,
    CONTAINERS,
    DYNAMIC,
    MAKING,
    OPAQUE,
    SUSPENDED,
    WRAPPERS,
    imported,
    is_of,
    is_stdlib,
    leads_back,
    parts_of,
)
from .flow import ahead
from .installed import is_installed
from .stacks import MAX_DEPTH, Link, chain
from .waits.reading import callbacks

_MOST_CODES, _MOST_ITEMS, _PAUSE_AFTER = 600, 500, 200


class Outlook:
    """One search, for the objects and functions in ``wanted`` (ids of objects and of code objects)."""

    def __init__(self, wanted: Iterable[int], most: int, pause: Callable[[], None]) -> None:
        self.wanted, self.most, self.pause = frozenset(wanted), most, pause
        self.found: set[int] = set()
        self.overflow = self.moved = False
        self.visits = 0
        self._kept: list[Any] = []  # so that no id is reused while it is remembered
        self._seen: set[int] = set()
        self._opened: set[int] = set()
        self._codes: set[int] = set()
        self._classes: set[tuple[int, bool, bool]] = set()
        self._names: set[str] = set()
        self._free = False
        self._waiting: dict[str, list[tuple[Any, bool]]] = defaultdict(list)
        self._spaces: dict[int, dict[str, Any]] = {}
        self._todo: deque[tuple[Any, bool]] = deque()
        self._sorts: dict[int, Callable[[Outlook, Any, bool], None]] = {}

    # -- where it starts ---------------------------------------------------------------------------------

    def of_tasks(self, tasks: Iterable[Any]) -> None:
        """Search from the suspended frames of these tasks, their contexts and their done-callbacks."""
        for task in tasks:
            before = standing(task)
            self._search([(each, True) for each in gc.get_referents(task) if is_of(each, Context)], task.get_coro())
            self._search([(each, False) for each in callbacks(task)])
            self.moved = self.moved or standing(task) != before
        self.overflow = self.overflow or self.moved

    def of_call(self, function: Any, arguments: Iterable[Any] = ()) -> None:
        """Search from a callback and its arguments."""
        self._search([(each, False) for each in (function, *arguments)])

    def of_thread(self, frame: FrameType | None) -> None:
        """Search from the frames of a thread, the topmost first, with all their variables: what they still use is in
        motion. Before 3.13 these cannot be read unnoticed, and may be anything."""
        try:
            self._search(self._of_stack(frame))
        except (KeyError, RuntimeError):  # a variable has gone while they were read
            self.moved = self.overflow = True

    def _of_stack(self, frame: FrameType | None) -> list[tuple[Any, bool]]:
        begin: list[tuple[Any, bool]] = []
        depth = 0
        while frame is not None and depth < MAX_DEPTH and sys.version_info >= (3, 13):
            own = not is_stdlib(frame.f_globals.get("__name__", ""))
            if own:
                self._code(frame.f_code, frame.f_globals)
            if frame.f_code.co_flags & inspect.CO_OPTIMIZED:
                begin += [(each, not own) for each in dict(frame.f_locals).values()]
            frame, depth = frame.f_back, depth + 1
        self.overflow = self.overflow or frame is not None
        return begin

    def _search(self, begin: list[tuple[Any, bool]], awaitable: Any = None) -> None:
        try:
            self._todo += begin
            if awaitable is not None:
                self._frames(awaitable)
            while self._todo and not self.overflow and len(self.found) < len(self.wanted):
                value, opened = self._todo.popleft()
                self._visit(value, opened)
        except RuntimeError:  # something has changed while it was read
            self.moved = self.overflow = True

    def _frames(self, awaitable: Any) -> None:
        links = chain(awaitable)
        self.moved = self.moved or _is_running(awaitable)
        self.overflow = self.overflow or self.moved or len(links) >= MAX_DEPTH
        for link in links:
            frame = link.frame
            if frame is None:
                continue
            own = not is_stdlib(frame.f_globals.get("__name__", ""))
            if own:
                self._code(link.code, frame.f_globals, link.lasti)
            unused = _unused(link) if own else set()
            for value in link.referents():
                is_own = is_of(value, FunctionType) and value.__code__ is link.code
                if not is_own and not is_of(value, SUSPENDED) and id(content(value)) not in unused:
                    self._todo.append((value, not own))

    # -- the walk ----------------------------------------------------------------------------------------

    def _visit(self, value: Any, opened: bool) -> None:
        key = id(value)
        if key in self.wanted:
            self.found.add(key)
        if key in (self._opened if opened else self._seen):
            return
        sort = self._sorts.get(id(type(value)))
        if sort is None:
            sort = self._sorts[id(type(value))] = _sort_of(type(value))
            self._kept.append(type(value))
        if sort is _NOWHERE:
            return
        self._seen.add(key)
        if opened:
            self._opened.add(key)
        self._kept.append(value)
        self.visits += 1
        if self.visits % _PAUSE_AFTER == 0:
            self.pause()
        self.overflow = self.overflow or self.visits > self.most
        sort(self, value, opened)

    def _cell(self, cell: Any, opened: bool) -> None:
        self._todo.append((content(cell), opened))

    def _context(self, context: Any, opened: bool) -> None:
        self._items(list(context.values()), opened)

    def _container(self, container: Any, opened: bool) -> None:
        self._items(gc.get_referents(container), opened)

    def _suspended(self, awaitable: Any, _opened: bool) -> None:
        self._frames(awaitable)

    def _wrapper(self, value: Any, _opened: bool) -> None:
        self._todo += [(each, False) for each in parts_of(value)]  # called in one way only

    def _items(self, items: list[Any], opened: bool) -> None:
        if len(items) <= _MOST_ITEMS:
            self._todo += [(each, opened) for each in items]
            return
        for each in items:  # too many to enter, not too many to compare
            if id(each) in self.wanted:
                self.found.add(id(each))
                return
            self.overflow = self.overflow or not is_of(each, OPAQUE)

    def _function(self, function: Any, _opened: bool) -> None:
        values = [*(function.__closure__ or ()), *(function.__defaults__ or ()), *function.__dict__.values()]
        self._todo += [(each, False) for each in (*values, *(function.__kwdefaults__ or {}).values())]
        if not is_stdlib(function.__globals__.get("__name__", "")):
            self._code(function.__code__, function.__globals__)

    def _instance(self, value: Any, opened: bool) -> None:
        opened_inside = is_stdlib(type(value).__module__)
        if opened_inside and not leads_back(type(value).__module__):
            return
        if not opened_inside:
            self._class(type(value), opened, made=False)
        attributes = instance_attributes(value)
        if is_of(value, asyncio.Future):
            self._todo += [(each, False) for each in callbacks(value)]
        elif not attributes:
            self._items(gc.get_referents(value), opened_inside)
        for name, inner in attributes.items():
            if not str(name).startswith("_unstuck"):
                self._named(str(name), inner, opened_inside)

    def _class(self, cls: Any, opened: bool, made: bool = True) -> None:
        for base in cls.__mro__:
            if is_stdlib(base.__module__) or (id(base), opened, made) in self._classes:
                continue
            self._classes.add((id(base), opened, made))
            self._kept.append(base)
            for name, member in list(vars(base).items()):
                if is_of(member, CALLED) and (opened or (name.startswith("__") and (made or name not in MAKING))):
                    self._todo.append((member, False))
                elif not name.startswith("__"):
                    self._named(name, member, False)

    def _named(self, name: str, value: Any, opened: bool) -> None:
        if opened or self._free or name in self._names:
            self._todo.append((value, opened))
        elif not is_of(value, OPAQUE) or id(value) in self.wanted:
            self._waiting[name].append((value, opened))

    # -- code --------------------------------------------------------------------------------------------

    def _code(self, code: CodeType, space: dict[str, Any], lasti: int = -1) -> None:
        if lasti < 0:
            if id(code) in self.wanted:
                self.found.add(id(code))
            if id(code) in self._codes:
                return
            self._codes.add(id(code))
        self.overflow = self.overflow or len(self._codes) > _MOST_CODES
        coming = ahead(code, lasti)
        self._learn(coming.names - self._names)
        for name in coming.names & space.keys():
            self._todo.append((space[name], False))
        for name in coming.imports:
            self._todo += [(module, False) for module in imported(name, str(space.get("__package__") or ""))]
        for inner in coming.codes:
            self._code(inner, space)

    def _learn(self, names: Iterable[str]) -> None:
        self._names.update(names)
        for name in names:
            self._todo += self._waiting.pop(name, ())
            self._todo += [(space[name], False) for space in self._spaces.values() if name in space]
        self.overflow = self.overflow or not ANYTHING.isdisjoint(self._names)
        if not self._free and not DYNAMIC.isdisjoint(self._names):
            self._free = True
            for values in self._waiting.values():
                self._todo += values
            for space in self._spaces.values():
                self._globals(space)

    def _module(self, module: Any, _opened: bool) -> None:
        space = object.__getattribute__(module, "__dict__")  # a lazy module stays unloaded
        if not is_stdlib(space.get("__name__", "")) and id(space) not in self._spaces:
            self._spaces[id(space)] = space
            self._todo += [(space[name], False) for name in self._names & space.keys()]
            if self._free:
                self._globals(space)

    def _globals(self, space: dict[str, Any]) -> None:
        if not is_installed(str(space.get("__file__", ""))):
            self._todo += [(each, False) for each in list(space.values())]


def standing(task: Any) -> tuple[Any, ...]:
    """Where a task stands: tasks that stand alike run the same code next."""
    return tuple((id(link.code), link.lasti) for link in chain(task.get_coro()))


def _nothing(_outlook: Outlook, _value: Any, _opened: bool) -> None:
    """What leads nowhere."""


_NOWHERE = _nothing
_SORTS: tuple[tuple[Any, Callable[[Outlook, Any, bool], None]], ...] = (
    (OPAQUE, _NOWHERE),
    (CellType, Outlook._cell),
    (Context, Outlook._context),
    (CONTAINERS, Outlook._container),
    (type, Outlook._class),
    (ModuleType, Outlook._module),
    (SUSPENDED, Outlook._suspended),
    (FunctionType, Outlook._function),
    (WRAPPERS, Outlook._wrapper),
)


def _sort_of(cls: type) -> Callable[[Outlook, Any, bool], None]:
    """How to enter objects of this class."""
    return next((enter for kinds, enter in _SORTS if issubclass(cls, kinds)), Outlook._instance)


def _is_running(awaitable: Any) -> bool:
    """Whether its frames cannot be read at this moment."""
    return bool(getattr(awaitable, "cr_running", False) or getattr(awaitable, "gi_running", False))


def _unused(link: Link) -> set[int]:
    """Ids of what only such local variables hold as the code never loads again."""
    variables, used = link.variables(), ahead(link.code, link.lasti).variables
    kept = {id(value) for name, value in variables.items() if name in used}
    return {id(value) for value in variables.values()} - kept
