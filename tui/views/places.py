"""Places in the source, and tasks and resources by name, as short as a column wants them."""

from __future__ import annotations

import os
import re
from functools import lru_cache

from ...agent import wire
from ...agent.sinks.text import clean
from ...agent.snapshot import Place
from ..blockers import slowest
from ..ink import Line
from ..scene import Shot

_LIBRARY = re.compile(
    r"[/\\](?:(?:site|dist)-packages|lib(?:64)?[/\\]python3\.\d+t?|Lib)[/\\](?!site-packages|dist-packages)"
)
_COMMON = ("__init__.py", "__main__.py", "app.py", "main.py", "models.py", "utils.py", "views.py")
"""Names of files that say little without their folder."""


@lru_cache(maxsize=4096)
def short(file: str) -> str:
    """The file by its last part or two."""
    if file.startswith("<"):
        return clean(file)
    parts = file.replace("\\", "/").split("/")
    return clean("/".join(parts[-2:] if parts[-1] in _COMMON else parts[-1:]))


def spot(place: wire.Spot | Place | None) -> Line:
    """``file:line``, short."""
    return ((f"{short(place.file)}:{place.line}", "place"),) if place else ()


def path(place: wire.Spot | wire.Place | Place) -> Line:
    """``file:line``, the file relative to the working folder when it is below it; a library's by its name in there."""
    library = _LIBRARY.search(place.file)
    if library is not None:
        return ((clean(f"{place.file[library.end() :]}:{place.line}"), "dim"),)
    return ((clean(f"{place.file.removeprefix(_here())}:{place.line}"), "place"),)


def _here() -> str:
    """The working folder, as a beginning of paths; nothing when it has been removed."""
    try:
        return os.getcwd().rstrip(os.sep) + os.sep
    except OSError:
        return ""


@lru_cache(maxsize=4096)
def bare(qualname: str) -> str:
    """A function's name without those that it was defined in."""
    return clean(qualname.rpartition("<locals>.")[2])


@lru_cache(maxsize=8192)
def tidy(name: str) -> str:
    """A name of the program's, printable."""
    return clean(name)


def awaited(shot: Shot, task: wire.Task) -> Line:
    """What a task waits for: a resource or task by name, else the kind of wait."""
    resource = shot.resources.get(task.on or "")
    if resource is not None:
        return ((tidy(resource.name), ""),)
    if task.joins or task.on in shot.tasks:
        ids = task.joins or (str(task.on),)
        first = slowest(shot, task)
        name = tidy(first.name) if first is not None else "that has ended"
        more = ((f" +{len(ids) - 1}", "dim"),) if len(ids) > 1 else ()
        return (("task ", "dim"), (name, ""), *more)
    return ((tidy(task.wait), "dim"),) if task.wait else ()


def holders(shot: Shot, ids: tuple[str, ...], me: str = "") -> Line:
    """Who holds something: the first by name, the others counted."""
    distinct = list(dict.fromkeys(ids))
    if not distinct or (distinct == [me] and me not in shot.marks):  # it has just got it
        return ()
    first = shot.tasks.get(distinct[0])
    more = ((f" +{len(distinct) - 1}", "dim"),) if len(distinct) > 1 else ()
    if first is None:
        return (("gone", "bad"), *more)
    return ((("itself" if first.id == me else tidy(first.name)), ""), *more)
