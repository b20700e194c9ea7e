"""Random small programs under the agent: what it proves must stay, and what surely hangs it must prove.

``python -m tests.fuzz_deadlocks --programs N --seed S [--first K] [--verbose]``; exit status 1 on a failure.

Laws:
- A program is Python source made from ``S:K`` alone, so that a failure can be printed, rerun and cut down.
- ``moved``: a task of a proven core went on, or ended, and nobody did that on purpose. On purpose is a
  ``kill()`` (which hands itself down like any cancellation), a TaskGroup's abort of its children, and a
  ``give()`` of what is held by ``async with``. Timers, timeouts and the abort of a group's body are not.
- ``retracted``: so did the agent say itself.
- ``missed``: the program hangs, the small model here (made from source lines and plain joins, sharing no
  code with the agent) says for ever, and no proven finding says so.
- ``broken``: a hook raised, or a part of the agent switched itself off.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import functools
import random
import re
import sys
import time
import types
import warnings
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator
from typing import Any

from unstuck.agent import api
from unstuck.agent.actions import throw
from unstuck.agent.findings import Event
from unstuck.agent.views import resource_id, task_id
from unstuck.agent.waits.reading import JOINABLE

from . import harness

TICK, SETTLED, PATIENCE, BATCH, LIFE = 0.005, 0.25, 1.0, 30, 6.0
SLACK = 0.05
"""Seconds by which a finding may be told after its tasks were looked at."""
RESOURCES = ("L0", "L1", "L2", "S0", "S1", "B0", "C0")
INDENT = "    "

# -- what the programs use --------------------------------------------------------------------------------


class Boom(Exception):
    """Raised by programs."""


@contextlib.asynccontextmanager
async def held(resource: Any) -> AsyncIterator[None]:
    async with resource:
        yield


@contextlib.asynccontextmanager
async def held_by_hand(resource: Any) -> AsyncIterator[None]:
    await resource.acquire()
    try:
        yield
    finally:
        resource.release()


async def passing(resource: Any) -> AsyncIterator[int]:
    async with resource:
        for number in range(2):
            await asyncio.sleep(0.002)
            yield number


@contextlib.asynccontextmanager
async def within(seconds: float) -> AsyncIterator[None]:
    async with asyncio.timeout(seconds):
        yield


async def ticks(seconds: float) -> AsyncIterator[int]:
    async with asyncio.timeout(seconds):
        yield 1


class Budget:
    def __init__(self, seconds: float) -> None:
        self.inner = asyncio.timeout(seconds)

    async def __aenter__(self) -> None:
        await self.inner.__aenter__()

    async def __aexit__(self, *exc: Any) -> bool | None:
        return await self.inner.__aexit__(*exc)


class Alarm:
    """A timeout made by hand."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __enter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.timer = asyncio.get_running_loop().call_later(self.seconds, task.cancel)

    def __exit__(self, *exc: object) -> None:
        self.timer.cancel()


class Guard:
    """A pool's connection: takes a unit, gives it back."""

    def __init__(self, resource: Any) -> None:
        self.resource = resource

    async def __aenter__(self) -> Guard:
        await self.resource.acquire()
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.resource.release()


class Lease(Guard):
    """Gives back later, by a timer."""

    async def __aexit__(self, *exc: object) -> None:
        asyncio.get_running_loop().call_later(0.03, self.resource.release)


# -- making source ----------------------------------------------------------------------------------------


def indented(lines: Iterable[str]) -> list[str]:
    return [INDENT + line for line in lines]


def guarded(lines: list[str], caught: str, last: str = "pass") -> list[str]:
    return ["try:", *indented(lines), f"except {caught}:", INDENT + last]


