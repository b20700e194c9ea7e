"""Rows and programs: what is measured, in which processes, and what it may cost.

Laws:
- A program is what one child process runs, once, in one mode; its sample is a few named numbers.
- A row is one line of the table: one number of a program's sample, compared between two modes (``ratio``,
  ``difference``) or read from one (``value``), with a budget or without.
- Adding a row is adding a function: decorate it with ``operation`` (an async body whose cost per turn
  counts) or ``measurement`` (anything else), in a module that ``benchmarks.rows`` imports.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType

from .timing import cost_per_turn

Sample = dict[str, float]
NONE, AGENT, DEBUG, UNSET = "none", "agent", "debug", "unset"
RATIO, DIFFERENCE, VALUE = "ratio", "difference", "value"


@dataclass(frozen=True, slots=True)
class Program:
    """What a child runs. ``run(mode, scale)``; ``scale`` 1.0 is full effort, less is quicker."""

    name: str
    run: Callable[[str, float], Sample]
    modes: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Further variables of the child in mode ``agent``; ``{folder}`` is a fresh folder of its own."""
    needs: tuple[str, ...] = ()
    """Modules from elsewhere; where one is missing, the rows are skipped."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: ``number`` of the program's sample, in ``unit``, at most ``budget``."""

    name: str
    what: str
    program: str
    number: str = "ns"
    unit: str = "ns"
    compare: str = RATIO
    budget: float | None = None
    base: str = NONE
    subject: str = AGENT


PROGRAMS: dict[str, Program] = {}
ROWS: dict[str, Row] = {}


def operation(
    name: str, what: str, turns: int, budget: float | None = None
) -> Callable[[Callable[[int], Awaitable[None]]], Callable[[int], Awaitable[None]]]:
    """Register ``async def body(turns)``: a row that compares its CPU time a turn with and without agent."""

    def register(body: Callable[[int], Awaitable[None]]) -> Callable[[int], Awaitable[None]]:
        PROGRAMS[name] = Program(name, partial(_run_operation, body, turns), (NONE, AGENT, DEBUG))
        ROWS[name] = Row(name, what, name, budget=budget)
        return body

    return register


def measurement(
    program: str,
    *rows: Row,
    modes: tuple[str, ...] = (AGENT,),
    environment: Mapping[str, str] = MappingProxyType({}),
    needs: tuple[str, ...] = (),
) -> Callable[[Callable[[str, float], Sample]], Callable[[str, float], Sample]]:
    """Register ``def run(mode, scale)`` that takes a sample, and the rows that read it."""

    def register(run: Callable[[str, float], Sample]) -> Callable[[str, float], Sample]:
        PROGRAMS[program] = Program(program, run, modes, environment, needs)
        ROWS.update({row.name: row for row in rows})
        return run

    return register


def _run_operation(body: Callable[[int], Awaitable[None]], turns: int, mode: str, scale: float) -> Sample:
    # asyncio's debug mode is some twenty times slower: fewer turns say as much.
    effort = scale * (0.1 if mode == DEBUG else 1.0)
    return {"ns": cost_per_turn(body, max(1, round(turns * effort)), mode)}
