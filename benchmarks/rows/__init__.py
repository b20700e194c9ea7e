"""All rows. Importing a module of this package registers the rows in it, in the order of the table."""

from __future__ import annotations

from benchmarks.model import PROGRAMS, ROWS

# The order of these lines is the order of the table.
from . import tasks  # isort: skip
from . import primitives  # isort: skip
from . import servers  # isort: skip
from . import unset  # isort: skip
from . import tick  # isort: skip
from . import watcher  # isort: skip
from . import proof  # isort: skip
from . import memory  # isort: skip
from . import latency  # isort: skip
from . import attached  # isort: skip
from . import exporting  # isort: skip

__all__ = [
    "PROGRAMS",
    "ROWS",
    "attached",
    "exporting",
    "latency",
    "memory",
    "primitives",
    "proof",
    "servers",
    "tasks",
    "tick",
    "unset",
    "watcher",
]