class Writer:
    """Writes one program. ``{r}`` is a resource, ``{n}`` a fresh number, ``{d}`` some seconds, ``{c}`` tasks."""

    HOLDS: tuple[tuple[int, tuple[str, ...]], ...] = (
        (14, ("async with {r}:", "    BODY")),
        (2, ("async with {r}, {q}:", "    BODY")),
        (3, ("x{n} = {r}", "async with x{n}:", "    BODY")),
        (4, ("await {r}.acquire()", "try:", "    BODY", "finally:", "    {r}.release()")),
        (2, ("x{n} = {r}", "await x{n}.acquire()", "try:", "    BODY", "finally:", "    x{n}.release()")),
        (2, ("try:", "    await {r}.acquire()", "    BODY", "finally:", "    {r}.release()")),
        (1, ("await {r}.acquire()", "try:", "    BODY", "finally:", "    if {r}.locked():", "        {r}.release()")),
        (
            2,
            (
                "await {r}.acquire()",
                "try:",
                "    BODY",
                "except BaseException:",
                "    {r}.release()",
                "    raise",
                "{r}.release()",
            ),
        ),
        (1, ("await {r}.acquire()", "try:", "    BODY", "except ValueError:", "    {r}.release()")),
        (3, ("await {r}.acquire()", "BODY", "{r}.release()")),
        (2, ("await {r}.acquire()", "BODY")),
        (2, ("async with contextlib.AsyncExitStack() as s{n}:", "    await s{n}.enter_async_context({r})", "    BODY")),
        (
            1,
            (
                "async with contextlib.AsyncExitStack() as s{n}:",
                "    await {r}.acquire()",
                "    s{n}.callback({r}.release)",
                "    BODY",
            ),
        ),
        (
            1,
            (
                "async with contextlib.AsyncExitStack() as s{n}:",
                "    await s{n}.enter_async_context({r})",
                "    k{n} = s{n}.pop_all()",
                "    BODY",
                "    await k{n}.aclose()",
            ),
        ),
        (
            1,
            (
                "async with contextlib.AsyncExitStack() as s{n}:",
                "    await s{n}.enter_async_context({r})",
                "    bag.append(s{n}.pop_all())",
                "    BODY",
            ),
        ),
        (1, ("async with held({r}):", "    BODY")),
        (1, ("async with held_by_hand({r}):", "    BODY")),
        (2, ("async with Guard({r}):", "    BODY")),
        (1, ("async with Lease({r}):", "    BODY")),
        (1, ("async for i{n} in passing({r}):", "    BODY")),
        (1, ("async with contextlib.aclosing(passing({r})) as a{n}:", "    async for i{n} in a{n}:", "        BODY")),
        (1, ("async with {r}:", "    {r}.release()", "    BODY", "    await {r}.acquire()")),
    )
    LIMITS: tuple[tuple[int, tuple[str, ...]], ...] = (
        (4, ("async with asyncio.timeout({d}):", "    BODY")),
        (2, ("async with within({d}):", "    BODY")),
        (2, ("async with Budget({d}):", "    BODY")),
        (
            2,
            (
                "async with contextlib.AsyncExitStack() as s{n}:",
                "    await s{n}.enter_async_context(asyncio.timeout({d}))",
                "    BODY",
            ),
        ),
        (1, ("async with asyncio.timeout(None) as m{n}:", "    m{n}.reschedule(loop.time() + {d})", "    BODY")),
        (2, ("with Alarm({d}):", "    BODY")),
        (1, ("async for i{n} in ticks({d}):", "    BODY")),
        (2, ("await asyncio.wait_for({f}(), {d})",)),
        (1, ("loop.call_later({d}, asyncio.current_task().cancel)", "BODY")),
        (1, ("x{n} = asyncio.current_task()", "loop.call_later({d}, lambda: x{n}.cancel())", "BODY")),
    )
    JOINS: tuple[tuple[int, tuple[str, ...]], ...] = (
        (6, ("await {c}[0]",)),
        (2, ("for w{n} in {c}:", "    await w{n}")),
        (4, ("await asyncio.gather(*{c})",)),
        (4, ("await asyncio.gather(*{c}, return_exceptions=True)",)),
        (1, ("await asyncio.gather(asyncio.gather(*{c}), {c}[0], return_exceptions=True)",)),
        (1, ("box.g = asyncio.gather(*{c})", "await box.g")),
        (1, ("await box.g",)),
        (1, ("g{n} = asyncio.gather(*{c})", "loop.call_later({d}, g{n}.cancel)", "await g{n}")),
        (3, ("await asyncio.wait({c})",)),
        (2, ("await asyncio.wait({c}, return_when=asyncio.FIRST_COMPLETED)",)),
        (2, ("await asyncio.wait({c}, return_when=asyncio.FIRST_EXCEPTION)",)),
        (2, ("await asyncio.wait({c}, timeout={d})",)),
        (1, ("await asyncio.wait({c}, timeout={d}, return_when=asyncio.FIRST_COMPLETED)",)),
        (2, ("await asyncio.shield({c}[0])",)),
        (1, ("h{n} = asyncio.shield({c}[0])", "loop.call_later({d}, h{n}.cancel)", "await h{n}")),
        (1, ("await asyncio.wait_for(asyncio.shield({c}[0]), {d})",)),
        (2, ("await asyncio.wait_for({c}[0], {d})",)),
        (1, ("await asyncio.wait_for(asyncio.gather(*{c}), {d})",)),
        (2, ("for w{n} in asyncio.as_completed({c}):", "    await w{n}")),
        (1, ("for w{n} in asyncio.as_completed({c}, timeout={d}):", "    await w{n}")),
        (1, ("await asyncio.gather({f}(), {f}())",)),
        (2, ("await {f}()",)),
        (1, ("await asyncio.gather({f}(), {c}[0], return_exceptions=True)",)),
    )
    GROUPS: tuple[tuple[int, tuple[str, ...]], ...] = (
        (
            3,
            (
                "async with asyncio.TaskGroup() as g{n}:",
                "    c{n} = kids({n}, g{n}.create_task({f}()), g{n}.create_task({f}()))",
            ),
        ),
        (
            4,
            (
                "async with asyncio.TaskGroup() as g{n}:",
                "    c{n} = kids({n}, g{n}.create_task({f}()), g{n}.create_task({f}()))",
                "    BODY",
            ),
        ),
        (
            1,
            (
                "async with asyncio.TaskGroup() as g{n}:",
                "    c{n} = kids({n}, g{n}.create_task({f}()))",
                "    await c{n}[0]",
            ),
        ),
    )
    LEAVES: tuple[tuple[int, tuple[str, ...]], ...] = (
        (12, ("await asyncio.sleep({d})",)),
        (2, ("await asyncio.sleep(0)",)),
        (1, ("await E0.wait()",)),
        (2, ("E0.set()",)),
        (1, ("await Q0.get()",)),
        (1, ("await Q0.put(1)",)),
        (1, ("await F0",)),
        (1, ("await asyncio.shield(F0)",)),
        (1, ("finish(F0)",)),
        (1, ("async with C0:", "    await C0.wait()")),
        (1, ("async with C0:", "    C0.notify_all()")),
        (3, ("raise Boom",)),
        (1, ("kill({t})",)),
        (2, ("give({r})",)),
        (1, ("await bag.pop().aclose()",)),
        (1, ("loop.call_later({d}, {r}.release)",)),
        (1, ("x{n} = {r}", "loop.call_later({d}, lambda: x{n}.release())")),
        (1, ("loop.call_later({d}, functools.partial({r}.release))",)),
        (1, ("loop.call_soon({r}.release)",)),
        (1, ("loop.call_later({d}, {t}.cancel)",)),
        (1, ("x{n} = {t}", "loop.call_later({d}, lambda: x{n}.cancel())")),
        (1, ("loop.call_soon({t}.cancel)",)),
        (1, ("loop.call_later({d}, E0.set)",)),
        (1, ("loop.call_later({d}, finish, F0)",)),
        (1, ("await asyncio.wait_for({r}.acquire(), {d})", "await asyncio.sleep({d})", "{r}.release()")),
    )
    WRAPS = (
        "Exception",
        "Exception",
        "BaseException",
        "asyncio.CancelledError",
        "(TimeoutError, asyncio.CancelledError)",
        "TimeoutError",
    )

    def __init__(self, rng: random.Random) -> None:
        self.rng, self.number, self.functions = rng, 0, list[list[str]]()
        self.tasks = rng.randint(2, 6)
        self.budget = 5 * self.tasks
        self.names = rng.sample(RESOURCES, rng.randint(1, 4))
        self.plain = rng.random() < 0.4
        """Whether the program is one that the model can judge: async with and joins alone."""

    def program(self) -> str:
        for number in range(self.tasks):
            self.budget = max(self.budget, 4)
            self.define(f"t{number}", self.body(0, self.rng.randint(1, 5)))
        return "\n".join(line for function in self.functions for line in function) + "\n"

    def define(self, name: str, body: list[str]) -> str:
        self.functions.append([f"async def {name}():", *indented(body)])
        return name

    def body(self, depth: int, most: int) -> list[str]:
        lines = [] if self.rng.random() < 0.5 else [f"await asyncio.sleep({self.seconds(0.01)})"]
        for _ in range(self.rng.randint(1, most)):
            lines += self.operation(depth)
        return lines

    def operation(self, depth: int) -> list[str]:
        kinds = ("HOLDS", "JOINS", "GROUPS", "LIMITS", "LEAVES", "wrap", "loop")
        weights = (6, 3, 1, 0, 2, 0.5, 0.2) if self.plain else (6, 3, 1, 1.3, 4, 1, 0.3)
        self.budget -= 1
        kind = "LEAVES" if depth > 3 or self.budget < 0 else self.rng.choices(kinds, weights)[0]
        if kind == "wrap":
            return guarded(self.body(depth + 1, 2), self.rng.choice(self.WRAPS))
        if kind == "loop":
            return ["for _ in range(2):", *indented(self.body(depth + 1, 2))]
        lines = self.fill(self.choose(kind), depth)
        return guarded(lines, self.rng.choice(self.WRAPS)) if kind == "LIMITS" and self.rng.random() < 0.7 else lines

    def choose(self, kind: str) -> tuple[str, ...]:
        table = getattr(self, kind)
        if self.plain:
            table = {"HOLDS": table[:1], "LEAVES": table[:2] + table[11:12]}.get(kind, table)
            table = (
                [each for each in table if "{d}" not in each[1][0] or kind == "LEAVES"] if kind != "JOINS" else table
            )
        weights, templates = zip(*table, strict=True)
        found: tuple[str, ...] = self.rng.choices(templates, weights)[0]
        return found

    def fill(self, template: tuple[str, ...], depth: int) -> list[str]:
        number = self.number = self.number + 1
        fixed = {"r": self.resource(), "q": self.resource(), "n": str(number), "t": self.task()}
        lines = []
        if any("{c}" in line for line in template):
            lines.append(f"c{number} = kids({number}, {', '.join(self.children(depth))})")
            fixed["c"] = f"c{number}"
        for line in template:
            text = line.lstrip()
            if text == "BODY":
                lines += [line[: -len(text)] + each for each in self.body(depth + 1, 2)]
            else:
                lines.append(
                    re.sub(r"\{(\w)\}", lambda match: fixed.get(match[1]) or self.fresh(match[1], depth), line)
                )
        return lines

    def fresh(self, what: str, depth: int) -> str:
        if what == "d":
            return self.seconds(0.12)
        self.number += 1
        return self.define(f"f{self.number}", self.body(depth + 1, 2))

    def children(self, depth: int) -> list[str]:
        return [
            f"{self.fresh('f', depth)}()" if self.rng.random() < 0.5 else self.task()
            for _ in range(self.rng.randint(1, 2))
        ]

    def task(self) -> str:
        return f"t[{self.rng.randrange(self.tasks)}]"

    def resource(self) -> str:
        return self.rng.choice(("", "", "box.")) + self.rng.choice(self.names)

    def seconds(self, most: float) -> str:
        return f"{self.rng.uniform(0.001, most):.3f}"


