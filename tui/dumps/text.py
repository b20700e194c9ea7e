"""The picture for people: what is wrong first, then every loop with its tasks as a tree of who made whom.

Laws:
- Tasks that one task made, that stand at the same lines and wait for the same thing, are told once, with their number.
- At most MOST_TOLD groups; what is left out is said. Walks are iterative: a chain of makers may be long.
- Names come from the program: what is not printable in them is escaped.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

import click

from ...agent import wire
from ...agent.findings import Event
from ...agent.sinks.places import bare
from ...agent.sinks.stderr import render
from ...agent.sinks.text import age, clean, count_of, cut
from ..picture import Picture
from ..records import finding_of, moment
from . import place

MOST_TOLD = 2_000
_NAMES = 3
_DEEPEST = 12
"""Levels that are indented; what is deeper stands at that level."""
_LEVEL = "  "


def lines(picture: Picture, colour: bool, width: int, is_ascii: bool) -> Iterator[str]:
    """The whole dump."""
    yield from _head(picture, width)
    for record in picture.findings.values():
        finding = finding_of(record)
        finding = replace(finding, age_s=finding.age_s + max(0.0, picture.time - moment(record)))
        yield ""
        yield render(Event("opened", picture.time, finding, picture.pid), colour, width, is_ascii).rstrip("\n")
    tree = _Tree(picture)
    for loop in picture.loops.values():
        yield ""
        yield click.style(_of_loop(loop, picture), bold=True) if colour else _of_loop(loop, picture)
        yield from tree.lines(loop.id, width)
    if tree.hidden:
        yield ""
        yield f"{count_of(tree.hidden, 'more task')} not shown"


def _head(picture: Picture, width: int) -> Iterator[str]:
    greeting, health = picture.greeting, picture.health
    yield cut(f"process {picture.pid}: {clean(' '.join(greeting.command))}", width, "…")
    at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(picture.time))
    yield f"Python {clean(greeting.python)}, unstuck {clean(greeting.unstuck)}, {at}"
    if health is None:
        return
    findings = count_of(len(picture.findings), "open finding")
    states = f"{health.running} running, {health.ready} ready, {health.waiting} waiting"
    yield f"{count_of(health.tasks, 'task')} ({states}), {findings}"
    for part, reason in health.failed.items():
        yield f"the agent's part {clean(part)} has failed and is switched off: {clean(reason)}"


def _of_loop(loop: wire.Loop, picture: Picture) -> str:
    thread = f" in {clean(loop.thread)}" if loop.thread else ""
    late = max(picture.delays.get(loop.id, ()), default=0.0)
    return "loop {}{}: {}, {}{}".format(
        clean(loop.id),
        thread,
        "running" if loop.running else "not running",
        count_of(loop.tasks, "task"),
        f", {age(late)} late" if late >= 0.001 else "",
    )


class _Tree:
    """Who made whom."""

    def __init__(self, picture: Picture) -> None:
        self.picture = picture
        self.hidden = 0
        self._told = 0
        self._below: dict[str, list[wire.Task]] = defaultdict(list)
        self._roots: dict[str, list[wire.Task]] = defaultdict(list)
        for task in picture.tasks.values():
            parent = picture.tasks.get(task.parent or "")
            if parent is not None and parent.loop == task.loop and parent is not task:
                self._below[parent.id].append(task)
            else:
                self._roots[task.loop].append(task)

    def lines(self, loop: str, width: int) -> Iterator[str]:
        """The tasks of a loop, outermost first."""
        todo = [(0, group) for group in reversed(self._groups(self._roots[loop]))]
        seen = set[str]()
        while todo:
            depth, group = todo.pop()
            if group[0].id in seen:
                continue  # an id that was used again: a task is not its own ancestor
            seen.add(group[0].id)
            if self._told >= MOST_TOLD:
                self.hidden += len(group)
            else:
                self._told += 1
                yield from self._block(_LEVEL * min(depth, _DEEPEST), group, width)
            below = [child for task in group for child in self._below.get(task.id, ())]
            todo += [(depth + 1, each) for each in reversed(self._groups(below))]

    def _groups(self, tasks: list[wire.Task]) -> list[list[wire.Task]]:
        """Those alike together, the longest waiting first."""
        alike: dict[object, list[wire.Task]] = defaultdict(list)
        for task in sorted(tasks, key=lambda each: each.since):
            detail = self.picture.details.get(task.id)
            stack = detail.stack if detail is not None else task.at
            is_leaf = not self._below.get(task.id)
            key = (
                (task.coro, task.state, task.wait, task.on, stack, detail.holds if detail else ())
                if is_leaf
                else task.id
            )
            alike[key].append(task)
        return list(alike.values())

    def _block(self, indent: str, group: list[wire.Task], width: int) -> Iterator[str]:
        first = group[0]
        names = ", ".join(clean(task.name) for task in group[:_NAMES])
        more = f" and {len(group) - _NAMES:,} more" if len(group) > _NAMES else ""
        yield cut(f"{indent}{names}{more} ({clean(bare(first.coro))})  {self._doing(group)}", width, "…")
        detail = self.picture.details.get(first.id)
        for step in detail.stack if detail is not None else ():
            yield cut(
                f"{indent}    {place(step)}  {clean(step.code) or 'in ' + clean(bare(step.function))}", width, "…"
            )
        holds = [self._name(key) for key in detail.holds] if detail is not None else []
        if holds:
            yield cut(f"{indent}    holds {', '.join(holds)}", width, "…")

    def _doing(self, group: list[wire.Task]) -> str:
        first, last = group[0], group[-1]
        spans = [age(max(0.0, self.picture.time - task.since)) for task in (first, last)]
        span = spans[0] if spans[0] == spans[1] else f"{spans[1]} to {spans[0]}"
        if first.state != "waiting":
            return f"{first.state}, for {span}"
        ends = [task.due for task in group if task.due is not None]
        due = f", ends in {age(max(0.0, min(ends) - self.picture.time))}" if ends else ""
        return f"waits {span}: {clean(first.wait)}{self._awaited(first)}{due}"

    def _awaited(self, task: wire.Task) -> str:
        if task.on is None:
            return ""
        more = f" and {len(task.joins) - 1} more" if len(task.joins) > 1 else ""
        resource = self.picture.resources.get(task.on)
        held = [self._name(key) for key in resource.holders] if resource is not None else []
        by = f", held by {', '.join(held[:_NAMES])}" if held else ""
        return f" {self._name(task.on)}{more}{by}"

    def _name(self, key: str) -> str:
        task, resource = self.picture.tasks.get(key), self.picture.resources.get(key)
        return clean(task.name if task is not None else resource.name if resource is not None else key)
