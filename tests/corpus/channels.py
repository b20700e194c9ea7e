"""The classic shapes of leaking goroutines (GoKer, GoBench), on channels of the program's own, made of futures (A6).

``Channel`` is Go's: unbuffered or with a capacity, closed once, and ``select`` takes the first of several that
has something.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

from . import Pace, buggy, io, slow_io


class Closed(Exception):
    """The channel is closed."""


class Channel:
    def __init__(self, capacity: int = 0) -> None:
        self.capacity, self.closed = capacity, False
        self.items: deque[Any] = deque()
        self.senders: deque[tuple[asyncio.Future[None], Any]] = deque()
        self.receivers: deque[asyncio.Future[Any]] = deque()

    async def send(self, item: Any) -> None:
        if self.closed:
            raise Closed
        while self.receivers:
            receiver = self.receivers.popleft()
            if not receiver.done():
                return receiver.set_result(item)
        if len(self.items) < self.capacity:
            return self.items.append(item)
        sent = asyncio.get_running_loop().create_future()
        self.senders.append((sent, item))
        await sent
        return None

    async def receive(self) -> Any:
        if self.items:
            item = self.items.popleft()
            self.move_up()
            return item
        while self.senders:
            sent, item = self.senders.popleft()
            if not sent.done():
                sent.set_result(None)
                return item
        if self.closed:
            raise Closed
        receiver = asyncio.get_running_loop().create_future()
        self.receivers.append(receiver)
        return await receiver  # <- select

    def move_up(self) -> None:
        if self.senders:
            sent, item = self.senders.popleft()
            self.items.append(item)
            sent.set_result(None)

    def close(self) -> None:
        self.closed = True
        while self.receivers:
            receiver = self.receivers.popleft()
            if not receiver.done():
                receiver.set_exception(Closed())

    async def __aiter__(self) -> AsyncIterator[Any]:
        with contextlib.suppress(Closed):
            while True:
                yield await self.receive()


async def select(*channels: Channel) -> Any:
    """The first item that one of the channels has, by asyncio.wait."""
    receives = [asyncio.create_task(channel.receive(), name="select") for channel in channels]
    try:
        done, _ = await asyncio.wait(receives, return_when=asyncio.FIRST_COMPLETED)
        return done.pop().result()
    finally:
        for receive in receives:
            receive.cancel()


# -- the other side has left --------------------------------------------------------------------------


@buggy("stuck", "finish-request")
async def receiver_gives_up_on_a_timeout(fixed: bool) -> None:
    """kubernetes#5316: the handler sends its result on an unbuffered channel; who asked has timed out."""
    results = Channel(capacity=1 if fixed else 0)

    async def handle() -> None:
        await slow_io()
        await results.send("pod created")  # <- finish-request

    handler = asyncio.create_task(handle(), name="finish-request")
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(results.receive(), 0.004)
    await handler


@buggy("stuck", "walk-tree")
async def receiver_returns_on_the_first_error(fixed: bool) -> None:
    """The consumer returns at the first bad entry; the walker goes on sending."""
    entries = Channel()

    async def walk() -> None:
        for entry in ("a", "bad", "c", "d"):
            await io()
            await entries.send(entry)  # <- walk-tree
        entries.close()

    async def check() -> None:
        async for entry in entries:
            if entry == "bad" and not fixed:
                return

    walker = asyncio.create_task(walk(), name="walk-tree")
    await check()
    await walker


@buggy("stuck", "range-over")
async def channel_is_never_closed(fixed: bool) -> None:
    """etcd, cockroach and a hundred others: ``for item := range channel`` without close()."""
    rows = Channel()

    async def produce() -> None:
        for row in range(3):
            await rows.send(row)
            await slow_io()
        if fixed:
            rows.close()

    async def consume() -> None:
        while True:
            try:
                await rows.receive()  # <- range-over
            except Closed:
                return

    consumer = asyncio.create_task(consume(), name="range-over")
    await produce()
    await consumer


@buggy("stuck", "second-error")
async def two_errors_for_a_channel_of_one(fixed: bool) -> None:
    """Two workers report their error on a channel of which one error is read."""
    errors = Channel(capacity=2 if fixed else 0)

    async def replicate(name: str) -> None:
        await slow_io() if name == "second" else await io()
        await errors.send(f"{name} failed")  # <- second-error

    workers = [asyncio.create_task(replicate(name), name=f"{name}-error") for name in ("first", "second")]
    assert await errors.receive() == "first failed"
    await asyncio.gather(*workers)


@buggy("stuck", "stop-twice")
async def stop_received_once_sent_twice(fixed: bool) -> None:
    """moby: Stop() sends on an unbuffered channel, and is called twice."""
    stops, stopped = Channel(), False

    async def stop() -> None:
        nonlocal stopped
        if fixed and stopped:
            return
        stopped = True
        await stops.send("stop")  # <- stop-twice

    async def serve() -> None:
        await slow_io()
        await stops.receive()

    server = asyncio.create_task(serve(), name="server")
    await stop()
    await asyncio.create_task(stop(), name="stop-twice")
    await server


