"""What to say about a knot of threads: the title, who stands behind it, and the way out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..findings import PROVEN
from ..graph import Node
from ..state import State
from ..views import task_id


def title(nodes: list[Node], parties: int) -> str:
    """One line for people."""
    threads = sum(node.kind == "thread" for node in nodes)
    if any(node.kind == "executor" for node in nodes):
        return "jobs wait for the executor whose workers they keep"
    if any(node.kind == "loop" for node in nodes):
        return (
            "a thread waits for its own event loop"
            if threads == 1
            else "an event loop and a thread wait for each other"
        )
    if parties == 1:
        return "a thread waits for itself"
    if threads == parties:
        return f"{threads} threads wait for each other"
    return "a thread and a task wait for each other" if parties == 2 else "threads and tasks wait for each other"


def note(verdict: str) -> str | None:
    """What a reader should know before believing it."""
    if verdict == PROVEN:
        return None
    return (
        "not proven: a lock may be given back early or by others, a job fail, or a timer come; it has not moved so far"
    )


def help_for(nodes: list[Node]) -> str:
    """The way out."""
    kinds = {node.kind for node in nodes}
    threads = [node for node in nodes if node.kind == "thread"]
    if "executor" in kinds:
        return (
            "a job must not wait for another job of its own executor: await both from the loop, "
            "or give the inner ones an executor of their own"
        )
    if "lock" in kinds and len(kinds & {"task", "loop's task"}) and len(threads) == 1:
        return (
            "never hold a threading lock across an await: copy what is needed and release it first, or use asyncio.Lock"
        )
    if "loop" in kinds and len(threads) == 1:
        return "a loop's own thread must not block on its own coroutine: await it instead of .result()"
    if "loop" in kinds:
        return (
            "do not hold in a thread what the loop's thread takes while waiting for that loop: release it before "
            ".result(), and keep blocking locks off the loop"
        )
    if "lock" in kinds and "job" not in kinds:
        return (
            "take locks in one global order, in all threads"
            if len(threads) > 1
            else ("threading.Lock is not re-entrant: take it once at the outermost place, or use threading.RLock")
        )
    return "do not wait for a thread or job that needs what you hold: release it first, or give the wait a timeout"


def behind(loops: Iterable[Any], shown: set[str], state: State) -> int:
    """How many tasks of these blocked loops, beside those shown (by their ids in the record), cannot move either."""
    blocked = {id(loop) for loop in loops}
    if not blocked:
        return 0
    tasks = [task for task in state.tasks() if id(task.get_loop()) in blocked and not task.done()]
    return sum(task_id(task) not in shown for task in tasks)
