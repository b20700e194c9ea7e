"""Switching the agent on at interpreter start: what the one line in ``unstuck.pth`` calls.

Laws:
- Nothing but the standard library is imported here, and asyncio only by the program itself: a program that
  never uses asyncio gets one small object on ``sys.meta_path`` and nothing else.
- Arming twice is arming once: in a virtual environment start-up lines run twice on 3.11 to 3.14.
- Nothing raises into the program's start. What fails is one line on stderr, and the program goes on.
- multiprocessing's helpers are left alone; children that the fork server forks are armed after the fork.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_RESOURCE_TRACKER = "from multiprocessing.resource_tracker import "
_FORK_SERVER = "from multiprocessing.forkserver import "


def arm() -> None:
    """Install the agent now when asyncio is loaded already, else right after it will be."""
    try:
        if _is_helper(_RESOURCE_TRACKER):
            return
        if _is_helper(_FORK_SERVER):
            os.register_at_fork(after_in_child=_arm_process)
        else:
            _arm_process()
    except Exception as failed:  # noqa: BLE001 - the program's start comes first
        _complain(failed)


def _is_helper(command: str) -> bool:
    """Whether this process runs ``python -c COMMAND…``, as multiprocessing starts its helpers."""
    return any(word.startswith(command) for word in sys.orig_argv[1:])


def _arm_process() -> None:
    if "asyncio" in sys.modules:
        _install()
    elif not any(isinstance(finder, AsyncioFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, AsyncioFinder())


def _install() -> None:
    try:
        from .api import install

        install()
    except Exception as failed:  # noqa: BLE001 - an agent that cannot start is no reason to stop the program
        _complain(failed)


def _complain(failed: Exception) -> None:
    if sys.stderr is not None:  # pythonw, daemons
        print(f"unstuck: off in this process, it could not start: {failed!r}", file=sys.stderr)


class AsyncioFinder:
    """Waits on ``sys.meta_path`` for the import of asyncio; finds nothing by itself."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """asyncio's spec as the other finders give it, with a loader that installs the agent afterwards."""
        if fullname != "asyncio":
            return None
        spec = self._spec_of_others(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _InstallingLoader(spec.loader, self)  # type: ignore[assignment]
        return spec

    def _spec_of_others(self, *query: Any) -> ModuleSpec | None:
        for finder in list(sys.meta_path):
            if finder is not self and hasattr(finder, "find_spec"):
                spec = finder.find_spec(*query)
                if spec is not None:
                    return spec
        return None


class _InstallingLoader:
    """asyncio's own loader, save that the agent is installed when it is done."""

    def __init__(self, loader: Any, finder: AsyncioFinder) -> None:
        self._loader = loader
        self._finder = finder

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def exec_module(self, module: ModuleType) -> None:
        """Put the real loader back where it belongs, let it do its work, then install the agent."""
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        module.__loader__ = self._loader
        self._loader.exec_module(module)
        if self._finder in sys.meta_path:
            sys.meta_path.remove(self._finder)
        _install()
