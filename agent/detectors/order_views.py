"""How a circle of lock orders is told: frozen views of tasks that may be gone, and of locks that may be."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Hashable, Iterator
from types import CodeType, ModuleType

from ..findings import POTENTIAL, Finding
from ..hooks.orders import KIND, Party
from ..names import Space, assigned_name, name_all
from ..snapshot import Edge as Arrow
from ..snapshot import Held, Place, ResourceView, TaskView
from ..stacks import chain, line_of
from ..state import State
from ..tracing import span_of
from ..views import created_at
from .ordering import Edge, Path


def describe(path: Path, subject: Hashable, state: State) -> Finding:
    """The finding about a circle of orders."""
    shown = _shown(path)
    parties = {each.serial: each for each in shown.values()}
    names = _names(list(parties.values()), path)
    tasks = tuple(_task(edge, number, shown, state) for number, edge in enumerate(path))
    return Finding(
        kind=KIND,
        verdict=POTENTIAL,
        title=_title(len(path)),
        tasks=tasks,
        resources=tuple(_resource(each, names[each.serial]) for each in parties.values()),
        edges=tuple(_arrows(tasks)),
        note=_note(path),
        help=_help(path, shown, names),
        subject=subject,
        happened=True,
    )


def _shown(path: Path) -> dict[int, Party]:
    """The lock to be shown for each, by number: one for all that were made at a place, if those are not told apart."""
    alike = not _same_locks(path)
    first: dict[Hashable, Party] = {}
    shown = {}
    for edge in path:
        for party in (edge.order.outer, edge.order.inner):
            key = party.made if alike and party.made is not None else party.serial
            shown[party.serial] = first.setdefault(key, party)
    return shown


def _title(count: int) -> str:
    if count == 2:
        return "two tasks took two locks in opposite orders: a deadlock, should they do so at the same time"
    return f"{count} tasks took {count} locks in a circle of orders: a deadlock, should they do so at the same time"


def _note(path: Path) -> str | None:
    if _same_locks(path):
        return None
    return "the orders were seen with different locks that were made at the same lines"


def _same_locks(path: Path) -> bool:
    """Whether each order ends in the very lock with which the next begins."""
    return all(
        edge.order.inner.serial == following.order.outer.serial
        for edge, following in zip(path, [*path[1:], path[0]], strict=True)
    )


def _help(path: Path, shown: dict[int, Party], names: dict[int, str]) -> str:
    makers = {each.order.outer.made for each in path}
    if len(makers) == 1 and None not in makers:
        return "sort the locks by a key of their own, such as an account id, before taking more than one"
    first, second = shown[path[0].order.outer.serial], shown[path[0].order.inner.serial]
    before = f"take {names[first.serial]} before {names[second.serial]} everywhere"
    return f"{before}, or hold one common lock around all of these orders"


def _names(parties: list[Party], path: Path) -> dict[int, str]:
    """A name for each lock, by its number; no two alike."""
    living = {each.serial: lock for each in parties if (lock := each.reference()) is not None}
    tasks = [task for edge in path if (task := edge.order.task()) is not None and not task.done()]
    links = [link for task in tasks for link in chain(task.get_coro())]
    named = name_all(living.values(), links, _globals(path))
    names = {serial: named[id(lock)] for serial, lock in living.items()}
    for each in parties:
        names.setdefault(each.serial, assigned_name(each.made) or "Lock")
    often = Counter(names.values())
    return {serial: f"{name} (#{serial})" if often[name] > 1 else name for serial, name in names.items()}


def _globals(path: Path) -> list[Space]:
    """The global variables of the modules whose functions took the locks."""
    files = {code.co_filename for edge in path for code, _lasti in edge.order.stack}
    modules = [module for module in list(sys.modules.values()) if type(module) is ModuleType]
    return [vars(module) for module in modules if vars(module).get("__file__") in files]


def _resource(party: Party, name: str) -> ResourceView:
    made = None if party.made is None else _place(party.made[0], line_of(party.made[0], party.made[1]))
    return ResourceView(_lock_id(party), "asyncio.Lock", name, made, holders=(), waiters=0)


def _lock_id(party: Party) -> str:
    return f"lock-{party.serial}"


def _task(edge: Edge, number: int, shown: dict[int, Party], state: State) -> TaskView:
    order, task = edge.order, edge.order.task()
    return TaskView(
        id=f"task-{order.key:x}" if task is not None else f"task-{order.key:x}-{number}",
        name=order.name,
        coro=order.coro,
        role="core",
        waits_for=_lock_id(shown[order.inner.serial]),
        waiting_s=0.0,
        deadline_s=None,
        holds=(_held(edge, shown),),
        stack=tuple(_place(code, line_of(code, lasti)) for code, lasti in reversed(order.stack)),
        created_at=None if task is None else created_at(state, task),
        **span_of(task)._asdict(),
    )


def _held(edge: Edge, shown: dict[int, Party]) -> Held:
    """The outer lock of the order; what else was held is no part of the story."""
    outer = edge.order.outer
    spot = edge.spots.get(outer.serial)
    return Held(_lock_id(shown[outer.serial]), None if spot is None else _place(*spot))


def _place(code: CodeType, line: int) -> Place:
    return Place.at(code.co_filename, line, code.co_qualname)


def _arrows(tasks: tuple[TaskView, ...]) -> Iterator[Arrow]:
    for task in tasks:
        yield Arrow(task.id, str(task.waits_for), "waits")
        yield Arrow(task.holds[0].resource, task.id, "held_by")
