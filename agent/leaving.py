"""The end of the process. By SIGTERM, where the program has no handler for it: what is still to be told is told first.

Python's own exit functions do not run when a signal ends the process, and some servers, uvicorn among them, end
themselves by the signal again after an orderly shutdown.

Laws:
- The program's handlers are its own: ours is set only where there is none, and whoever sets one later replaces ours.
- The process ends by the signal afterwards, so whoever waits for it sees what he would have seen.
- A handler of the program's that calls the one before it, ours, has a way of ending of its own: nothing is done.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

_farewell: Callable[[], None] | None = None


def before_exit_functions(call: Callable[[], None]) -> None:
    """Call this when the main thread has ended, before the first exit function; never, where Python knows no way."""
    register = getattr(threading, "_register_atexit", None)
    if register is not None:
        try:
            register(call)
        except RuntimeError:  # that moment has passed
            return


def before_sigterm(farewell: Callable[[], None]) -> None:
    """Call this before SIGTERM ends the process: not where the signal is handled, nor if asked off the main thread."""
    global _farewell
    if threading.current_thread() is not threading.main_thread():
        return
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        _farewell = farewell
        signal.signal(signal.SIGTERM, _end)


def forget() -> None:
    """Take it back. Off the main thread the handler has to stay, and does no more than end the process."""
    global _farewell
    _farewell = None
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is _end:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _end(number: int, _frame: FrameType | Any) -> None:
    if signal.getsignal(number) is not _end:
        return
    signal.signal(number, signal.SIG_DFL)  # a second signal ends the process at once
    try:
        if _farewell is not None:
            _farewell()
    finally:
        os.kill(os.getpid(), number)
