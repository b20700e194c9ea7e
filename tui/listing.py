"""``unstuck ps``: the processes of this user that run the agent, a line each.

Laws:
- All are asked at once, and for no longer than PATIENCE; one that does not answer is listed with that.
- Of a process nothing is asked that would cost it a look at each of its tasks.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import click

from ..agent import wire
from ..agent.sinks.terminal import encodable, manner_of
from ..agent.sinks.text import age, cells_of, clean, cut, fill
from . import words
from .connection import Process, Unreachable, look, processes
from .picture import Picture

PATIENCE = 3.0
_LISTEN = 0.3
"""Seconds for which loops are watched, to see how late they are."""
_MOST_AT_ONCE = 32
_HEADS = ("PID", "TASKS", "LOOPS", "FINDINGS", "OLDEST WAIT", "DELAY", "COMMAND")
_RIGHT = 3
"""So many columns are numbers."""
_VERDICTS = ("proven", "suspected", "potential")
_STYLES = {"proven": "red", "suspected": "yellow", "potential": "cyan"}


@dataclass(frozen=True, slots=True)
class Summary:
    """A process in a line. ``trouble`` says why nothing is known of it."""

    process: Process
    picture: Picture | None
    trouble: str = ""

    @property
    def verdicts(self) -> Counter[str]:
        """How many findings of which verdict are open."""
        return Counter(record["verdict"] for record in self.picture.findings.values()) if self.picture else Counter()

    @property
    def oldest_wait(self) -> float | None:
        """For how many seconds somebody has been waiting for a lock, semaphore or pool that others hold."""
        health = self.picture.health if self.picture else None
        if self.picture is None or health is None or health.oldest is None:
            return None
        return max(0.0, self.picture.time - health.oldest)

    @property
    def delay(self) -> float | None:
        """How late a loop was at most, in seconds."""
        delays = [late for samples in self.picture.delays.values() for late in samples] if self.picture else []
        return max(delays, default=None)

    def as_record(self) -> dict[str, Any]:
        """For scripts (docs/socket.md)."""
        greeting = self.picture.greeting if self.picture else None
        health = self.picture.health if self.picture else None
        return {
            "pid": self.process.pid,
            "command": list(greeting.command) if greeting else None,
            "service": greeting.service if greeting else None,
            "python": greeting.python if greeting else None,
            "unstuck": greeting.unstuck if greeting else None,
            "started": greeting.started if greeting else None,
            "loops": len(self.picture.loops) if self.picture else None,
            "tasks": health.tasks if health else None,
            "findings": {verdict: self.verdicts[verdict] for verdict in _VERDICTS} if self.picture else None,
            "oldest_wait_s": _rounded(self.oldest_wait),
            "loop_delay_s": _rounded(self.delay),
            "trouble": self.trouble or None,
        }


def summaries(found: list[Process]) -> list[Summary]:
    """All of these processes, in their order."""
    with ThreadPoolExecutor(_MOST_AT_ONCE) as pool:
        return list(pool.map(summary, found))


def summary(process: Process) -> Summary:
    """One process; never raises because of it."""
    try:
        return Summary(process, look(process, wire.Attach(wire.VERSION, rows=False, period=0.1), PATIENCE, _LISTEN))
    except Unreachable as trouble:
        return Summary(process, None, str(trouble))


def table(lines: list[Summary], colour: bool, width: int) -> list[str]:
    """The lines as people read them, no wider than ``width`` cells."""
    rows = [_cells(line) for line in lines]
    widths = [max(cells_of(row[column]) for row in [_HEADS, *rows]) for column in range(len(_HEADS) - 1)]
    room = max(10, width - sum(widths) - 2 * len(widths))
    head = _line(_HEADS, widths, room)
    body = [_coloured(_line(row, widths, room), line, colour) for row, line in zip(rows, lines, strict=True)]
    return [head, *body]


@click.command("ps")
@click.option("--json", "as_json", is_flag=True, help="An array of objects, for scripts.")
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """List the processes that run the agent."""
    try:
        found = summaries(processes())
    except Unreachable as trouble:
        click.echo(f"unstuck: {trouble}", err=True)
        ctx.exit(trouble.code)
    if as_json:
        click.echo(json.dumps([line.as_record() for line in found], indent=2))
    elif not found:
        click.echo("unstuck: no process of this user runs the agent and has an event loop", err=True)
    else:
        colour, width, _ = manner_of(sys.stdout)
        click.echo(encodable("\n".join(table(found, colour, width)), sys.stdout), color=colour)


def _cells(line: Summary) -> tuple[str, ...]:
    picture = line.picture
    if picture is None or picture.health is None:
        return (str(line.process.pid), "-", "-", "-", "-", "-", clean(line.trouble or "does not answer"))
    verdicts = [f"{line.verdicts[verdict]} {verdict}" for verdict in _VERDICTS if line.verdicts[verdict]]
    return (
        str(line.process.pid),
        f"{picture.health.tasks:,}",
        str(len(picture.loops)),
        ", ".join(verdicts) or "-",
        "-" if line.oldest_wait is None else age(line.oldest_wait),
        "-" if line.delay is None else age(line.delay),
        clean(words.called(picture.greeting.command)),
    )


def _line(cells: tuple[str, ...], widths: list[int], room: int) -> str:
    aligned = [
        " " * (width - cells_of(cell)) + cell if column < _RIGHT else fill(cell, width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=False))
    ]
    return "  ".join([*aligned, cut(cells[-1], room, "…")])


def _coloured(text: str, line: Summary, colour: bool) -> str:
    worst = next((verdict for verdict in _VERDICTS if line.verdicts[verdict]), None)
    if not colour or (worst is None and line.picture is not None):
        return text
    return click.style(text, fg=_STYLES[worst]) if worst else click.style(text, dim=True)


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
