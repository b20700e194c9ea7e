"""What crosses the socket between a process and those who look at it: the frames, and how they are packed.

Laws:
- A frame is its length, four bytes big-endian, then MessagePack. A longer one than its side may send is refused
  before its body is read.
- ``Attach`` and ``Greeting`` keep their first fields in every version, so that a stranger of another version can be
  told so. Fields are only added, at the end and with a default; what is not known is passed over.
- Plain frozen data. Nothing that is executed crosses: no code, no pickle, no path to open.
- Times are seconds since the epoch, durations seconds; ids are those of the finding record.

A conversation: the client sends ``Attach``, the process answers ``Greeting`` (or ``Refusal``, and hangs up), then
``Update`` after ``Update`` until one of them leaves. Only what has changed since the last one is in an ``Update``.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import msgspec

VERSION = 1
MOST_ASKED = 1 << 16
"""Bytes of the longest frame that a client may send."""
MOST_TOLD = 1 << 22
"""Bytes of the longest frame that a process may send; longer news is cut into several."""
MOST_JOINS = 50
_LENGTH = struct.Struct(">I")


class Frame(msgspec.Struct, frozen=True, tag=str.lower):
    """A message of either side."""


class Row(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A part of a message. It refers to nothing that could refer back to it."""


class Spot(Row, frozen=True):
    """A source line, without its text."""

    file: str
    line: int
    function: str


class Task(Row, frozen=True):
    """A task as it stands. ``state`` is running, ready or waiting."""

    id: str
    name: str
    coro: str
    loop: str
    state: str
    since: float
    """Since when it is in this state, as far as somebody looked."""
    wait: str = ""
    """What kind of thing it waits for, as ``asyncio.Lock`` or ``task``; empty while it waits for nothing."""
    on: str | None = None
    """Id of the resource or task that it waits for, where that is known."""
    due: float | None = None
    """When the wait ends by itself, if it does."""
    born: float | None = None
    parent: str | None = None
    made: Spot | None = None
    at: Spot | None = None
    """The innermost line of the program's own in which it is suspended."""
    joins: tuple[str, ...] = ()
    """Ids of the tasks whose end it awaits, directly or through gather, wait or a group; the first MOST_JOINS."""


class Resource(Row, frozen=True):
    """A lock, semaphore, queue, event, ... that somebody waits for."""

    id: str
    type: str
    name: str
    made: Spot | None = None
    holders: tuple[str, ...] = ()
    waiters: int = 0
    oldest: float | None = None
    """Since when its longest waiter waits."""
    used: int | None = None
    total: int | None = None
    """Units of a semaphore or pool; items of a queue, and its size (0: without limit)."""


class Loop(Row, frozen=True):
    """An event loop. ``delays`` are what timers were late by (seconds), sample by sample, since the last update."""

    id: str
    thread: str
    running: bool
    tasks: int
    delays: tuple[float, ...] = ()


class Health(Row, frozen=True):
    """How the process and the agent in it are."""

    tasks: int
    running: int
    ready: int
    waiting: int
    agent_cpu: float
    """Processor seconds that the agent's thread has spent."""
    retracted: int
    failed: dict[str, str] = {}
    """Parts of the agent that failed and are switched off, and what could not be read; each with the reason."""
    oldest: float | None = None
    """Since when somebody has been waiting for a lock, semaphore or pool that others hold; None while nobody is."""


class Greeting(Frame, frozen=True):
    """The process says who it is. The first three fields stay as they are in all versions."""

    version: int
    unstuck: str
    pid: int
    command: tuple[str, ...] = ()
    service: str = ""
    python: str = ""
    started: float = 0.0
    interval: float = 1.0
    actions: bool = False
    """Whether ``Cancel`` and ``SwitchOff`` are obeyed here."""
    findings: tuple[dict[str, Any], ...] = ()
    """The finding records (event ``opened``) of what is open."""


class Refusal(Frame, frozen=True):
    """Why the process will not talk with this client."""

    reason: str


