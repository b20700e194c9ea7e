"""The tree of waits: from those that everybody waits for down to those who wait."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import NamedTuple

from .. import words
from ..blockers import Forest, forest, since
from ..columns import Column
from ..ink import Cell, Line, joined
from ..scene import Row, Scene, Shot
from ..view import View
from .places import bare, holders, spot, tidy
from .resources import used_of
from .tasks import circle_of, mark_of

SHOWN = 8
"""Children of one that are shown before the rest is folded away."""
COLUMNS = (
    Column("blocked", 7, right=True, sortable=False),
    Column("pid", 7, right=True, rank=1, sortable=False),
    Column("who waits for whom", 38, 110, sortable=False),
    Column("for", 7, right=True, sortable=False),
    Column("place", 14, 34, rank=2, sortable=False),
)
_ALONE = tuple(column if column.title != "pid" else Column("pid", 0, rank=99) for column in COLUMNS)


class Branch(NamedTuple):
    """A line of the tree: a task or resource (``id``), how it hangs there, and how many wait below."""

    shot: Shot
    id: str
    lead: str
    blocked: int
    circle: bool = False
    """It is the root of a circle, or where that closes."""
    more: int = 0
    """Not a task, but so many that are folded away below ``id``."""

    @property
    def key(self) -> Hashable:
        """What the line is."""
        return self.shot.pid, self.id, self.more > 0, bool(self.lead) and self.circle


def view(scene: Scene, opened: frozenset[Hashable], closed: frozenset[Hashable]) -> View:
    """The tree. ``opened``: nodes whose children are all shown; ``closed``: those whose children are hidden."""
    roots = [(trees.rank(root), trees, root) for trees in map(forest, scene.seen) for root in trees.roots]
    roots.sort(key=lambda each: each[0])
    rows = [branch for _, trees, root in roots for branch in _branches(trees, root, opened, closed)]
    return View(
        COLUMNS if scene.several else _ALONE,
        rows,
        lambda branch: branch.key,
        _cells,
        empty="nobody waits for another task, or for anything that can be held",
    )


def _branches(trees: Forest, root: str, opened: frozenset[Hashable], closed: frozenset[Hashable]) -> Iterator[Branch]:
    shot = trees.shot
    stack = [Branch(shot, root, "", trees.blocked[root], trees.is_circle(root))]
    while stack:
        branch = stack.pop()
        yield branch
        if branch.more or (branch.circle and branch.lead):
            continue
        node = (shot.pid, branch.id)
        if node not in closed:
            stack += reversed(_below(trees, branch, node in opened))


def _below(trees: Forest, branch: Branch, everything: bool) -> list[Branch]:
    children = trees.children.get(branch.id, [])
    shown = children if everything or len(children) <= SHOWN + 1 else children[:SHOWN]
    rows = [Branch(trees.shot, child, "", trees.blocked.get(child, 0)) for child in shown]
    if branch.id in trees.closing:
        rows.append(Branch(trees.shot, trees.closing[branch.id], "", 0, circle=True))
    if len(shown) < len(children):
        rows.append(Branch(trees.shot, branch.id, "", 0, more=len(children) - len(shown)))
    indent = branch.lead.replace("├─", "│ ").replace("└─", "  ")
    return [row._replace(lead=indent + ("└─ " if row is rows[-1] else "├─ ")) for row in rows]


def _cells(branch: Branch) -> Sequence[Cell]:
    shot = branch.shot
    lead = (branch.lead, "dim")
    if branch.more:
        return "", "", (lead, (f"… {branch.more:,} more", "link"), ("   enter shows them", "dim")), "", ""
    pid = "" if branch.lead else str(shot.pid)
    blocked = (f"{branch.blocked:,}", "bold") if branch.blocked else ""
    task = shot.tasks.get(branch.id)
    if task is None:
        return blocked, pid, (lead, *resource_line((shot, shot.resources[branch.id]))), "", _made(branch)
    if branch.circle and branch.lead:
        ((sign, tone),) = circle_of((shot, task))
        return "", "", (lead, (f"{sign} {tidy(task.name)}", tone), (" again", "dim")), "", ""
    age = words.span(shot.time - since(shot, branch.id))
    return blocked, pid, (lead, *_task(branch, (shot, task))), age, spot(task.at)


def _task(branch: Branch, row: Row) -> Line:
    task = row[1]
    coro = bare(task.coro)
    return joined(
        [
            circle_of(row) if branch.circle else mark_of(row),
            (tidy(task.name), "" if branch.lead else "bold"),
            (f"({coro})" if coro != task.name else "", "dim"),
            (
                "" if branch.lead and (task.state == "waiting" or not branch.blocked) else task.state,
                task.state if task.state != "waiting" else "dim",
            ),
            (tidy(task.wait) if not branch.lead and not branch.circle else "", "dim"),
            ("holds one itself" if branch.lead and _holds_too(row) else "", "holds"),
        ],
        " ",
    )


def _holds_too(row: Row) -> bool:
    """Whether it waits for more of what it holds already."""
    resource = row[0].resources.get(row[1].on or "")
    return resource is not None and row[1].id in resource.holders and len(set(resource.holders)) > 1


def resource_line(row: Row) -> Line:
    """A resource by name, type, units, and who holds it if several do."""
    resource = row[1]
    held = holders(row[0], resource.holders)
    several = len(set(resource.holders)) != 1
    return joined(
        [
            (tidy(resource.name), "link"),
            (tidy(resource.type), "dim"),
            used_of(row),
            (("held by ", "dim"), *held) if held and several else "",
        ],
        " ",
    )


def _made(branch: Branch) -> Line:
    return spot(branch.shot.resources[branch.id].made)