# -- the model: source lines, plain joins -----------------------------------------------------------------

_HOLD = re.compile(r"async with (?:box\.)?([LSBC]\d):$")
_GROUP = re.compile(r"async with asyncio\.TaskGroup\(\) as g(\d+):$")
_JOIN = re.compile(
    r"await (?:(?P<one>c(\d+)\[0\]|asyncio\.shield\(c(\d+)\[0\]\))"
    r"|asyncio\.(?P<all>gather\(\*c(\d+), return_exceptions=True\)|wait\(c(\d+)\))"
    r"|asyncio\.(?P<any>gather\(\*c(\d+)\)|wait\(c(\d+), return_when=[\w.]+\)))$"
)


@dataclasses.dataclass
class Site:
    """What a line of source says: held names and open groups around it, and the wait on it."""

    holds: list[str] = dataclasses.field(default_factory=list)
    groups: list[int] = dataclasses.field(default_factory=list)
    wait: tuple[str, Any] = ("unknown", None)


def site(lines: list[str], number: int) -> Site:
    """Read line ``number`` (from 1) of a program."""
    found, text = Site(), lines[number - 1].strip()
    if match := _HOLD.match(text):
        found.wait = ("hold", match[1])
    elif match := _GROUP.match(text):
        found.wait = ("any", int(match[1]))
    elif match := _JOIN.match(text):
        kind = next(name for name in ("one", "all", "any") if match[name])
        found.wait = (kind, next(int(each) for each in match.groups() if each and each.isdigit()))
    for header in around(lines, number):
        found.holds += _HOLD.findall(header)
        found.groups += map(int, _GROUP.findall(header))
    return found


