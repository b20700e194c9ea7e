"""The modes a child runs in, and the proof that it really does.

Laws:
- The environment decides, as it does for a user; ``enter`` helps out where the project is used from its
  sources and the start-up hook is therefore not installed.
- No sample is believed before ``verify`` has seen, in the running loop, that the agent is on or off.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_DISTURBING = ("UNSTUCK", "OTEL_", "PYTHONASYNCIODEBUG", "PYTHONDEVMODE", "PYTHONTRACEMALLOC")


class WrongMode(RuntimeError):
    """The child is not in the mode it was asked to measure."""


def environment(mode: str, extra: Mapping[str, str], folder: str) -> dict[str, str]:
    """The environment of a child: the caller's, less what would disturb, plus what the mode needs."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(_DISTURBING)}
    paths = [str(ROOT), str(ROOT / "src"), *filter(None, [env.get("PYTHONPATH")])]
    env["PYTHONPATH"] = os.pathsep.join(paths)
    if mode == "debug":
        env["PYTHONASYNCIODEBUG"] = "1"
    if mode == "agent":
        env |= {"UNSTUCK": "1", "UNSTUCK_SINKS": ""}
        env |= {name: value.format(folder=folder) for name, value in extra.items()}
    return env


def enter(mode: str) -> None:
    """Switch the agent on if the mode wants it and the start-up hook has not done so."""
    if mode == "agent":
        import unstuck

        if not unstuck.installed():
            unstuck.install()


def verify(mode: str) -> None:
    """Raise WrongMode unless the agent and asyncio's debug mode are on or off as ``mode`` says."""
    debug = asyncio.get_running_loop().get_debug()
    if debug != (mode == "debug"):
        raise WrongMode(f"mode {mode}, but the loop's debug mode is {'on' if debug else 'off'}")
    if mode == "agent":
        import unstuck

        if not unstuck.installed():
            raise WrongMode("mode agent, but unstuck.installed() is false")
        _verify_health()
    elif "unstuck.agent" in sys.modules:
        raise WrongMode(f"mode {mode}, but the agent has been imported")


def _verify_health() -> None:
    from unstuck.agent import api

    failed = api.current().pipeline.failed
    if failed:
        raise WrongMode(f"mode agent, but a part of it has failed: {failed}")
