"""The best name for a lock, semaphore or queue: the way to it from the program's own variables.

Laws:
- Searched breadth first from the globals, then the locals, of the functions concerned, so the shortest
  way wins: ``accounts['A'].lock``. Bounded in depth and number.
- A local that means one lock in one call and another in the next names neither. A bare local says whose it
  is. Where no way is found, the line of creation names the target it assigned to.
- Two resources never get the same name.
- No code of the program runs: instance dictionaries and containers are read directly, keys are shown only
  where their repr is the interpreter's own.
"""

from __future__ import annotations

import ast
import asyncio
import itertools
import types
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from typing import Any

from . import source
from .attributes import instance_attributes, is_a, items
from .pace import breathe
from .resources import stands_for
from .stacks import Link
from .state import site_of

_MOST_VISITS = 6_000
_MOST_ITEMS, _AT_A_TIME = 500, 500
_DEPTH = 4
_PLAIN = (str, int, float, bytes, bool, type(None))
_OPAQUE = (
    str, bytes, bytearray, int, float, complex, types.ModuleType, types.FunctionType, types.BuiltinFunctionType,
    types.MethodType, types.CodeType, types.FrameType, types.CoroutineType, types.GeneratorType,
    types.AsyncGeneratorType, asyncio.Future, asyncio.AbstractEventLoop,
)  # fmt: skip

Space = dict[str, Any]
"""The global variables of a module."""


def name_all(wanted: Iterable[Any], links: Iterable[Link], spaces: Iterable[Space] = ()) -> dict[int, str]:
    """A distinct name for each wanted object, by id, searched from the frames of ``links`` and further ``spaces``."""
    things = {id(thing): thing for thing in wanted}
    found: dict[int, str] = {}
    _search(_roots(list(links), list(spaces)), set(things), found)
    for key, thing in things.items():
        found.setdefault(key, assigned_name(site_of(thing)) or type(thing).__name__)
    doubles = {name for name, count in Counter(found.values()).items() if count > 1}
    return {key: f"{name} ({key:#x})" if name in doubles else name for key, name in found.items()}


def _search(roots: Iterable[tuple[str, str, Any]], wanted: set[int], found: dict[int, str]) -> None:
    todo = deque((name, suffix, thing, _DEPTH) for name, suffix, thing in roots)
    seen: set[int] = set()
    while todo and len(seen) < _MOST_VISITS and len(found) < len(wanted):
        name, suffix, thing, depth = todo.popleft()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        if not len(seen) % _AT_A_TIME:
            breathe()
        if id(inner := stands_for(thing)) in wanted:  # a condition goes by its own name, not by that of its lock
            found.setdefault(id(inner), _full(name, suffix))
        if id(thing) in wanted:
            found.setdefault(id(thing), _full(name, suffix))
        if is_a(thing, _OPAQUE):
            continue
        if depth:
            todo.extend((name + step, suffix, inner, depth - 1) for step, inner in _inside(thing))


def _full(name: str, suffix: str) -> str:
    """A way through keys and attributes speaks for itself; a bare local's name does not."""
    return name + suffix if name.isidentifier() else name


def _roots(links: list[Link], spaces: list[Space]) -> Iterator[tuple[str, str, Any]]:
    own = [link for link in links if not _is_library(link.module)]
    yield from _globals(own, spaces)
    meanings: dict[tuple[str, str], dict[int, Any]] = {}
    for link in own:
        for name, thing in link.variables().items():
            shown = type(thing).__name__ if name == "self" else name
            meanings.setdefault((shown, f" in {link.code.co_qualname}()"), {})[id(thing)] = thing
    for (name, suffix), things in meanings.items():
        if len(things) == 1:
            yield name, suffix, next(iter(things.values()))


def _globals(links: list[Link], more: list[Space]) -> Iterator[tuple[str, str, Any]]:
    spaces = {id(space): space for space in more}
    spaces |= {id(frame.f_globals): frame.f_globals for link in links if (frame := link.frame) is not None}
    for space in spaces.values():
        for name, thing in list(space.items()):
            if not name.startswith("__") and (not is_a(thing, type) or thing.__module__ == space["__name__"]):
                yield name, "", thing


def assigned_name(site: Any) -> str | None:
    """What the creating line assigned the new object to, as in ``self.lock = asyncio.Lock()``, or None."""
    if not site:
        return None
    code, lasti = site[0], site[1]
    line, _end, column, _end_column = next(itertools.islice(code.co_positions(), lasti // 2, None), (None,) * 4)
    text = source.line_at(code.co_filename, line or 0)
    indent = len(source.raw_line(code.co_filename, line or 0)) - len(
        source.raw_line(code.co_filename, line or 0).lstrip()
    )
    try:
        (statement,) = ast.parse(text).body
    except (SyntaxError, ValueError):
        return None
    name = _target_of(statement, (column or 0) - indent)
    owner = code.co_qualname.rpartition(".")[0].rpartition(".")[2]
    if name is None or not name.startswith("self.") or not owner:
        return name and _full(name, f" in {code.co_qualname}()")
    return f"{owner}.{name.removeprefix('self.')}"


def _target_of(statement: ast.stmt, column: int) -> str | None:
    targets = list[ast.expr]()
    if isinstance(statement, ast.AnnAssign):
        targets.append(statement.target)
        value = statement.value
    elif isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        targets.append(statement.targets[0])
        value = statement.value
    else:
        return None
    values = [value]
    if isinstance(targets[0], ast.Tuple) and isinstance(value, ast.Tuple):
        targets, values = targets[0].elts, list(value.elts)
    for target, each in zip(targets, values, strict=False):
        if each is not None and each.col_offset == column:
            return ast.unparse(target)
    return None


def _is_library(module: str) -> bool:
    return module.partition(".")[0] in ("asyncio", "anyio", "unstuck", "contextlib", "")


def _inside(thing: Any) -> list[tuple[str, Any]]:
    if is_a(thing, dict):
        return [(f"[{_key(key)}]", value) for key, value in list(dict.items(thing))[:_MOST_ITEMS]]
    if is_a(thing, (list, tuple, deque)):
        return [(f"[{index}]", value) for index, value in enumerate(items(thing, _MOST_ITEMS))]
    if is_a(thing, (set, frozenset)):
        return [("[…]", value) for value in items(thing, _MOST_ITEMS)]
    attributes = instance_attributes(thing).items()
    return [(f".{name}", value) for name, value in attributes if isinstance(name, str)][:_MOST_ITEMS]


def _key(key: Any) -> str:
    if isinstance(key, tuple) and all(type(part) in _PLAIN for part in key):
        return repr(key)
    return repr(key) if type(key) in _PLAIN else "…"
