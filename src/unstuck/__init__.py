"""unstuck: who waits for whom in a running asyncio program, and will it ever end?

The public API is small and imported lazily, so that ``import unstuck`` costs nothing:

- ``install()`` switches the agent on in this process, ``uninstall()`` off again;
- ``DeadlockError`` is what a deadlocked task gets with ``UNSTUCK_ON_DEADLOCK=raise``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .agent.api import DeadlockError, install, installed, uninstall

__version__ = "0.1.0"
__all__ = ["DeadlockError", "__version__", "install", "installed", "uninstall"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'unstuck' has no attribute {name!r}")
    import asyncio  # noqa: F401 - with UNSTUCK=1 this installs the agent now, not half-way through the next line

    from .agent import api

    return getattr(api, name)