def around(lines: list[str], number: int) -> Iterator[str]:
    """The headers of the blocks around a line, innermost first."""
    depth = len(lines[number - 1]) - len(lines[number - 1].lstrip())
    for line in reversed(lines[: number - 1]):
        inner = line.lstrip()
        if len(line) - len(inner) < depth:
            depth = len(line) - len(inner)
            yield inner


def own_lines(task: Any, file: str) -> list[int]:
    """Lines of the program's own frames in a task's await chain, outermost first."""
    found, current = [], task.get_coro()
    while current is not None:
        kind = {types.CoroutineType: "cr", types.GeneratorType: "gi", types.AsyncGeneratorType: "ag"}.get(type(current))
        frame = getattr(current, f"{kind}_frame", None)
        if frame is not None and frame.f_code.co_filename == file:
            found.append(frame.f_lineno)
        current = getattr(current, f"{kind}_{'yieldfrom' if kind == 'gi' else 'await'}", None)
    return found


# -- a program, running -----------------------------------------------------------------------------------


class Program:
    """One program: its source, its tasks, and what was done to it on purpose."""

    @classmethod
    def made(cls, seed: str, number: int, eager: bool) -> Program:
        """The program of that seed and number."""
        rng = random.Random(f"{seed}:{number}")
        return cls(f"{seed}:{number}", Writer(rng).program(), rng, eager)

    def __init__(self, label: str, source: str, rng: random.Random, eager: bool) -> None:
        self.label, self.source, self.lines, self.rng, self.eager = label, source, source.splitlines(), rng, eager
        self.file = f"<fuzz {label}>"
        self.names: dict[str, Any] = {}
        self.joins: dict[tuple[Any, int], list[Any]] = {}
        self.killed: dict[Any, float] = {}
        self.given: dict[str, float] = {}
        """When a resource, by id, was meant to be released by somebody who does not hold it."""
        self.joined: dict[Any, float] = {}
        self.over = self.hangs = False
        self.failures: list[str] = []
        self.notes: Counter[str] = Counter()
        self.seen: Any = None
        self.since = self.began = time.monotonic()

    def start(self) -> None:
        loop, semaphore = asyncio.get_running_loop(), asyncio.Semaphore
        lock = asyncio.Lock()
        condition = asyncio.Condition(lock) if self.rng.random() < 0.3 else asyncio.Condition()
        self.sizes = {"S0": 1, "S1": 2, "B0": 1}
        box = types.SimpleNamespace(
            L0=lock,
            L1=asyncio.Lock(),
            L2=asyncio.Lock(),
            S0=semaphore(1),
            S1=semaphore(2),
            C0=condition,
            B0=asyncio.BoundedSemaphore(1),
        )
        self.shared = condition._lock is lock  # type: ignore[attr-defined]
        tools = {
            "held": held,
            "held_by_hand": held_by_hand,
            "passing": passing,
            "within": within,
            "ticks": ticks,
            "Boom": Boom,
        }
        tools |= {
            "Budget": Budget,
            "Alarm": Alarm,
            "Guard": Guard,
            "Lease": Lease,
            "finish": finish,
            "functools": functools,
        }
        things = {
            "E0": asyncio.Event(),
            "Q0": asyncio.Queue(1),
            "F0": loop.create_future(),
            "bag": [],
            "t": {},
            "loop": Clock(self),
        }
        own = {
            "kids": self.kids,
            "kill": self.kill,
            "give": self.give,
            "box": box,
            "asyncio": asyncio,
            "contextlib": contextlib,
        }
        self.names = {**tools, **things, **own, **vars(box)}
        exec(compile(self.source, self.file, "exec"), self.names)
        for name in re.findall(r"^async def (t\d+)", self.source, re.M):
            self.names["t"][int(name[1:])] = asyncio.ensure_future(self.names[name]())
        if self.rng.random() < 0.35:
            for _ in range(self.rng.randint(1, 3)):
                loop.call_later(self.rng.uniform(0.003, 0.15), self.kill_any)

    # what the source calls

    def kids(self, number: int, *things: Any) -> list[Any]:
        tasks = list(dict.fromkeys(map(asyncio.ensure_future, things)))
        self.joins[asyncio.current_task(), number] = tasks
        self.joined.update((task, time.time()) for task in tasks)
        return tasks

    def kill(self, task: Any) -> None:
        if not self.over and not in_circle(task):
            self.mark(task)
            task.cancel()

    def kill_any(self) -> None:
        if tasks := self.tasks():
            self.kill(self.rng.choice(tasks))

    def intend(self, target: Any) -> None:
        """Enter that something free to move means to release, or cancel, the target."""
        self.given[resource_id(getattr(target, "_lock", target))] = time.time()
        for each in flattened(target) if asyncio.isfuture(target) else ():
            self.mark(each)

    def give(self, resource: Any) -> None:
        self.intend(resource)
        with contextlib.suppress(RuntimeError, ValueError):
            resource.release()

    def mark(self, task: Any) -> None:
        """Enter a cancellation on purpose, with all that it is handed down to."""
        now, seen, todo = time.time(), set[Any](), [task]
        while todo:
            current = todo.pop()
            if isinstance(current, asyncio.Task) and current not in seen:
                seen.add(current)
                self.killed[current] = now
                todo += handed_down(current)

    # how it stands

    def tasks(self) -> list[Any]:
        named = [each for each in asyncio.all_tasks() if getattr(each.get_coro(), "cr_code", None)]
        return sorted(
            (each for each in named if each.get_coro().cr_code.co_filename == self.file), key=asyncio.Task.get_name
        )

    def look(self, events: list[Event]) -> None:
        """See whether the program has ended or hangs; if so, judge it."""
        now = time.monotonic()
        picture = {(id(each), id(each._fut_waiter), *own_lines(each, self.file)) for each in self.tasks()}
        if picture != self.seen:
            self.seen, self.since = picture, now
        self.hangs = bool(picture) and now - self.since > SETTLED
        if self.hangs and now - self.since < SETTLED + PATIENCE and self.missing(events):
            return
        if not picture or self.hangs or now - self.began > LIFE:
            self.conclude(events)

    def own(self, events: list[Event]) -> list[Event]:
        """Events of deadlocks of this program, matched by the source file of a core task."""
        return [
            each
            for each in events
            if each.finding.kind == "deadlock"
            and any(self.file in (p.file for p in t.stack) for t in each.finding.core)
        ]

    def conclude(self, events: list[Event]) -> None:
        self.over = True
        self.notes["hung" if self.hangs else "ended"] += 1
        for event in self.own(events):
            proven = event.finding.verdict == "proven"
            self.notes[f"{event.event} {event.finding.verdict}"] += 1
            if proven and event.event == "retracted":
                self.complain("retracted", event)
            if proven and event.event == "opened" and self.moved(event):
                self.complain("moved", event)
        if self.hangs and (missing := self.missing(events)):
            self.failures.append(f"missed: {sorted((each.get_name(), own_lines(each, self.file)) for each in missing)}")

    def complain(self, what: str, event: Event) -> None:
        excuse = self.excuse(event)
        story = [(t.name, [p.line for p in t.stack if p.file == self.file], t.waits_for) for t in event.finding.core]
        if excuse:
            self.notes[f"{what}, but {excuse}"] += 1
        else:
            self.failures.append(
                f"{what}: {story}; killed {[t.get_name() for t in self.killed]}; given {list(self.given)}"
            )

    def moved(self, event: Event) -> bool:
        pending = {task_id(each): each for each in asyncio.all_tasks()}
        for core in event.finding.core:
            then = [place.line for place in core.stack if place.file == self.file]
            if core.id not in pending or own_lines(pending[core.id], self.file) != then:
                return True
        return False

    def excuse(self, event: Event) -> str:
        """What was done on purpose since the finding was opened, if anything."""
        since = event.time - event.finding.age_s * (event.event != "opened") - SLACK
        core = {each.id for each in event.finding.core}
        later = {task_id(task) for task, when in self.killed.items() if when >= since}
        if later & core:
            return "one of the core was cancelled"
        given = {key for key, when in self.given.items() if when >= since}
        for task in event.finding.core:
            places = [place for place in task.stack if place.file == self.file]
            blocks = [line for place in places for line in around(self.lines, place.line)]
            by_block = any(line.startswith(("async", "try:")) for line in blocks)
            if by_block and given & {each.resource for each in task.holds}:
                return "one lock was given"
        if any(when >= since and task.cancelled() and task_id(task) in core for task, when in self.joined.items()):
            return "whoever joined it later cancelled it"
        return "another task was cancelled" if later else ""

    def missing(self, events: list[Event]) -> set[Any]:
        """Tasks that the model says are stuck for ever and that lead to no proven core."""
        proven = {
            core.id
            for e in self.own(events)
            if e.event == "opened" and e.finding.verdict == "proven"
            for core in e.finding.core
        }
        return Model(self).stuck(proven)


