"""The first frame and the long ones: who this process is, and updates cut to what one frame may hold."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from typing import Any

from .. import wire
from ..config import Settings
from .text import clean

_ROWS, _IDS, _RECORDS = 500, 50_000, 5
_MOST_ARGUMENTS = 50
_UNSTUCK: str = sys.modules[__name__.partition(".")[0]].__version__
"""Not imported: the package's public face lies above all layers of the agent."""


def greeting(started: float, settings: Settings, findings: tuple[dict[str, Any], ...]) -> wire.Greeting:
    """Who this process is."""
    return wire.Greeting(
        wire.VERSION,
        _UNSTUCK,
        os.getpid(),
        command(),
        service(os.environ.get("OTEL_SERVICE_NAME"), os.environ.get("OTEL_RESOURCE_ATTRIBUTES")),
        platform.python_version(),
        started,
        settings.interval,
        settings.allow_actions,
        findings,
    )


def other_version(theirs: int) -> str:
    """Why a client of another version is sent away, and what it should do."""
    return (
        f"this process runs unstuck {_UNSTUCK}, which speaks version {wire.VERSION} of the protocol; you speak "
        f"version {theirs}. Use the `unstuck` of the Python that runs the process: {clean(sys.executable)} -m unstuck"
    )


def command() -> tuple[str, ...]:
    """What was called; of a worker that multiprocessing started, what its parent was called with."""
    words = [sys.executable, *sys.argv] if _is_spawned() else sys.orig_argv
    return tuple(clean(word) for word in words[:_MOST_ARGUMENTS])


def service(name: str | None, attributes: str | None) -> str:
    """What the workers of one service have in common: OpenTelemetry's name for it, else program and arguments."""
    pairs = (pair.partition("=") for pair in (attributes or "").split(","))
    named = name or next((value.strip() for key, _, value in pairs if key.strip() == "service.name"), None)
    return clean(named or " ".join([_program(), *sys.argv[1:]]))


def cut(update: wire.Update) -> Iterator[bytes]:
    """The update, packed, as one frame or as several; what does not even fit into a frame of its own is left out."""
    whole = wire.pack(update)
    if len(whole) <= wire.MOST_TOLD:
        yield whole
        return
    loops = tuple(wire.Loop(loop.id, loop.thread, loop.running, loop.tasks) for loop in update.loops)
    sizes = {"gone": _IDS, "tasks": _ROWS, "over": _IDS, "resources": _ROWS, "events": _RECORDS}
    for field, size in sizes.items():
        items = getattr(update, field)
        for start in range(0, len(items), size):
            part: dict[str, Any] = {field: items[start : start + size]}
            packed = wire.pack(wire.Update(update.time, update.health, loops=loops, **part))
            if len(packed) <= wire.MOST_TOLD:
                yield packed
    yield wire.pack(wire.Update(update.time, update.health, update.complete, loops=update.loops, lost=update.lost))


def _is_spawned() -> bool:
    return any("multiprocessing" in word for word in sys.orig_argv)


def _program() -> str:
    """The name of the script or package."""
    path = sys.argv[0] if sys.argv else ""
    folder, file = os.path.split(path)
    if file == "__main__.py":
        file = os.path.basename(folder)
    return file.removesuffix(".py") or "python"
