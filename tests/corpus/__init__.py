"""Programs that hang or lose something, as real ones do; each with what must be said of it, and its healthy twin.

Laws:
- A program is an ``async def``, or a ``def`` where several loops or threads take part, with one argument:
  ``fixed`` is False for the bug and True for the healthy twin. So the two differ in the fix and nothing else.
- What the agent must show is marked where it happens. ``# <- reader, writer`` on a line says: the core tasks of
  these names must show this line. A program's own name in such a mark says that the line must be shown somewhere.
- Names of core tasks are unique within a module, but for tasks of one program that play the same part.
- A twin ends by itself within some 30 ms. It waits at the critical place for longer than a tick, so that the
  agent has the time to be wrong. A program that is ``parked`` waits for ever, on purpose and rightly so.
- Nothing of the harness refers to what a program made.
"""

from __future__ import annotations

import asyncio
import functools
import importlib
import importlib.util
import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FAMILIES = (
    "locks",
    "futures",
    "events",
    "queues",
    "conditions",
    "channels",
    "held",
    "cancels",
    "errors",
    "orphans",
    "leaks",
    "orders",
    "pools",
    "threads",
    "loops",
    "generators",
    "groups",
    "idle",
    "anyio_",
)
NEEDS = {"anyio_": "anyio"}
"""Families that are there where a library is."""

PROVEN, SUSPECTED, POTENTIAL = "proven", "suspected", "potential"
MARK = re.compile(r"#\s*<-\s*([\w\s,.-]+)$")


@dataclass(frozen=True)
class Case:
    """A program and what the agent must say of it; no ``kinds`` means nothing, ever."""

    program: Callable[[bool], Any]
    kinds: tuple[str, ...] = ()
    verdict: str = ""
    """`a|b`: either will do."""
    core: frozenset[str] = frozenset()
    maybe: frozenset[str] = frozenset()
    """Tasks that may be told among the core: whether they are is a matter of taste."""
    also: frozenset[str] = frozenset()
    """Other kinds that may rightly be found too."""
    parked: bool = False
    apart: bool = False
    """The buggy program takes its process with it: it needs one of its own."""
    alone: bool = False
    """Copies of it in one loop would disturb each other."""
    since: tuple[int, int] = (3, 11)
    not_in: frozenset[str] = frozenset()
    """Modes in which the interpreter itself makes another program of it."""
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """``family.program``."""
        return f"{self.program.__module__.rpartition('.')[2]}.{self.program.__name__}"

    @property
    def is_async(self) -> bool:
        """Whether it runs in one loop that the harness makes."""
        return inspect.iscoroutinefunction(self.program)

    def lines(self, name: str) -> frozenset[int]:
        """The lines that bear a mark of that name."""
        return marks(self.file).get(name, frozenset())

    @property
    def file(self) -> str:
        """The source file."""
        return self.program.__code__.co_filename

    def __str__(self) -> str:
        return self.name


CASES: list[Case] = []


def buggy(kind: str, *core: str, verdict: str = PROVEN, **more: Any) -> Callable[[Any], Any]:
    """Enter a program with a bug of that kind (``a|b``: either will do) and the names of its core tasks."""
    for names in ("maybe", "also", "not_in"):
        more[names] = frozenset(more.get(names, ()))

    def enter(program: Any) -> Any:
        case = Case(program, tuple(kind.split("|")), verdict, frozenset(core), **more)
        unmarked = [name for name in core or (program.__name__,) if not case.lines(name)]
        if unmarked:
            raise ValueError(f"{case}: no line is marked for {', '.join(unmarked)}")
        CASES.append(case)
        return program

    return enter


def healthy(program: Any) -> Any:
    """Enter a program without a bug that ends by itself."""
    CASES.append(Case(program))
    return program


def parked(program: Any, alone: bool = False) -> Any:
    """Enter a program without a bug that waits for ever."""
    CASES.append(Case(program, parked=True, alone=alone))
    return program


def cases() -> list[Case]:
    """All programs of all families."""
    for family in FAMILIES:
        if importlib.util.find_spec(NEEDS.get(family, "asyncio")):
            importlib.import_module(f"{__name__}.{family}")
    return CASES


def find(name: str) -> Case:
    """The program of that name."""
    return next(case for case in cases() if case.name == name)


@functools.cache
def marks(file: str) -> dict[str, frozenset[int]]:
    """Lines by the names they are marked with."""
    found: dict[str, set[int]] = {}
    for number, line in enumerate(Path(file).read_text().splitlines(), 1):
        if mark := MARK.search(line):
            for name in mark[1].split(","):
                found.setdefault(name.strip(), set()).add(number)
    return {name: frozenset(numbers) for name, numbers in found.items()}


# -- what the programs have in common -----------------------------------------------------------------


async def io() -> None:
    """Some quick input or output."""
    await asyncio.sleep(0.002)


class Pace:
    """How slow slow things are, in seconds: see ``run``."""

    slow = 0.012


async def slow_io() -> None:
    """Some slower input or output: long enough for the agent to look at who waits meanwhile."""
    await asyncio.sleep(Pace.slow)