class Update(Frame, frozen=True):
    """What has changed. ``gone`` comes first: an id may be gone and there again."""

    time: float
    health: Health
    complete: bool = False
    """Whether all living tasks have been sent by now; the first picture of many tasks takes several updates."""
    gone: tuple[str, ...] = ()
    """Ids of tasks that have ended."""
    tasks: tuple[Task, ...] = ()
    over: tuple[str, ...] = ()
    """Ids of resources that nobody waits for any more."""
    resources: tuple[Resource, ...] = ()
    loops: tuple[Loop, ...] = ()
    """All that there are, in every update."""
    events: tuple[dict[str, Any], ...] = ()
    """Finding records, in the order of their events."""
    lost: int = 0
    """Updates that were skipped because the client did not read; what they said is in this one."""


class Place(Row, frozen=True):
    """A source line with its text, stripped."""

    file: str
    line: int
    function: str
    code: str


class Maker(Row, frozen=True):
    """A task further up the chain of creators, or only its name and id when it is gone."""

    id: str
    name: str
    made: Place | None = None


class Past(Row, frozen=True):
    """A wait that a followed task has left, or is in (``ended`` None)."""

    wait: str
    on: str | None
    at: Spot | None
    began: float
    ended: float | None


class Detail(Frame, frozen=True):
    """A followed task, sent again whenever it has moved. ``gone`` when it has ended."""

    id: str
    gone: bool = False
    stack: tuple[Place, ...] = ()
    """The await chain, outermost first."""
    makers: tuple[Maker, ...] = ()
    """Who made it, who made that one, and so on."""
    past: tuple[Past, ...] = ()
    holds: tuple[str, ...] = ()
    trace_id: str | None = None
    span_id: str | None = None


class Answer(Frame, frozen=True):
    """The outcome of an action, by the number that the client gave it."""

    number: int
    done: bool
    text: str


class Attach(Frame, frozen=True):
    """The client says what it wants. The first field stays as it is in all versions."""

    version: int
    rows: bool = True
    """Whether tasks and resources are wanted; without, only health, loops and findings."""
    stacks: bool = False
    """Whether a ``Detail`` of every task is wanted, once, before the update that is complete."""
    period: float = 0.25
    """Seconds between updates."""


class Follow(Frame, frozen=True):
    """Send ``Detail`` of this task from now on, of none when None."""

    task: str | None


class Cancel(Frame, frozen=True):
    """Cancel a task."""

    number: int
    task: str


class SwitchOff(Frame, frozen=True):
    """Switch the agent off in the process."""

    number: int


Told = Greeting | Refusal | Update | Detail | Answer
Asked = Attach | Follow | Cancel | SwitchOff


class Malformed(ValueError):
    """What came is no frame of this protocol; the text says why."""


def pack(frame: Frame) -> bytes:
    """A frame with its length before it."""
    body = msgspec.msgpack.encode(frame)
    return _LENGTH.pack(len(body)) + body


class Unpacker:
    """Takes bytes as they come and gives the frames that are complete."""

    def __init__(self, kind: Any, most: int) -> None:
        self._decoder = msgspec.msgpack.Decoder(kind)
        self._most = most
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[Any]:
        """The frames that these bytes complete. Raises Malformed; nothing may be fed after that."""
        self._rest += data
        while len(self._rest) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._rest)
            if length > self._most:
                raise Malformed(f"a frame of {length} bytes; {self._most} are allowed")
            end = _LENGTH.size + length
            if len(self._rest) < end:
                return
            body = bytes(self._rest[_LENGTH.size : end])
            del self._rest[:end]
            yield self._decode(body)

    def _decode(self, body: bytes) -> Any:
        try:
            return self._decoder.decode(body)
        except (msgspec.MsgspecError, ValueError, RecursionError) as wrong:  # text that is no UTF-8 is a ValueError
            raise Malformed(f"not a frame of this protocol: {wrong}") from None


def from_client() -> Unpacker:
    """For what a process reads."""
    return Unpacker(Asked, MOST_ASKED)


def from_process() -> Unpacker:
    """For what a client reads."""
    return Unpacker(Told, MOST_TOLD)