class Clock:
    """The loop as programs see it: what a timer is going to do was meant when it was set."""

    def __init__(self, program: Program) -> None:
        self.program, self.loop = program, asyncio.get_running_loop()
        self.time = self.loop.time

    def call_later(self, delay: float, callback: Any, *args: Any) -> Any:
        self.program.intend(target_of(callback))
        return self.loop.call_later(delay, callback, *args)

    def call_soon(self, callback: Any) -> Any:
        self.program.intend(target_of(callback))
        return self.loop.call_soon(callback)


def target_of(callback: Any) -> Any:
    """The object that a callback acts on."""
    callback = getattr(callback, "func", callback)
    cells = getattr(callback, "__closure__", None) if isinstance(callback, types.FunctionType) else None
    return cells[0].cell_contents if cells else getattr(callback, "__self__", None)


def finish(future: Any) -> None:
    if not future.done():
        future.set_result(None)


def handed_down(task: Any) -> list[Any]:
    """What a cancellation of the task cancels at once: what it awaits, a gather's children."""
    waiting = task._fut_waiter
    current = task.get_coro()
    while getattr(current, "cr_await", None) is not None:
        current = current.cr_await
        if sys.version_info < (3, 12) and getattr(current, "__qualname__", "") == "wait_for" and current.cr_frame:
            return [current.cr_frame.f_locals.get("fut")]
    return flattened(waiting)


