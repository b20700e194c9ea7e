"""Who blocks whom: a forest from those that everybody waits for down to those that merely wait.

Laws:
- Every task and resource has at most one parent: a task what it waits for, a resource its only holder. Of several
  joined tasks the one that has waited longest is taken; what several hold is a root of its own.
- A circle is cut at the task that has waited longest; where it closes, that task is named once more. One that is part
  of no finding is told only once it has stood for STANDING: before, tasks may have moved while they were looked at, and
  who seems to wait for itself has just got the lock.
- Linear in tasks and resources; nothing recurses.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ..agent import wire
from .scene import Shot

STANDING = 3.0
"""Seconds: longer than one look, and the telling of it, take."""


@dataclass(slots=True)
class Forest:
    """The forest of one process. Keys are ids of tasks and resources."""

    shot: Shot
    parent: dict[str, str] = field(default_factory=dict)
    children: dict[str, list[str]] = field(default_factory=dict)
    blocked: dict[str, int] = field(default_factory=dict)
    """How many tasks wait below each, directly or through others; a circle's members count for its root."""
    closes: dict[str, str] = field(default_factory=dict)
    """Of each circle's root: what it waits for itself, where the circle closes."""
    closing: dict[str, str] = field(default_factory=dict)
    """The same the other way: below what the circle closes, and on which root."""
    circles: set[str] = field(default_factory=set)
    """All that is part of a circle."""
    roots: list[str] = field(default_factory=list)
    """Those on whom somebody waits and who wait for nobody, the most blocking first."""

    def is_circle(self, root: str) -> bool:
        """Whether the root waits for something below itself."""
        return root in self.closes

    def rank(self, root: str) -> tuple[int, int, float]:
        """Circles first, then tasks and what somebody holds, then what nobody owns: idle workers wait there too."""
        resource = self.shot.resources.get(root)
        kind = 0 if self.is_circle(root) else 1 if resource is None or resource.holders else 2
        return kind, -self.blocked[root], since(self.shot, root)


def forest(shot: Shot) -> Forest:
    """Who blocks whom in this process."""
    made = Forest(shot, _parents(shot))
    for child, parent in made.parent.items():
        made.children.setdefault(parent, []).append(child)
    _cut_circles(made)
    _count(made)
    for below in made.children.values():
        if len(below) > 1:
            below.sort(key=lambda child: since(shot, child))
            below.sort(key=lambda child: (_is_core(made, child), made.blocked.get(child, 0)), reverse=True)
    made.roots = [key for key in made.children if key not in made.parent]
    made.roots.sort(key=made.rank)
    return made


def _is_core(made: Forest, key: str) -> bool:
    """Whether it is what a finding is about, or part of a circle."""
    return key in made.circles or made.shot.marks.get(key, ("", False))[1]


def _count(made: Forest) -> None:
    """How many tasks wait below each, from those with nothing but leaves below them upwards."""
    inner = [key for key in made.children if key not in made.parent]
    for key in inner:  # grows while it is walked
        inner += [child for child in made.children[key] if child in made.children]
    tasks, blocked = made.shot.tasks, made.blocked
    for key in reversed(inner):
        below = made.children[key]
        blocked[key] = sum(map(tasks.__contains__, below)) + sum(blocked[each] for each in below if each in blocked)
    for root in made.closes:
        blocked[root] += 1


def since(shot: Shot, key: str) -> float:
    """Since when a task has been in its state, or a resource has been waited for."""
    task = shot.tasks.get(key)
    if task is not None:
        return task.since
    resource = shot.resources.get(key)
    return shot.time if resource is None or resource.oldest is None else resource.oldest


def _parents(shot: Shot) -> dict[str, str]:
    tasks, resources = shot.tasks, shot.resources
    found: dict[str, str] = {}
    for task in tasks.values():
        if task.on is not None and task.on in resources:
            found[task.id] = task.on
        elif (task.joins or task.on in tasks) and (target := slowest(shot, task)):
            found[task.id] = target.id
    for resource in resources.values():
        holders = set(resource.holders)
        if len(holders) == 1 and (holder := holders.pop()) in tasks:
            found[resource.id] = holder
    return found


def slowest(shot: Shot, task: wire.Task) -> wire.Task | None:
    """Of the tasks that it joins, the one that has waited longest."""
    alive = [shot.tasks[each] for each in (*task.joins, task.on or "") if each in shot.tasks]
    return min(alive, key=lambda each: (each.state != "waiting", each.since)) if alive else None


def _cut_circles(made: Forest) -> None:
    """Take one link out of each circle, so that what is left is a forest."""
    walked: dict[str, int] = {}
    for number, start in enumerate(made.children):  # whoever blocks nobody is part of no circle
        here: str | None = start
        while here is not None and here not in walked:
            walked[here] = number
            here = made.parent.get(here)
        if here is not None and walked[here] == number and here in made.parent:
            _cut(made, here)


def _cut(made: Forest, start: str) -> None:
    circle = [start]
    while (following := made.parent[circle[-1]]) != start:
        circle.append(following)
    tasks = [key for key in circle if key in made.shot.tasks] or circle
    root = min(tasks, key=lambda key: (since(made.shot, key), key))
    target = made.parent.pop(root)
    made.children[target].remove(root)
    if any(key in made.shot.marks for key in circle) or _stands(made.shot, circle):
        made.closes[root], made.closing[target] = target, root
        made.circles.update(circle)


def _stands(shot: Shot, circle: list[str]) -> bool:
    """Whether nobody of the circle has moved for so long that it was there at one instant."""
    tasks = [shot.tasks[key] for key in circle if key in shot.tasks]
    things = [shot.resources[key] for key in circle if key in shot.resources]
    return (
        shot.complete
        and all(task.state == "waiting" and shot.time - task.since >= STANDING for task in tasks)
        and all(thing.total is None or thing.total <= len(thing.holders) for thing in things)
    )
