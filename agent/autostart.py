"""Switching the agent on at interpreter start: what the one line in ``unstuck.pth`` calls.

Laws:
- Nothing but the standard library is imported here, and asyncio only by the program itself: a program that
  never uses asyncio gets one small object on ``sys.meta_path`` and nothing else.
- Arming twice is arming once: in a virtual environment start-up lines run twice on 3.11 to 3.14.
- Nothing raises into the program's start. What fails is one line on stderr, and the program goes on.
- multiprocessing's helpers are left alone; children that the fork server forks are armed after the fork. So are
  ``unstuck``'s own commands: they look at other processes. ``unstuck run`` arms the program that it runs.
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
        if _is_helper(_RESOURCE_TRACKER) or _is_own_command():
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


def _is_own_command() -> bool:
    """Whether this process runs ``unstuck COMMAND``, or ``python -m unstuck.agent COMMAND``, other than ``run``."""
    words = sys.orig_argv[1:]
    if words[:2] == ["-m", "unstuck.agent"]:
        words = words[2:]
    else:
        words = [each for each in words if not each.startswith("-")]
        if not words or os.path.basename(words.pop(0)) not in ("unstuck", "unstuck.exe"):
            return False
    return "run" not in words[:1]


def _arm_process() -> None:
    if "asyncio" in sys.modules:
        _install()
    else:
        after_import("asyncio", _install)


def _install() -> None:
    half = _half_imported()
    try:
        from .api import install

        install()
    except Exception as failed:  # noqa: BLE001 - an agent that cannot start is no reason to stop the program
        _complain(f"import asyncio before {half[0]}" if half else failed)


def _half_imported() -> list[str]:
    """Modules of ours that the program imports at this moment, outermost first: one of them has imported asyncio."""
    specs = {name: getattr(module, "__spec__", None) for name, module in list(sys.modules.items())}
    return [name for name in specs if name.startswith("unstuck.") and getattr(specs[name], "_initializing", False)]


def _complain(failed: object) -> None:
    why = repr(failed) if isinstance(failed, Exception) else failed
    if sys.stderr is not None:  # pythonw, daemons
        print(f"unstuck: off in this process, it could not start: {why}", file=sys.stderr)
