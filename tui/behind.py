"""Who is queued behind an open finding now: the agent tells of that once a minute, and names twenty at most.

Laws:
- The same tasks as the agent counts: whoever waits for what a task of the core, or one behind it, holds, or for its
  end, and no timeout ends that.
- Only of kinds whose core is what stands in the way; of the others there is what their records say.
- Linear in tasks and resources; nothing recurses.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from ..agent import wire
from .picture import Record

_KINDS = ("deadlock", "stuck", "ignored-cancel")


def behind(
    records: Iterable[Record],
    tasks: Mapping[str, wire.Task],
    resources: Mapping[str, wire.Resource],
) -> dict[str, tuple[str, ...]]:
    """The ids of the tasks behind each finding, by its id; without those whose core is not all there."""
    wanted = {record["id"]: core for record in records if record["kind"] in _KINDS and (core := _core(record, tasks))}
    queued = _queued(tasks, resources) if wanted else {}
    return {id: _behind(core, queued) for id, core in wanted.items()}


def _core(record: Record, tasks: Mapping[str, wire.Task]) -> list[str]:
    core = [task["id"] for task in record["tasks"] if task["role"] == "core"]
    return core if all(id in tasks for id in core) else []


def _queued(tasks: Mapping[str, wire.Task], resources: Mapping[str, wire.Resource]) -> Mapping[str, Sequence[str]]:
    """Those who wait for each task: for its end, or for what it holds."""
    queued: defaultdict[str, list[str]] = defaultdict(list)
    for task in tasks.values():
        if task.due is not None:
            continue
        resource = resources.get(task.on or "")
        targets = resource.holders if resource is not None else (*task.joins, task.on or "")
        for target in targets:
            queued[target].append(task.id)
    return queued


def _behind(core: list[str], queued: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    found = dict.fromkeys(core)
    todo = list(core)
    for id in todo:
        new = [each for each in queued.get(id, ()) if each not in found]
        found.update(dict.fromkeys(new))
        todo += new
    return tuple(found)[len(core) :]
