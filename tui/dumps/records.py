"""The picture as one JSON object: docs/socket.md names its fields, which are those of the frames."""

from __future__ import annotations

from typing import Any

import msgspec

from ...agent import wire
from ..picture import Picture

VERSION = 1


def document(picture: Picture) -> dict[str, Any]:
    """All that is known of a process. ``v`` is 1; additions are allowed, renames are not."""
    return {
        "v": VERSION,
        "time": picture.time,
        "complete": picture.complete,
        "process": {name: value for name, value in _plain(picture.greeting).items() if name != "findings"},
        "health": _plain(picture.health),
        "findings": list(picture.findings.values()),
        "loops": [_plain(loop) for loop in picture.loops.values()],
        "tasks": [_task(task, picture.details.get(task.id)) for task in picture.tasks.values()],
        "resources": [_plain(resource) for resource in picture.resources.values()],
        "edges": [
            {"from": edge.source, "to": edge.target, "relation": edge.relation}
            for edge in dict.fromkeys(picture.edges())
        ],
    }


def _task(task: wire.Task, detail: wire.Detail | None) -> dict[str, Any]:
    known = _plain(detail) if detail is not None else {}
    more = {name: known.get(name) for name in ("stack", "makers", "holds", "trace_id", "span_id")}
    return {**_plain(task), **more}


def _plain(thing: Any) -> Any:
    """What JSON has: objects with named fields, where the wire has arrays."""
    if isinstance(thing, msgspec.Struct):
        return {name: _plain(value) for name, value in msgspec.structs.asdict(thing).items()}
    if isinstance(thing, tuple | list):
        return [_plain(each) for each in thing]
    return thing