def flattened(future: Any) -> list[Any]:
    children = getattr(future, "_children", None)
    return [future] if children is None else [task for child in children for task in flattened(child)]


def in_circle(task: Any) -> bool:
    """Whether tasks await each other in a circle there, where Task.cancel ends in a RecursionError."""
    seen, todo = set[Any](), [(task, frozenset[Any]())]
    while todo:
        current, path = todo.pop()
        if current in path:
            return True
        if isinstance(current, asyncio.Task) and current not in seen:
            seen.add(current)
            todo += [(each, path | {current}) for each in handed_down(current) if each is not None]
    return False


class Model:
    """Who waits for whom in a program that hangs. Names that are used otherwise than by async with are out."""

    def __init__(self, program: Program) -> None:
        self.program, self.tasks = program, program.tasks()
        self.sites = {task: [site(program.lines, n) for n in own_lines(task, program.file)] for task in self.tasks}
        others = "\n".join(line for line in program.lines if not _HOLD.match(line.strip()) and "C0.notify" not in line)
        self.unclear = set(re.findall(r"\b[LSBC]\d\b", others)) | ({"L0", "C0"} if program.shared else set())

    def stuck(self, proven: set[str]) -> set[Any]:
        needs = {task: need for task in self.tasks if (need := self.needs(task)) is not None}
        while True:
            free = [task for task, (mode, on, escapes) in needs.items() if self.ends(mode, on, escapes, needs)]
            if not free:
                break
            for task in free:
                del needs[task]
        told = {task for task in needs if task_id(task) in proven}
        while more := [task for task, (_mode, on, _escapes) in needs.items() if task not in told and told & set(on)]:
            told.update(more)
        return set(needs) - told

    @staticmethod
    def ends(mode: str, on: list[Any], escapes: list[Any], needs: dict[Any, Any]) -> bool:
        free = [each not in needs for each in on]
        return (all(free) if mode == "all" else any(free)) or any(each not in needs for each in escapes)

    def needs(self, task: Any) -> tuple[str, list[Any], list[Any]] | None:
        """(all or any, tasks needed, tasks whose failure would free it), or None for who may go on."""
        sites, joins = self.sites[task], self.program.joins
        escapes = [
            kid
            for each in sites
            for number in each.groups
            for kid in joins.get((task, number), ())
            if not kid.done() and kid is not task
        ]
        kind, what = sites[-1].wait if sites else ("unknown", None)
        if kind == "unknown" or (kind == "hold" and what in self.unclear):
            return None
        if kind == "hold":
            holders = [each for each in self.tasks for s in self.sites[each] for name in s.holds if name == what]
            return ("any", holders, escapes) if len(holders) == self.program.sizes.get(what, 1) else None
        kids = [kid for kid in joins.get((task, what), ()) if not kid.done()][: 1 if kind == "one" else None]
        return ("all" if kind in ("one", "all") else "any", kids, escapes) if kids else None


