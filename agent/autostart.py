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

from .imports import after_import

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
    else:
        after_import("asyncio", _install)


def _install() -> None:
    try:
        from .api import install

        install()
    except Exception as failed:  # noqa: BLE001 - an agent that cannot start is no reason to stop the program
        _complain(failed)


def _complain(failed: Exception) -> None:
    if sys.stderr is not None:  # pythonw, daemons
        print(f"unstuck: off in this process, it could not start: {failed!r}", file=sys.stderr)
