"""The core of a finding as a graph in box characters: who waits for what, held by whom, and where it closes.

Laws:
- The graph is drawn as one chain of boxes from top to bottom: each waits for the next. The arrow that closes a circle
  runs back up along the left edge. Whatever else belongs to the core is told below it, a line each.
- At most MOST boxes and MOST lines; a longer chain is cut in the middle, and says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

from ..agent.findings import Finding
from ..agent.sinks.places import bare, waiting_place
from ..agent.sinks.text import clean
from ..agent.snapshot import ResourceView, TaskView
from .ink import Line, clip, fit, joined, line, width_of
from .views.places import spot

MOST = 9
_LEAST_WIDTH = 24


def drawn(finding: Finding, width: int) -> list[Line]:
    """The lines of the graph, at most ``width`` cells wide; none where nobody waits for another."""
    graph = Graph(finding)
    return list(_railed(graph, _Pen(graph, width))) if graph.chain else []


class Graph:
    """Who waits for whom in a finding."""

    def __init__(self, finding: Finding) -> None:
        self.finding = finding
        self.tasks = {task.id: task for task in finding.tasks}
        self.resources = {resource.id: resource for resource in finding.resources}

    def awaited(self, task: TaskView) -> ResourceView | None:
        """The resource that a task waits for."""
        return self.resources.get(task.waits_for or "")

    def after(self, task: TaskView) -> TaskView | None:
        """The task on whom it waits, directly or through a resource: one of the core rather than another."""
        resource = self.awaited(task)
        ids = resource.holders if resource is not None else (task.waits_for, *self.joined(task))
        found = [self.tasks[id] for id in ids if id in self.tasks]
        found.sort(key=lambda each: each.role != "core")
        return found[0] if found else None

    def joined(self, task: TaskView) -> list[str]:
        """The tasks whose end it awaits."""
        return [each.target for each in self.finding.edges if each.source == task.id and each.relation == "joins"]

    @cached_property
    def chain(self) -> list[TaskView]:
        """The first of the core, on whom it waits, and so on until the circle closes or nobody follows."""
        here = next((task for task in self.finding.tasks if task.role == "core" and self._leads(task)), None)
        found: dict[str, TaskView] = {}
        while here is not None and here.id not in found:
            found[here.id] = here
            here = self.after(here)
        return list(found.values())

    @cached_property
    def closes(self) -> int | None:
        """Which box of the chain the last one leads back to."""
        target = self.after(self.chain[-1])
        return None if target is None else [task.id for task in self.chain].index(target.id)

    @cached_property
    def rest(self) -> list[TaskView]:
        """The core that is not on the chain."""
        on = {task.id for task in self.chain}
        return [task for task in self.finding.core if task.id not in on]

    def _leads(self, task: TaskView) -> bool:
        return self.awaited(task) is not None or self.after(task) is not None


class _Pen:
    """Draws boxes and arrows of one width."""

    def __init__(self, graph: Graph, width: int) -> None:
        self.graph = graph
        wanted = max(self._wanted(task) for task in graph.chain)
        self.width = max(_LEAST_WIDTH, min(width - 2, wanted))
        self.room = max(_LEAST_WIDTH, width - 2)

    def box(self, task: TaskView, opens: bool) -> Iterator[Line]:
        """A task; ``opens``: an arrow leaves it below."""
        title = clip(self._title(task), self.width - 6)
        yield line(("┌─ ", "dim"), *title, (f" {'─' * (self.width - 5 - width_of(title))}┐", "dim"))
        for row in self._inside(task):
            yield line(("│ ", "dim"), *fit(row, self.width - 4), (" │", "dim"))
        yield line((f"└──{'┬' if opens else '─'}{'─' * (self.width - 5)}┘", "dim"))

    def arrow(self, task: TaskView, head: str) -> Iterator[Line]:
        """What a task waits for, beside an arrow that ends in ``head``; on one line where that fits."""
        said = self._says(task)
        if sum(map(width_of, said)) + len(said) + 6 <= self.room:
            said = [joined(said, " ")]
        for row in said[:-1]:
            yield line(("   │  ", "dim"), *clip(row, self.room - 6))
        yield line((head, "dim"), *clip(said[-1], self.room - 6))

    def _wanted(self, task: TaskView) -> int:
        return max(width_of(self._title(task)) + 7, *(width_of(row) + 4 for row in self._inside(task)), 0)

    def _title(self, task: TaskView) -> Line:
        coro = clean(bare(task.coro))
        return joined([(clean(task.name), "bold"), (f"({coro})" if coro and coro != task.name else "", "dim")], " ")

    def _inside(self, task: TaskView) -> list[Line]:
        awaited = {each.waits_for for each in self.graph.finding.tasks}
        holds = [held for held in task.holds if held.resource in awaited][:2]
        rows = []
        for held in holds:
            resource = self.graph.resources.get(held.resource)
            name = clean(resource.name) if resource is not None else ""
            rows.append(joined([("holds", "holds"), name, spot(held.taken_at)]))
        here = waiting_place(task.stack)
        if here is not None:
            rows.append(joined([("waits", "waits"), clean(here.code or bare(here.function)), spot(here)]))
        return rows

    def _says(self, task: TaskView) -> list[Line]:
        resource, after = self.graph.awaited(task), self.graph.after(task)
        if resource is None:
            ids = [task.waits_for or "", *self.graph.joined(task)]
            return [joined([("waits for the end of", "waits"), *self._them(ids, after)], " ")]
        what = joined([("waits for", "waits"), (clean(resource.name), "bold"), (clean(resource.type), "dim")], " ")
        if after is not None:
            units = f"its {resource.units} units held by" if (resource.units or 1) > 1 else "held by"
            return [what, joined([(units, "holds"), *self._them(resource.holders, after)], " ")]
        return [what, _GONE] if resource.holders else [what]

    def _them(self, ids: Sequence[str], after: TaskView | None) -> list[Line]:
        """The one that the arrow leads to, and how many beside him."""
        number = len({id for id in ids if id} - {after.id if after is not None else ""})
        more: Line = ((f"and {number} more", "dim"),) if number else ()
        return [((clean(after.name), "bold"),), more] if after is not None else [more]


_GONE: Line = (("held by ", "holds"), ("a task that has ended", "bad"))


def _railed(graph: Graph, pen: _Pen) -> Iterator[Line]:
    """The chain with the way back at its left, and the rest of the core below."""
    closes = graph.closes
    for index, task in enumerate(graph.chain):
        last = index == len(graph.chain) - 1
        inside = closes is not None and index > closes
        if _hidden(index, len(graph.chain)):
            if index == MOST // 2:
                yield line(("│ " if closes is not None else "  ", "bad"), f"   ┆  {len(graph.chain) - MOST + 1} more")
            continue
        opens = not last or closes is not None or graph.awaited(task) is not None
        for number, row in enumerate(pen.box(task, opens)):
            enters = number == 0 and index == closes
            within = inside or (index == closes and number > 0)
            yield line(("╭▶" if enters else "│ " if within else "  ", "bad"), *row)
        if opens:
            yield from _leaving(pen, task, last, closes, closes is not None and index >= closes)
    for task in graph.rest[:MOST]:
        yield from _aside(graph, task)
    if len(graph.rest) > MOST:
        yield line(("  … ", "dim"), (f"and {len(graph.rest) - MOST} more tasks of the core", "dim"))


def _leaving(pen: _Pen, task: TaskView, last: bool, closes: int | None, within: bool) -> Iterator[Line]:
    head = "   ▼  " if not last else "───╯  " if closes is not None else "   ╵  "
    rows = list(pen.arrow(task, head))
    for number, row in enumerate(rows):
        turns = last and closes is not None and number == len(rows) - 1
        yield line(("╰─" if turns else "│ " if within else "  ", "bad"), *row)


def _hidden(index: int, length: int) -> bool:
    return length > MOST and MOST // 2 <= index < length - MOST // 2


def _aside(graph: Graph, task: TaskView) -> Iterator[Line]:
    resource, after = graph.awaited(task), graph.after(task)
    what = clean(resource.name) if resource is not None else ""
    yield joined(
        [
            ("  ·", "dim"), (clean(task.name), "bold"), ("waits for", "waits"), what,
            ("held by" if resource is not None and after is not None else "", "holds"),
            clean(after.name) if after is not None else "",
        ],
        " ",
    )  # fmt: skip