# -- running many -----------------------------------------------------------------------------------------


def watch_groups(programs: dict[str, Program]) -> Any:
    """Replace TaskGroup._abort by one that enters its children as cancelled on purpose, unless a timer did it."""
    original = asyncio.TaskGroup._abort  # type: ignore[attr-defined]

    def abort(self: Any) -> None:
        caller = sys._getframe(1)
        program = programs.get(getattr(self._parent_task.get_coro(), "cr_code", abort.__code__).co_filename)
        error = caller.f_locals.get("exc")
        cancelled = caller.f_code.co_name != "_on_task_done" and (
            error is None or isinstance(error, asyncio.CancelledError)
        )
        if program is not None and (not cancelled or self._parent_task in program.killed):
            for task in self._tasks:
                program.mark(task)
        original(self)

    asyncio.TaskGroup._abort = abort  # type: ignore[attr-defined]
    return original


async def run_batch(programs: list[Program], events: list[Event]) -> None:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: blame(context.get("exception"), programs))
    if programs[0].eager:
        loop.set_task_factory(asyncio.eager_task_factory)
    for program in programs:
        program.start()
    while waiting := [program for program in programs if not program.over]:
        await asyncio.sleep(0.01)
        for program in waiting:
            program.look(events)
    for _ in range(60):
        left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in left:
            end(task)
            await asyncio.sleep(0)
        if not left:
            break


