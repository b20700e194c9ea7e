"""Whether code is the application's, or of a package that it has installed and whose authors are others.

Laws:
- Installed is what lies in the standard library or in a folder for packages, save a distribution that was built from
  a folder of source, as ``pip install .`` notes it (PEP 610): that is how an application gets there itself.
- Nothing is imported; a folder's notes are read once.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import lru_cache

_STANDARD = os.path.dirname(os.__file__) + os.sep
_PLACE = re.compile(r"(.*[\\/](?:site|dist)-packages)[\\/]([^\\/]+)")
_MOST_BYTES = 100_000


def is_installed(file: str) -> bool:
    """Whether the file belongs to the standard library or to an installed package of other authors."""
    place = _PLACE.match(file)
    if place is None:
        return file.startswith(_STANDARD)
    return place[2] not in _built_from_source(place[1])


@lru_cache(maxsize=64)
def _built_from_source(folder: str) -> frozenset[str]:
    """The entries of a folder for packages that belong to distributions which were built from a folder of source."""
    names: set[str] = set()
    for info in _infos(folder):
        if '"dir_info"' in _read(os.path.join(info, "direct_url.json")):
            record = _read(os.path.join(info, "RECORD"))
            names.update(line.partition("/")[0].partition(",")[0] for line in record.splitlines())
    return frozenset(names)


def _infos(folder: str) -> Iterator[str]:
    try:
        names = os.listdir(folder)
    except OSError:
        names = []
    return (os.path.join(folder, name) for name in names if name.endswith(".dist-info"))


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(_MOST_BYTES)
    except OSError:
        return ""
