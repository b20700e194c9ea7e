"""Waits for what nobody can provide any more (pattern A6), beside the twins where somebody still can."""

from __future__ import annotations

import asyncio
from typing import Any

from . import Pair, Program
from .deadlocks import pause, spawn

PAIRS: list[Pair] = []


def pair(healthy: Program, *core: str, kind: str = "stuck", victims: int = 0) -> Any:
    """Enter the decorated program as the buggy one of a pair."""

    def enter(buggy: Program) -> Program:
        PAIRS.append(Pair(buggy, healthy, kind, "proven", frozenset(core), victims))
        return buggy

    return enter


async def until_set(event: asyncio.Event) -> None:
    await event.wait()


async def set_later() -> None:
    event = asyncio.Event()
    waiter = spawn("waiter", until_set(event))
    await pause()
    event.set()
    await waiter


@pair(set_later, "waiter", victims=1)
async def event_forgotten() -> None:
    event = asyncio.Event()
    waiter = spawn("waiter", until_set(event))
    await pause()
    await waiter


async def drain(queue: asyncio.Queue[int]) -> None:
    while await queue.get():
        queue.task_done()


async def fill(queue: asyncio.Queue[int], *items: int) -> None:
    for item in items:
        await queue.put(item)
        await pause()


async def producer_says_when_it_ends() -> None:
    queue = asyncio.Queue[int]()
    async with asyncio.TaskGroup() as group:
        group.create_task(drain(queue), name="consumer")
        group.create_task(fill(queue, 1, 2, 0))


@pair(producer_says_when_it_ends, "consumer", victims=1)
async def producer_just_ends() -> None:
    queue = asyncio.Queue[int]()
    async with asyncio.TaskGroup() as group:
        group.create_task(drain(queue), name="consumer")
        group.create_task(fill(queue, 1, 2))


class Connection:
    """Replies by number; a reconnect starts a new table."""

    def __init__(self) -> None:
        self.pending: dict[int, asyncio.Future[str]] = {}

    async def request(self, number: int) -> str:
        self.pending[number] = asyncio.get_running_loop().create_future()
        return await self.pending[number]

    def reconnect(self, careful: bool) -> None:
        old, self.pending = self.pending, {}
        for reply in old.values():
            if careful:
                reply.cancel()


async def reconnect(careful: bool) -> None:
    connection = Connection()
    requests = [spawn(f"request-{number}", connection.request(number)) for number in range(3)]
    await pause()
    connection.reconnect(careful)
    await asyncio.wait(requests)


async def reconnect_cancels() -> None:
    await reconnect(careful=True)


@pair(reconnect_cancels, "request-0", "request-1", "request-2", victims=1)
async def reconnect_forgets() -> None:
    await reconnect(careful=False)


class Channel:
    """A hand-made rendezvous: a cycle of objects, futures inside."""

    def __init__(self) -> None:
        self.ends = [End(self), End(self)]

    def peer(self, end: End) -> End:
        return self.ends[end is self.ends[0]]