def run_loop(main: Coroutine[Any, Any, None]) -> None:
    """``asyncio.run`` without its last step: there may be circles of awaits left, which cannot be cancelled."""
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(main)
    finally:
        loop.close()


def end(task: Any) -> None:
    """End a task of a program that is over, also in a circle of awaits."""
    with contextlib.suppress(RecursionError):
        if not (isinstance(task._fut_waiter, JOINABLE) and throw(task, None)):
            task.cancel()


def blame(error: BaseException | None, programs: list[Program]) -> None:
    """Whether an exception comes out of the agent's own code."""
    tb = error.__traceback__ if error is not None else None
    while tb is not None and tb.tb_next is not None:
        tb = tb.tb_next
    if tb is not None and ".agent." in str(tb.tb_frame.f_globals.get("__name__")):
        programs[0].failures.append(f"broken: {error!r} at {tb.tb_frame.f_code.co_qualname}:{tb.tb_lineno}")


@dataclasses.dataclass
class Listener:
    """stderr, with what the agent says of itself noted."""

    out: Any
    said: list[str] = dataclasses.field(default_factory=list)

    def write(self, text: str) -> int:
        if text.startswith("unstuck: "):
            self.said.append(text.strip())
        return int(self.out.write(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.out, name)


def batches(seed: str, first: int, count: int) -> Iterator[list[Program]]:
    """Programs by the batch; a quarter of the batches run with eager tasks."""
    for start in range(first - first % BATCH, first + count, BATCH):
        numbers = range(max(start, first), min(start + BATCH, first + count))
        eager = random.Random(f"{seed}:{start}").random() < 0.25 and sys.version_info >= (3, 12)
        yield [Program.made(seed, number, eager) for number in numbers]


def fuzz(groups: Iterable[list[Program]]) -> Iterator[Program]:
    """Run programs, a group at a time; yield each when its group is over."""
    known: dict[str, Program] = {}
    original = watch_groups(known)
    sys.stderr = listener = Listener(sys.stderr)
    try:
        for programs in groups:
            known.clear()
            known.update((program.file, program) for program in programs)
            with harness.agent(interval=TICK, stuck_after=30.0) as ear:
                run_loop(run_batch(programs, ear.events))
                failed = [f"broken: {part}: {why}" for part, why in api.current().pipeline.failed.items()]
            programs[0].failures += failed + [f"broken: {line}" for line in listener.said]
            listener.said.clear()
            yield from programs
    finally:
        asyncio.TaskGroup._abort = original  # type: ignore[attr-defined]
        sys.stderr = listener.out


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz_deadlocks", description=__doc__.partition("\n")[0])
    parser.add_argument("--programs", type=int, default=300)
    parser.add_argument("--seed", default=str(random.randrange(10**6)))
    parser.add_argument("--first", type=int, default=0, help="number of the first program")
    parser.add_argument("--verbose", action="store_true", help="print the source of what failed")
    options = parser.parse_args()
    warnings.simplefilter("ignore", RuntimeWarning)  # coroutines that a failed program never awaited
    counts, failed, began = Counter[str](), 0, time.monotonic()
    for program in fuzz(batches(options.seed, options.first, options.programs)):
        counts.update(program.notes)
        failed += bool(program.failures)
        for failure in program.failures:
            print(f"FAILED {program.label} {failure}", flush=True)
        if program.failures and options.verbose:
            print("".join(f"{number:4} {line}\n" for number, line in enumerate(program.lines, 1)), flush=True)
    version, spent = ".".join(map(str, sys.version_info[:2])), time.monotonic() - began
    print(f"seed {options.seed} python {version}: {options.programs} programs, {failed} failed, {spent:.0f} s")
    print(dict(sorted(counts.items())))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
