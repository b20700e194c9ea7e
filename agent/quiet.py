"""Whether anything at all can still happen in a loop, or everybody in it is asleep for good.

Laws:
- It is quiet only where nothing is left that could call into the loop: no callback, no timer, no descriptor, no
  handler of a signal, no thread of Python's or of anybody else's. Whatever cannot be read might happen.
- Asked in the loop's own thread the answer holds; from another thread it is a glimpse.
- Threads that cannot act are passed over: the agent's own, and workers of an executor that wait for a job.
- Interrupting the program from the keyboard is cancellation from outside and does not count.
"""

from __future__ import annotations

import asyncio
import concurrent.futures.thread
import functools
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any

from .attributes import is_a, own
from .standing import current_frames
from .state import is_ours
from .timers import pending

_WORKER = concurrent.futures.thread._worker.__code__
_BEGINNINGS = ("Watchdog._run", "_Worker.run")
"""The functions that threads of the agent and of the exporters begin with."""
_MOST_FRAMES = 1_000


def may_happen(loop: Any) -> str | None:
    """What could still happen in ``loop``, in a few words; None where it is quiet for good."""
    steps: tuple[Callable[[Any], str | None], ...] = (callbacks, descriptors, signals, threads)
    try:
        return next((found for step in steps if (found := step(loop))), None)
    except Exception:  # noqa: BLE001 - read while it changes, or a loop unlike the known ones
        return "something that cannot be read"


def quiet(loop: Any) -> bool:
    """Whether nothing can ever happen in ``loop`` again."""
    return may_happen(loop) is None


def callbacks(loop: Any) -> str | None:
    """Callbacks that are ready, and timers."""
    if not isinstance(loop, asyncio.BaseEventLoop):
        return "whatever a loop that is not asyncio's own may know of"
    handles = [each for each in pending(loop) if not _is_own_pipe(each, loop)]
    if any(hasattr(handle, "when") for handle in handles):
        return "a timer"
    return "a callback" if handles else None


def _is_own_pipe(handle: Any, loop: Any) -> bool:
    """Whether this empties the pipe by which the loop was woken: for the step that asks, as it may well be."""
    callback = getattr(handle, "_callback", None)
    return getattr(callback, "__self__", None) is loop and getattr(callback, "__name__", "") == "_read_from_self"


def descriptors(loop: Any) -> str | None:
    """Sockets, pipes and whatever else the loop's selector watches, beside the loop's own pipe to itself."""
    selector, own = getattr(loop, "_selector", None), getattr(loop, "_ssock", None)
    if selector is None or own is None or not hasattr(selector, "get_map"):
        return "whatever a loop without a selector watches"
    watched = [key for key in list(selector.get_map().values()) if key.fd != own.fileno()]
    return f"a descriptor that is watched ({len(watched)})" if watched else None


def signals(loop: Any) -> str | None:
    """Handlers of signals, of the loop's and of Python's."""
    if getattr(loop, "_signal_handlers", None):
        return "a signal that the loop handles"
    for number in signal.valid_signals():
        handler = signal.getsignal(number)
        if callable(handler) and handler is not signal.default_int_handler and not _is_nobodys(handler):
            return f"the signal {getattr(number, 'name', number)}"
    return None


def threads(loop: Any) -> str | None:
    """Threads that may call into the loop."""
    (own,), frames, others = acting([loop])
    if own is not None and not _is_selecting(own):
        return "what the loop is doing now"
    names = {thread.ident: thread.name for thread in list(threading._active.values())}  # type: ignore[attr-defined]
    named = next((names.get(ident, "without a name") for ident in frames), None)
    if named is not None:
        return f"the thread {named}"
    return "a thread that is not Python's" if others else None


def acting(loops: Iterable[Any]) -> tuple[list[FrameType | None], dict[int, FrameType], int]:
    """The topmost frames of the loops' own threads, those of others that may act, by identity, and how many more are.

    The latter are not Python's. The thread that asks is none of them.
    """
    frames = current_frames()
    more = _native_threads() - len(frames)
    frames.pop(threading.get_ident(), None)  # this very frame: it would keep itself alive
    own = [frames.pop(getattr(loop, "_thread_id", None) or 0, None) for loop in loops]
    for ident in list(frames):
        if _is_idle(frames[ident]) or _is_ours(frames[ident]):
            del frames[ident]
    return own, frames, max(0, more)


def _is_nobodys(handler: Any) -> bool:
    """Whether a handler does nothing for the program but end it."""
    return is_runners(handler) or is_ours(handler)


def is_runners(handler: Any) -> bool:
    """Whether this is the handler by which ``asyncio.run`` cancels its task on SIGINT."""
    function = handler.func if is_a(handler, functools.partial) else handler
    return own(function, "__func__") is asyncio.Runner._on_sigint  # type: ignore[attr-defined]


def _is_idle(frame: FrameType) -> bool:
    """Whether this is a worker of an executor that has no job, and none to come."""
    if frame.f_code is not _WORKER:
        return False
    variables = frame.f_locals
    executor = variables["executor_reference"]()
    if executor is None or "work_item" in variables or variables["work_queue"].qsize():
        return False
    idle: int = executor._idle_semaphore._value  # since 3.13 a job is handed over, and never seen in the queue
    return idle >= len(executor._threads)


def _is_selecting(frame: FrameType) -> bool:
    return frame.f_globals.get("__name__") == "selectors"


def _is_ours(frame: FrameType) -> bool:
    """Whether the thread begins where ours do: a generator of ours that is over in another thread ends a chain, too."""
    outermost: FrameType = frame
    for _ in range(_MOST_FRAMES):
        if outermost.f_back is None:
            break
        outermost = outermost.f_back
    root = str(outermost.f_globals.get("__name__", "")).partition(".")[0]
    return root == "unstuck" and outermost.f_code.co_qualname in _BEGINNINGS


def _native_threads() -> int:
    """How many threads the system counts in this process."""
    if sys.platform == "linux":
        return len(os.listdir("/proc/self/task"))
    import psutil

    return int(psutil.Process().num_threads())
