"""Drawing a program, and writing it down as Python source.

Laws:
- Only hypothesis decides. The more of its choices are the first of their kind, the simpler the program.
- What a function mentions it is given: as arguments, as attributes of an object, or as variables closed over.
  A name in ``«»`` is to be had from outside; what that means is settled when the function is written.
- A resource has homes, and every mention goes to one of them: the function's own variable, somebody's object,
  a global, a weak reference, a WeakValueDictionary. Who refers to it decides what can be proven of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from .templates import ACTS, BLOCKS, HOLDS, JOINS, LEAVES, LIMITS, SECONDS, Template

INDENT = "    "
MOST_DEPTH, MOST_STATEMENTS, MOST_TASKS = 3, 24, 5
MAKERS = {
    "L": ("asyncio.Lock()", "asyncio.Lock()"),
    "S": ("asyncio.Semaphore(1)", "asyncio.BoundedSemaphore(2)"),
    "E": ("asyncio.Event()", "asyncio.Event()"),
    "Q": ("asyncio.Queue()", "asyncio.Queue(1)"),
    "C": ("asyncio.Condition()", "asyncio.Condition()"),
    "F": ("loop().create_future()", "loop().create_future()"),
    "B": ("Box()", "Box()"),
    "K": ("Channel()", "Channel()"),
    "M": ("Mutex()", "Mutex()"),
    "R": ("asyncio.Barrier(2)", "asyncio.Barrier(2)"),
}
CHOICES = {"H": "LLLS", "X": "EFLQBKM", "P": "B"}


def weighted(table: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from([entry for weight, entry in table for _ in range(weight)])


TABLES = {id(table): weighted(table) for table in (LEAVES, HOLDS, JOINS, LIMITS, BLOCKS, ACTS)}
KINDS = weighted(((10, LEAVES), (5, HOLDS), (4, JOINS), (1, LIMITS), (2, BLOCKS)))
HOMES = weighted(
    (
        (16, ("arg",)),
        (4, ("box",)),
        (3, ("arg", "weak")),
        (2, ("arg", "box")),
        (1, ("arg", "table")),
        (1, ("global",)),
        (1, ("arg", "global")),
        (1, ("box", "weak", "table")),
    )
)
STYLES = weighted(((3, "args"), (3, "closure"), (2, "self")))
MORE, INDEX = st.sampled_from([False, True, True]), st.sampled_from([0, 0, 1])
DELAYS, TASKS = st.sampled_from(SECONDS), st.integers(0, MOST_TASKS - 1)
LETTERS = {letter: st.sampled_from(kinds) for letter, kinds in CHOICES.items()}
PACES, COUNTS, KEPT = st.sampled_from((1, 3, 1000)), st.integers(0, 6), st.sampled_from([True, True, False])
COIN, RARELY = st.booleans(), weighted(((4, False), (1, True)))


@dataclass(frozen=True)
class Program:
    """Source, and how it is run: a look after every ``pace`` callbacks' rounds and ``looks`` when time jumps."""

    source: str
    pace: int
    looks: int
    eager: bool
    collects: bool

    def __repr__(self) -> str:
        how = f"pace={self.pace}, looks={self.looks}, eager={self.eager}, collects={self.collects}"
        return f"Program({how}, source='''\\\n{self.source}''')"

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        """What hypothesis shows when it fails."""
        printer.text(repr(self))


@st.composite
def programs(draw: Callable[[Any], Any]) -> Program:
    """Random programs."""
    writer = Writer(draw)
    source = writer.program()
    return Program(source, draw(PACES), draw(st.integers(1, 3)), draw(RARELY), draw(COIN))