class End:
    """One end of a channel."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.waiting: asyncio.Future[Any] | None = None

    async def receive(self) -> Any:
        self.waiting = asyncio.get_running_loop().create_future()
        return await self.waiting

    def send(self, thing: Any) -> None:
        waiting = self.channel.peer(self).waiting
        if waiting is not None and not waiting.done():
            waiting.set_result(thing)


async def both_receive(first_sends: bool) -> None:
    channel = Channel()
    tasks = [spawn(f"end-{index}", end.receive()) for index, end in enumerate(channel.ends)]
    await pause()
    if first_sends:
        for end in channel.ends:
            end.send("hello")
    del channel
    await asyncio.gather(*tasks)


async def one_end_sends() -> None:
    await both_receive(first_sends=True)


@pair(one_end_sends, "end-0", "end-1", victims=1)
async def both_ends_receive() -> None:
    await both_receive(first_sends=False)


async def all_items_done() -> None:
    queue = asyncio.Queue[int]()
    queue.put_nowait(1)
    worker = spawn("worker", drain(queue))
    await queue.join()
    worker.cancel()


async def take(queue: asyncio.Queue[int]) -> None:
    while True:
        await queue.get()


@pair(all_items_done, "worker", "boss")
async def task_done_forgotten() -> None:
    queue = asyncio.Queue[int]()
    queue.put_nowait(1)
    spawn("worker", take(queue))

    async def boss() -> None:
        await queue.join()

    await spawn("boss", boss())


async def notified() -> None:
    condition = asyncio.Condition()
    waiter = spawn("waiter", until_notified(condition))
    await pause()
    async with condition:
        condition.notify()
    await waiter


async def until_notified(condition: asyncio.Condition) -> None:
    async with condition:
        await condition.wait()


@pair(notified, "waiter", victims=1)
async def notified_too_early() -> None:
    condition = asyncio.Condition()
    async with condition:
        condition.notify()
    await spawn("waiter", until_notified(condition))


async def events(one: asyncio.Event, other: asyncio.Event, first: bool) -> None:
    if first:
        other.set()
    await one.wait()
    other.set()


async def one_begins() -> None:
    a, b = asyncio.Event(), asyncio.Event()
    await asyncio.gather(spawn("one", events(a, b, True)), spawn("two", events(b, a, False)))


@pair(one_begins, "one", "two")
async def each_waits_for_the_others_event() -> None:
    a, b = asyncio.Event(), asyncio.Event()
    await asyncio.gather(spawn("one", events(a, b, False)), spawn("two", events(b, a, False)))


# -- locks and permits ---------------------------------------------------------------------------------------


async def use(lock: asyncio.Lock | asyncio.Semaphore) -> None:
    async with lock:
        pass


async def borrow(lock: asyncio.Lock | asyncio.Semaphore, fail: bool) -> None:
    await lock.acquire()
    try:
        if fail:
            raise ValueError
    except ValueError:
        return  # forgets the lock
    lock.release()


async def borrowed(lock: asyncio.Lock | asyncio.Semaphore, fail: bool) -> None:
    await spawn("borrower", borrow(lock, fail))
    await spawn("next", use(lock))


async def lock_given_back() -> None:
    await borrowed(asyncio.Lock(), fail=False)


@pair(lock_given_back, "next", kind="held-by-finished")
async def lock_forgotten() -> None:
    await borrowed(asyncio.Lock(), fail=True)


async def permit_given_back() -> None:
    await borrowed(asyncio.Semaphore(1), fail=False)


@pair(permit_given_back, "next", kind="held-by-finished")
async def permit_forgotten() -> None:
    await borrowed(asyncio.Semaphore(1), fail=True)


async def handed_over() -> None:
    """Another task releases it, as was agreed."""
    lock = asyncio.Lock()
    await lock.acquire()
    user = spawn("next", use(lock))

    async def release() -> None:
        await pause()
        lock.release()

    spawn("keeper", release())
    await user


async def by_hand(first: asyncio.Lock | asyncio.Semaphore, second: asyncio.Lock | asyncio.Semaphore) -> None:
    await first.acquire()
    await pause()
    await second.acquire()
    second.release()
    first.release()


async def two_by_hand(kind: type[asyncio.Lock] | type[asyncio.Semaphore], crossed: bool) -> None:
    a, b = kind(), kind()
    await asyncio.gather(spawn("one", by_hand(a, b)), spawn("two", by_hand(*((b, a) if crossed else (a, b)))))


async def locks_by_hand_in_order() -> None:
    await two_by_hand(asyncio.Lock, crossed=False)


@pair(locks_by_hand_in_order, "one", "two", kind="deadlock")
async def locks_by_hand_crossed() -> None:
    await two_by_hand(asyncio.Lock, crossed=True)


async def permits_by_hand_in_order() -> None:
    await two_by_hand(asyncio.Semaphore, crossed=False)


@pair(permits_by_hand_in_order, "one", "two", kind="deadlock")
async def permits_by_hand_crossed() -> None:
    await two_by_hand(asyncio.Semaphore, crossed=True)
