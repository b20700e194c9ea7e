"""The last word is spoken in the loop's own thread, in one step, where nothing can move meanwhile.

Laws:
- The loop is asked only to confirm a conclusion; an idle loop is never woken for a look around.
- The step is bounded, catches everything, and leaves nothing behind in the loop.
- A loop that does not answer in time (it is blocked, closed, or not running) has confirmed nothing.
- Asked from the loop's own thread, between two tasks' steps, it answers at once; asked by one of its own
  tasks (``uninstall()`` in a coroutine) it cannot, for that task would wait for itself.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from .graph import Graph, build
from .judge import irreducible
from .state import State

PATIENCE = 0.5
"""Seconds to wait for a loop's answer before the matter is left to the next tick."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """A graph and which of its nodes can never finish: strictly, and if nobody fails."""

    graph: Graph
    stuck: set[int]
    likely: set[int]


def judge(roots: Iterable[Any], state: State, loop: Any = None) -> Judgement:
    """Build and reduce the graph below ``roots``."""
    graph = build(roots, state, loop)
    return Judgement(graph, irreducible(graph), irreducible(graph, likely=True))


def confirm(loop: Any, roots: Iterable[Any], state: State) -> Judgement | None:
    """Judge once more inside ``loop``'s thread; None when the loop did not answer, or is not to be woken now."""
    if id(loop) in state.oversleeping:
        return None
    wanted = tuple(roots)
    found: Judgement | None = in_loop(loop, lambda: judge(wanted, state, loop))
    return found


def in_loop(loop: Any, step: Callable[[], Any], patience: float = PATIENCE) -> Any:
    """Run ``step`` as one callback of ``loop`` and return its answer, or None when it failed or came late."""
    if asyncio._get_running_loop() is loop:
        return step() if asyncio.current_task(loop) is None else None
    answer: list[Any] = []
    ready = threading.Lock()
    ready.acquire()

    def run() -> None:
        try:
            if not late:
                answer.append(step())
        except Exception as failed:  # noqa: BLE001 - nothing may reach the program
            answer.append(failed)
        finally:
            ready.release()

    late: list[bool] = []
    try:
        loop.call_soon_threadsafe(run)
    except RuntimeError:  # closed
        return None
    if not ready.acquire(timeout=patience):
        late.append(True)
        return None
    found = answer[0] if answer else None
    if isinstance(found, Exception):
        raise found
    return found