class Writer:
    """Writes one program."""

    def __init__(self, draw: Callable[[Any], Any]) -> None:
        self.draw, self.number, self.left = draw, 0, MOST_STATEMENTS
        self.functions, self.before = list[str](), list[list[str]]()
        self.homes: dict[str, tuple[str, ...]] = {}
        self.refs: set[int] = set()

    def program(self) -> str:
        calls = []
        while not calls or (len(calls) < MOST_TASKS and self.draw(MORE)):
            self.left = max(self.left, 6)
            kept = self.draw(KEPT)
            calls.append((self.function(0, nested=False), kept))
        lines = [*self.functions, "def start(spawn):", *(INDENT + line for line in self.opening(calls))]
        return "\n".join(lines) + "\n"

    def opening(self, calls: list[tuple[str, bool]]) -> list[str]:
        lines = [f"r{number} = Ref()" for number in sorted(self.refs)]
        for name, homes in sorted(self.homes.items()):
            lines.append(f"{name} = {MAKERS[name[0]][int(name[1])]}")
            lines += [self.settle(name, home) for home in homes if home != "arg"]
        lines = ["o0 = Obj()", *lines] if any("o0." in line for line in lines) else lines
        for number, (call, kept) in enumerate(calls):
            known = f"r{number}.task = " if number in self.refs else ""
            lines.append(f"{known}spawn({unmarked(call)}, {kept})")
        return lines

    def settle(self, name: str, home: str) -> str:
        return {
            "box": f"o0.{name} = {name}",
            "global": f"NS['g{name}'] = {name}",
            "weak": f"w{name} = weakref.ref({name})",
            "table": f"WEAK['{name}'] = {name}",
        }[home]

    # -- functions

    def function(self, depth: int, nested: bool = True) -> str:
        """Write a coroutine function; the call of it, with names from outside marked."""
        name = f"f{self.fresh()}" if nested else f"task{self.fresh()}"
        style = self.draw(STYLES)
        style = "args" if style == "closure" and not nested else style
        body = self.body(depth)
        names = sorted(set(re.findall(r"«(\w+)»", "\n".join(body))))
        if style == "closure":
            assigned = sorted({found for line in body for found in re.findall(r"^ *«(\w+)» = ", line)})
            self.before[-1] += [f"async def {name}():", *(f"{INDENT}nonlocal «{each}»" for each in assigned)]
            self.before[-1] += indented(body)
            return f"{name}()"
        if style == "args":
            self.functions += [f"async def {name}({', '.join(names)}):", *indented(map(unmarked, body))]
            return f"{name}({', '.join(f'«{each}»' for each in names)})"
        body = [re.sub(r"«(\w+)»", r"self.\1", line) for line in body if not line.lstrip().startswith("nonlocal")]
        self.functions += [f"async def {name}(self):", *indented(body)]
        return f"{name}(Obj({', '.join(f'{each}=«{each}»' for each in names)}))"

    def body(self, depth: int) -> list[str]:
        lines = self.statement(depth)
        while self.draw(MORE) and self.left > 0:
            lines += self.statement(depth)
        return lines

    def statement(self, depth: int) -> list[str]:
        self.left -= 1
        table = LEAVES if depth >= MOST_DEPTH or self.left <= 0 else self.draw(KINDS)
        self.before.append([])
        lines = self.fill(self.draw(TABLES[id(table)]), depth)
        return self.before.pop() + lines

    # -- templates

    def fill(self, template: Template, depth: int) -> list[str]:
        number, fixed, lines = str(self.fresh()), dict[str, tuple[str, str]](), list[str]()

        def one(match: re.Match[str]) -> str:
            letter, target = match[1], match[2]
            if letter == "n":
                return number
            if letter == "f":
                return self.function(depth + 1)
            if letter not in fixed:
                fixed[letter] = self.meaning(letter)
            return fixed[letter][bool(target)]

        for line in template:
            bare = line.lstrip()
            pad = line[: len(line) - len(bare)]
            if bare == "BODY":
                lines += [pad + each for each in self.body(depth + 1)]
            elif bare == "ONE":
                lines += [pad + each for each in self.statement(MOST_DEPTH)]
            else:
                lines.append(re.sub(r"\{(\w)(=?)\}", one, line))
        return lines

    def meaning(self, letter: str) -> tuple[str, str]:
        """What stands for a letter, as an expression and as the target of an assignment."""
        if letter == "d":
            return (self.draw(DELAYS),) * 2
        if letter == "a":
            return ("".join(self.fill(self.draw(TABLES[id(ACTS)]), MOST_DEPTH)),) * 2
        if letter == "t":
            number = self.draw(TASKS)
            self.refs.add(number)
            return (f"«r{number}»",) * 2
        return self.mention(self.draw(LETTERS[letter]) if letter in LETTERS else letter)

    def mention(self, kind: str) -> tuple[str, str]:
        name = f"{kind}{self.draw(INDEX)}"
        if name not in self.homes:
            self.homes[name] = self.draw(HOMES)
        homes = self.homes[name]
        home = homes[self.draw(COUNTS) % len(homes)] if len(homes) > 1 else homes[0]
        return {
            "arg": (f"«{name}»", f"«{name}»"),
            "box": (f"«o0».{name}", f"«o0».{name}"),
            "global": (f"g{name}", f"NS['g{name}']"),
            "weak": (f"(«w{name}»() or VOID)", f"«w{name}»"),
            "table": (f"(WEAK.get('{name}') or VOID)", f"WEAK['{name}']"),
        }[home]

    def fresh(self) -> int:
        self.number += 1
        return self.number


def indented(lines: Any) -> list[str]:
    return [INDENT + line for line in lines]


def unmarked(line: str) -> str:
    return re.sub(r"«(\w+)»", r"\1", line)
