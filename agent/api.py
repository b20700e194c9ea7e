"""Switching the agent on and off in this process.

Laws:
- ``install`` and ``uninstall`` are idempotent and may be called from any thread, again and again.
- After ``uninstall`` every attribute is what it was, the thread has ended, and no note is left on the
  program's locks and queues.
"""

from __future__ import annotations

import _thread
import asyncio
import atexit
import gc
import os
import sys
import threading
from collections.abc import Iterable
from typing import Any

from . import hooks, leaving
from .config import Settings
from .errors import DeadlockError
from .hooks import lifespans
from .imports import forget
from .leaving import before_sigterm
from .libraries import ANYIO
from .patching import Patches
from .pipeline import Pipeline
from .sinks import Sink, open_sinks
from .state import NOTES, SITES, State
from .watchdog import Watchdog

__all__ = ["DeadlockError", "install", "installed", "uninstall"]


_LIFESPANS = {"slow": 1.0, "all": 0.0}
"""Settings of UNSTUCK_SPANS that want tasks as spans, and how much of UNSTUCK_SLOW_WAIT_AFTER they must live for it."""


class _Agent:
    """Everything that is on while the agent is on."""

    def __init__(self, settings: Settings, sinks: Iterable[Sink]) -> None:
        self.state, self.patches = State(), Patches()
        self.pipeline = Pipeline(self.state, settings, [*open_sinks(settings, complain), *sinks], complain)
        self.watchdog = Watchdog(self.pipeline)
        self.state.on_knot = self.watchdog.on_knot
        self.watchdog.on_dismissal = _dismiss
        if self.pipeline.exports.sinks:
            before_sigterm(_at_exit)
        hooks.install(self.patches, self.state, self.watchdog.on_loop, settings.detect)
        if self.pipeline.exports.sinks and settings.spans in _LIFESPANS:
            lifespans.install(self.patches, self.state, settings.slow_wait_after * _LIFESPANS[settings.spans])
        self.watchdog.start()


_agent: _Agent | None = None
_lock = threading.RLock()
_at_fork_registered = _is_leaving = False


def install(settings: Settings | None = None, sinks: Iterable[Sink] = ()) -> None:
    """Switch the agent on; do nothing when it is on, nor, but for a word on stderr, where Python runs without its GIL.

    Without ``settings`` the environment is read, and a bad value is said on stderr. ``sinks`` get every
    event too, on the watcher's thread, beside the sinks that the settings name.
    """
    global _agent
    with _lock:
        if _agent is not None:
            return
        if not getattr(sys, "_is_gil_enabled", lambda: True)():
            complain("off in this process: free-threaded Python is not supported yet")
            return
        if settings is None:
            settings, complaints = Settings.from_environment(os.environ)
            for complaint in complaints:
                complain(complaint)
        _agent = _Agent(settings, sinks)
        _register_once()


def uninstall() -> None:
    """Switch the agent off and take everything back."""
    global _agent
    with _lock:
        agent, _agent = _agent, None
        if agent is None:
            return
        agent.state.on = False
        leaving.forget()
        forget("uvloop")
        forget(ANYIO)
        agent.watchdog.stop()
        for name in agent.patches.restore():
            complain(f"{name} was replaced by somebody else meanwhile and is left as it is")
        agent.pipeline.finish()
        hooks.leave(agent.state)
        _wipe_notes()


def installed() -> bool:
    """Whether the agent is on in this process."""
    return _agent is not None


def current() -> Any:
    """The running agent's parts (state, pipeline, watchdog), for this package's own use; None when off."""
    return _agent


def complain(text: str) -> None:
    """One line on stderr, as every word of the agent about itself."""
    try:
        sys.stderr.write(f"unstuck: {text}\n")
    except Exception:  # noqa: BLE001 - a closed or missing stderr
        return


def _register_once() -> None:
    global _at_fork_registered
    if _at_fork_registered:
        return
    _at_fork_registered = True
    atexit.register(_at_exit)
    leaving.before_exit_functions(_leave_first)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(
            before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child
        )


def _at_exit() -> None:
    """Once only: by a signal, or by the interpreter."""
    global _is_leaving
    if _agent is not None and not _is_leaving:
        _is_leaving = True
        _agent.watchdog.stop(patience=1.0)
        _agent.pipeline.finish()


def _leave_first() -> None:
    """What is told last must be told before those end who pass it on: who registers last is called first."""
    if _agent is not None and _agent.pipeline.exports.sinks:
        atexit.unregister(_at_exit)
        atexit.register(_at_exit)


def _before_fork() -> None:
    if _agent is not None:
        _agent.watchdog.pause()
        _agent.pipeline.pause()


def _after_fork_in_parent() -> None:
    """Resume watching as soon as one of the running loops turns; a loop that starts later does it itself."""
    if _agent is not None:
        for loop in list(_agent.state.loops):
            if loop.is_running():
                loop.call_soon_threadsafe(_agent.watchdog.on_loop)
                return
        _agent.pipeline.rest()


def _after_fork_in_child() -> None:
    if _agent is not None:
        _agent.state.disown()
        _agent.pipeline.forget()
        _agent.watchdog.renew()


def _dismiss() -> None:
    """Switch off from the watcher's own thread, which cannot wait for its own end."""
    _thread.start_new_thread(uninstall, ())


def _wipe_notes() -> None:
    """Take our notes off every living primitive: one pass over the heap, at switch-off only."""
    kinds = (asyncio.Lock, asyncio.Semaphore, asyncio.Event, asyncio.Condition, asyncio.Queue, asyncio.Barrier)
    known: dict[type, bool] = {}
    SITES.clear()
    for thing in gc.get_objects():
        cls = type(thing)  # not isinstance(): a lazy proxy of the program would wake up
        if known.setdefault(cls, issubclass(cls, kinds)):
            notes = vars(thing)
            for name in NOTES:
                notes.pop(name, None)
            if notes.get("_locked"):
                notes["_locked"] = True
