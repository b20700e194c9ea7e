"""stuck: a wait for something that nobody can provide any more.

Laws:
- ``proven`` is what the proof closes (see ``proof``): nobody who could end the wait is left.
- Told are the waits at the bottom (``leaves``): for an event, a queue, a condition, a future of whatever make.
- A wait that says by its code that it is for ever is none (``parking``).
"""

from __future__ import annotations

from typing import NamedTuple

from ..findings import PROVEN, Finding
from ..leaves import Leaf, finding_of
from ..state import State

KIND = "stuck"
_JOIN = "asyncio.Queue.join"


def describe(group: list[Leaf], count: int, verdict: str, state: State, now: float, note: str | None = None) -> Finding:
    """The finding for one group of leaves; ``count`` tasks wait so, some of which may have been told before.

    Where a queue is joined while all who take from it wait for more, what is missing is a report.
    """
    joining = [leaf for leaf in group if leaf.wait.kind == _JOIN]
    if joining and len(joining) < len(group):
        count = len(joining)  # the others wait for more to do, which is to come when they are done
    what = _WHAT.get(_asyncio_name((joining or group)[0].wait.kind), _FUTURE)
    who = "a task waits for" if count == 1 else f"{count:,} tasks wait for"
    end = "any more" if verdict == PROVEN else "any more, as it seems"
    told = Finding(
        kind=KIND,
        verdict=verdict,
        title=f"{who} {what.gone} {end}",
        note=note or (_NOBODY if verdict == PROVEN else None),
        help=what.help,
    )
    return finding_of(group, told, state, now)


def _asyncio_name(kind: str) -> str:
    """What does the same in asyncio."""
    return (
        kind.replace("Bounded", "").replace("anyio.CapacityLimiter", "asyncio.Semaphore").replace("anyio.", "asyncio.")
    )


_NOBODY = "no running task, callback, timer, thread or module refers to it any more"


class _What(NamedTuple):
    gone: str
    help: str


_LATER = "or bound the wait with asyncio.timeout"
_WHAT: dict[str, _What] = {
    "asyncio.Event": _What(
        "an event that nobody can set",
        f"keep a reference to it where it is set, set it in a finally, {_LATER}",
    ),
    "asyncio.Condition": _What(
        "a notification that nobody can give",
        f"test the predicate before waiting (wait_for), notify wherever it may become true, {_LATER}",
    ),
    "asyncio.Queue.get": _What(
        "an item that nobody can put",
        "let the producer end the queue in a finally: one sentinel for each consumer, or Queue.shutdown() (3.13+)",
    ),
    "asyncio.Queue.put": _What(
        "room in a queue that nobody can make",
        "let a consumer that ends drain the queue, or shut it down, in a finally",
    ),
    _JOIN: _What(
        "task_done() calls that nobody can make",
        "call task_done() in a finally after every get()",
    ),
    "asyncio.Barrier": _What(
        "parties that nobody can send",
        "abort() the barrier when a party gives up",
    ),
    "asyncio.Semaphore": _What(
        "a permit that nobody can give back",
        "take it with async with, so that it is given back however the block ends",
    ),
    "asyncio.Lock": _What(
        "a lock that nobody can release",
        "take it with async with, so that it is released however the block ends",
    ),
    "anyio memory stream receive": _What(
        "an item that nobody can send",
        "close each clone of the send stream in a with: the receivers then see its end",
    ),
    "anyio memory stream send": _What(
        "room in a stream that nobody can make",
        "close each clone of the receive stream in a with: the senders then get an error",
    ),
}
_FUTURE = _What(
    "a future that nobody can resolve",
    f"resolve or cancel every pending future, in a finally, before the last reference to it is dropped, {_LATER}",
)