@buggy("stuck", "acquire-token")
async def token_put_back_on_success_only(fixed: bool) -> None:
    """A channel used as semaphore; the error path does not put the token back."""
    tokens = Channel(capacity=1)

    async def build(target: str) -> None:
        await tokens.receive()  # <- acquire-token
        try:
            await slow_io()
            if target == "broken":
                raise OSError(target)
            await tokens.send(None)
        except OSError:
            if fixed:
                await tokens.send(None)

    await tokens.send(None)
    broken = asyncio.create_task(build("broken"), name="build-broken")
    good = asyncio.create_task(build("good"), name="acquire-token")
    await asyncio.gather(broken, good)


# -- select -------------------------------------------------------------------------------------------


@buggy("stuck", "select", maybe=("watch-lease",))
async def select_on_the_wrong_context(fixed: bool) -> None:
    """The loop selects over updates and the done channel of a context that nobody cancels: its parent's was meant."""
    parent, child, updates = Channel(), Channel(), Channel()

    async def watch() -> None:
        with contextlib.suppress(Closed):
            while True:
                await select(updates, parent if fixed else child)

    watcher = asyncio.create_task(watch(), name="watch-lease")
    await updates.send("renewed")
    await slow_io()
    parent.close()
    await watcher


@buggy("stuck", "ticker")
async def timer_stopped_and_then_awaited(fixed: bool) -> None:
    """A stopped timer's channel never fires."""
    fired = Channel(capacity=1)

    async def tick() -> None:
        await fired.receive()  # <- ticker

    def fire() -> None:
        sends.append(asyncio.ensure_future(fired.send("tick")))

    sends: list[asyncio.Future[None]] = []
    timer = asyncio.get_running_loop().call_later(Pace.slow, fire)
    ticker = asyncio.create_task(tick(), name="ticker")
    await io()
    if not fixed:
        timer.cancel()
    await ticker
    await asyncio.gather(*sends)


@buggy("stuck", "loser-search")
async def losers_of_select_send_for_ever(fixed: bool) -> None:
    """Three replicas search, the first answer is taken, the others send to nobody."""
    answers = Channel(capacity=3 if fixed else 0)

    async def search(replica: int) -> None:
        await asyncio.sleep(0.004 * replica)
        await answers.send(f"answer of {replica}")  # <- loser-search

    names = ("winner-search", "loser-search", "loser-search")
    searches = [asyncio.create_task(search(n), name=name) for n, name in enumerate(names, 1)]
    assert await answers.receive() == "answer of 1"
    await asyncio.gather(*searches)


# -- locks and groups ---------------------------------------------------------------------------------


class Mutex:
    """Go's: not re-entrant, no owner, first come first served."""

    def __init__(self) -> None:
        self.locked, self.waiters = False, deque[asyncio.Future[None]]()

    async def lock(self) -> None:
        if self.locked:
            waiter = asyncio.get_running_loop().create_future()
            self.waiters.append(waiter)
            await waiter
        self.locked = True

    def unlock(self) -> None:
        if self.waiters:
            self.waiters.popleft().set_result(None)
        else:
            self.locked = False


@buggy("stuck", "get-status")
async def mutex_locked_twice(fixed: bool) -> None:
    """The public method locks and calls another public method, which locks."""
    mutex = Mutex()

    async def status() -> str:
        if fixed:
            return "ok"
        await mutex.lock()  # <- get-status
        mutex.unlock()
        return "ok"

    async def get() -> None:
        await mutex.lock()
        await slow_io()
        await status()  # <- get-status
        mutex.unlock()

    await asyncio.create_task(get(), name="get-status")


@buggy("stuck", "lock-ab", "lock-ba")
async def mutexes_in_opposite_order(fixed: bool) -> None:
    """The A-B and B-A of every textbook, on a mutex that the agent knows nothing of."""
    a, b = Mutex(), Mutex()

    async def both(first: Mutex, second: Mutex) -> None:
        await first.lock()
        await slow_io()
        await second.lock()  # <- lock-ab, lock-ba
        second.unlock()
        first.unlock()

    one = asyncio.create_task(both(a, b), name="lock-ab")
    two = asyncio.create_task(both(a, b) if fixed else both(b, a), name="lock-ba")
    await asyncio.gather(one, two)


@buggy("stuck", "send-locked", "receive-locked")
async def send_with_the_mutex_that_the_receiver_wants(fixed: bool) -> None:
    """moby#4951, etcd#7492: a mutex on one side of the channel, the channel on the other side of the mutex."""
    mutex, updates = Mutex(), Channel(capacity=1 if fixed else 0)

    async def send() -> None:
        await mutex.lock()
        await io()
        await updates.send("token")  # <- send-locked
        mutex.unlock()

    async def receive() -> None:
        await slow_io()
        await mutex.lock()  # <- receive-locked
        await updates.receive()
        mutex.unlock()

    parts = (("send-locked", send()), ("receive-locked", receive()))
    await asyncio.gather(*(asyncio.create_task(part, name=name) for name, part in parts))


@buggy("stuck", "unlock-missed")
async def return_without_unlock(fixed: bool) -> None:
    """An early return between lock and unlock."""
    mutex = Mutex()

    async def apply(change: str) -> None:
        await mutex.lock()  # <- unlock-missed
        await slow_io()
        if change == "nothing":
            if fixed:
                mutex.unlock()
            return
        mutex.unlock()

    first = asyncio.create_task(apply("nothing"), name="no-change")
    second = asyncio.create_task(apply("something"), name="unlock-missed")
    await asyncio.gather(first, second)


class RWMutex:
    """Many readers or one writer; a waiting writer keeps new readers out, as in Go."""

    def __init__(self) -> None:
        self.readers, self.writer = 0, False
        self.waiting: deque[tuple[asyncio.Future[None], bool]] = deque()

    async def lock(self, write: bool) -> None:
        if self.writer or self.waiting or (write and self.readers):
            turn = asyncio.get_running_loop().create_future()
            self.waiting.append((turn, write))
            return await turn
        self.enter(write)
        return None

    def enter(self, write: bool) -> None:
        self.writer = write
        self.readers += not write

    def unlock(self, write: bool) -> None:
        if write:
            self.writer = False
        else:
            self.readers -= 1
        while self.waiting and not self.writer and not (self.waiting[0][1] and self.readers):
            turn, wanted = self.waiting.popleft()
            self.enter(wanted)
            turn.set_result(None)


@buggy("stuck", "upgrade")
async def read_lock_upgraded_to_a_write_lock(fixed: bool) -> None:
    mutex = RWMutex()

    async def refresh() -> None:
        await mutex.lock(write=False)
        await slow_io()
        if fixed:
            mutex.unlock(write=False)
        await mutex.lock(write=True)  # <- upgrade
        mutex.unlock(write=True)
        if not fixed:
            mutex.unlock(write=False)

    await asyncio.create_task(refresh(), name="upgrade")


@buggy("stuck", "reads-again", "writes-once")
async def reader_reads_again_behind_a_waiting_writer(fixed: bool) -> None:
    """cockroach#6181: a read lock inside a read lock is fine, until a writer has come in between."""
    mutex = RWMutex()

    async def read(depth: int) -> None:
        await mutex.lock(write=False)  # <- reads-again
        await slow_io()
        if depth:
            await read(depth - 1)  # <- reads-again
        mutex.unlock(write=False)

    async def write() -> None:
        await io()
        await mutex.lock(write=True)  # <- writes-once
        mutex.unlock(write=True)

    reader = asyncio.create_task(read(0 if fixed else 1), name="reads-again")
    await asyncio.gather(reader, asyncio.create_task(write(), name="writes-once"))


class WaitGroup:
    def __init__(self) -> None:
        self.count, self.waiters = 0, list[asyncio.Future[None]]()

    def add(self, count: int) -> None:
        self.count += count

    def done(self) -> None:
        self.count -= 1
        while not self.count and self.waiters:
            self.waiters.pop().set_result(None)

    async def wait(self) -> None:
        if self.count:
            waiter = asyncio.get_running_loop().create_future()
            self.waiters.append(waiter)
            await waiter


@buggy("stuck", "wait-group")
async def wait_group_never_done(fixed: bool) -> None:
    """Add() for every job, Done() only where the job was not skipped."""
    group = WaitGroup()

    async def job(number: int) -> None:
        await slow_io()
        if number % 2 and not fixed:
            return
        group.done()

    async def wait() -> None:
        await group.wait()  # <- wait-group

    group.add(4)
    waiting = asyncio.create_task(wait(), name="wait-group")
    await asyncio.gather(waiting, *(job(number) for number in range(4)))


@buggy("stuck", "first-of-loop", "start-all")
async def wait_inside_the_loop_that_starts(fixed: bool) -> None:
    """cockroach#1055's shape: Wait() stands inside the loop that should have started the rest first."""
    group, gate = WaitGroup(), Channel(capacity=2 if fixed else 0)

    async def part() -> None:
        await gate.send("ready")  # <- first-of-loop
        group.done()

    async def begin() -> list[asyncio.Task[None]]:
        parts = []
        for _ in range(2):
            group.add(1)
            parts.append(asyncio.create_task(part(), name="first-of-loop"))
            await group.wait()  # <- start-all
        return parts

    beginning = asyncio.create_task(begin(), name="start-all")
    await slow_io()
    parts = await beginning
    await asyncio.gather(*parts)


class Once:
    """sync.Once: the first caller does it, the others wait until it is done."""

    def __init__(self) -> None:
        self.result: asyncio.Future[Any] | None = None

    async def do(self, function: Any) -> Any:
        if self.result is None:
            self.result = asyncio.get_running_loop().create_future()
            self.result.set_result(await function())
        return await self.result  # <- init-plugins


@buggy("stuck", "init-plugins")
async def once_inside_once(fixed: bool) -> None:
    """Initialising asks for what is being initialised."""
    once = Once()

    async def load() -> str:
        await slow_io()
        if not fixed:
            await once.do(load)  # <- init-plugins
        return "plugins"

    async def init() -> None:
        await once.do(load)  # <- init-plugins

    await asyncio.create_task(init(), name="init-plugins")
