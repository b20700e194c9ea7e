"""Replies, acknowledgements and calls in flight: bare futures that are made, handed out and forgotten (A6)."""

from __future__ import annotations

import asyncio
import itertools
import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from . import buggy, io, slow_io


def new_future() -> asyncio.Future[Any]:
    return asyncio.get_running_loop().create_future()


# -- request and reply --------------------------------------------------------------------------------


class Connection:
    """Requests over one link; a reply carries the number of its request."""

    def __init__(self) -> None:
        self.pending: dict[int, asyncio.Future[str]] = {}
        self.numbers = itertools.count(1)

    async def request(self, text: str) -> str:
        reply = self.pending[next(self.numbers)] = new_future()
        return f"{text}: {await reply}"  # <- request-1, request-2

    def fail_pending(self, error: Exception) -> None:
        for reply in self.pending.values():
            if not reply.done():
                reply.set_exception(error)

    def reconnect(self) -> None:
        self.pending = {}


@buggy("stuck", "request-1", "request-2")
async def replies_forgotten_on_reconnect(fixed: bool) -> None:
    connection = Connection()
    requests = [asyncio.create_task(connection.request("get"), name=f"request-{n}") for n in (1, 2)]
    await slow_io()
    if fixed:
        connection.fail_pending(ConnectionResetError("link lost"))
    connection.reconnect()
    await asyncio.gather(*requests, return_exceptions=True)


class Client:
    """Queries over one link, with a task that reads the replies."""

    def __init__(self) -> None:
        self.pending: deque[asyncio.Future[str]] = deque()

    async def query(self) -> str:
        reply = new_future()
        self.pending.append(reply)
        return await reply  # <- query-1, query-2, query-3

    async def read(self, fail_the_rest: bool) -> None:
        try:
            for frame in ("ok", "malformed"):
                await slow_io()
                if frame != "ok":
                    raise ValueError(frame)
                self.pending.popleft().set_result(frame)
        finally:
            while fail_the_rest and self.pending:
                self.pending.popleft().set_exception(ConnectionError("reader ended"))


@buggy("stuck", "query-2", "query-3")
async def reader_fails_with_queries_in_flight(fixed: bool) -> None:
    client = Client()
    queries = [asyncio.create_task(client.query(), name=f"query-{n}") for n in (1, 2, 3)]
    reader = asyncio.create_task(client.read(fail_the_rest=fixed), name="reader")
    await asyncio.gather(reader, *queries, return_exceptions=True)


class Heart:
    """Answers to pings."""

    pong: asyncio.Future[None] | None = None

    async def ping(self, share: bool) -> None:
        if self.pong is None or not share:
            self.pong = new_future()
        await self.pong  # <- ping-1

    def answered(self) -> None:
        if self.pong is not None:
            self.pong.set_result(None)
            self.pong = None


@buggy("stuck", "ping-1")
async def second_ping_replaces_the_first(fixed: bool) -> None:
    heart = Heart()
    pings = [asyncio.create_task(heart.ping(share=fixed), name=f"ping-{n}") for n in (1, 2)]
    await slow_io()
    heart.answered()
    await asyncio.gather(*pings)


class Publisher:
    """Messages that the broker confirms, first come first served within a topic."""

    def __init__(self) -> None:
        self.waiters: dict[str, deque[asyncio.Future[None]]] = {}

    async def confirmed(self, topic: str, within: float | None, careful: bool) -> bool:
        waiter = new_future()
        self.waiters.setdefault(topic, deque()).append(waiter)
        try:
            async with asyncio.timeout(within):
                await waiter  # <- publish-patient
        except TimeoutError:
            if careful:
                self.waiters[topic].remove(waiter)
            else:
                del self.waiters[topic]
            return False
        return True

    def acknowledge(self, topic: str) -> None:
        if waiters := self.waiters.get(topic):
            waiters.popleft().set_result(None)


@buggy("stuck", "publish-patient")
async def timeout_forgets_the_waiters_of_others(fixed: bool) -> None:
    publisher = Publisher()
    hasty = asyncio.create_task(publisher.confirmed("orders", 0.004, careful=fixed), name="publish-hasty")
    patient = asyncio.create_task(publisher.confirmed("orders", None, careful=fixed), name="publish-patient")
    assert not await hasty
    await slow_io()
    publisher.acknowledge("orders")
    await patient


@dataclass(frozen=True)
class Job:
    payload: str
    attempt: int = 0
    done: asyncio.Future[str] = field(default_factory=new_future)


@buggy("stuck", "submit-invoice")
async def retry_is_a_new_job_with_a_future_of_its_own(fixed: bool) -> None:
    jobs: deque[Job] = deque()

    async def submit(payload: str) -> str:
        job = Job(payload)
        jobs.append(job)
        return await job.done  # <- submit-invoice

    async def work() -> None:
        while jobs:
            job = jobs.popleft()
            await slow_io()
            if job.attempt:
                job.done.set_result(job.payload)
            else:
                jobs.append(replace(job, attempt=1) if fixed else Job(job.payload, attempt=1))

    submitted = asyncio.create_task(submit("invoice"), name="submit-invoice")
    await asyncio.sleep(0)
    await work()
    await submitted


# -- calls in flight ----------------------------------------------------------------------------------


class SingleFlight:
    """Callers of one key share the call in flight."""

    def __init__(self, caught: type[BaseException]) -> None:
        self.calls, self.caught = dict[str, asyncio.Future[str]](), caught

    async def get(self, key: str) -> str:
        if key in self.calls:
            return await self.calls[key]  # <- follower-1, follower-2
        call = self.calls[key] = new_future()
        try:
            await asyncio.sleep(1)
        except self.caught:
            call.cancel()
            raise
        call.set_result(key.upper())
        return key.upper()


@buggy("stuck", "follower-1", "follower-2")
async def leader_of_a_shared_call_is_cancelled(fixed: bool) -> None:
    """``except Exception`` does not see the cancellation, so nobody tells the followers."""
    flights = SingleFlight(caught=BaseException if fixed else Exception)
    leader = asyncio.create_task(flights.get("rates"), name="leader")
    followers = [asyncio.create_task(flights.get("rates"), name=f"follower-{n}") for n in (1, 2)]
    await slow_io()
    leader.cancel()
    await asyncio.gather(leader, *followers, return_exceptions=True)


class Catalogue:
    """Products by key, with the products they refer to; a future stands for each product under way."""

    def __init__(self, related: dict[str, str]) -> None:
        self.related, self.products = related, dict[str, asyncio.Future[str]]()

    async def product(self, key: str) -> str:
        if key in self.products:
            return await self.products[key]  # <- relate-lamp
        self.products[key] = new_future()
        price = asyncio.create_task(io(), name=f"price-{key}")
        relate = asyncio.create_task(self.relate(key), name=f"relate-{key}")
        await asyncio.gather(price, relate)
        self.products[key].set_result(key)
        return key

    async def relate(self, key: str) -> None:
        await slow_io()
        if key in self.related:
            await self.product(self.related[key])  # <- relate-lamp


@buggy("stuck|deadlock", "relate-lamp", maybe=("main",))
async def product_refers_to_itself(fixed: bool) -> None:
    await Catalogue({"lamp": "bulb" if fixed else "lamp"}).product("lamp")


# -- futures chained and copied -----------------------------------------------------------------------


def chain(inner: asyncio.Future[Any], outer: asyncio.Future[Any], cancel_too: bool) -> None:
    def copy(done: asyncio.Future[Any]) -> None:
        if not done.cancelled():
            outer.set_result(done.result())
        elif cancel_too:
            outer.cancel()

    inner.add_done_callback(copy)


@buggy("stuck", "view")
async def chain_that_forgets_cancellation(fixed: bool) -> None:
    fetch, page = asyncio.create_task(asyncio.sleep(1), name="fetch"), new_future()
    chain(fetch, page, cancel_too=fixed)

    async def show() -> Any:
        return await page  # <- view

    view = asyncio.create_task(show(), name="view")
    await slow_io()
    fetch.cancel()
    await asyncio.wait([view])


@buggy("stuck", "boot")
async def shield_over_a_lost_future(fixed: bool) -> None:
    async def boot() -> None:
        ready = new_future()
        if fixed:
            asyncio.get_running_loop().call_later(0.012, ready.set_result, None)
        await asyncio.shield(ready)  # <- boot

    await asyncio.create_task(boot(), name="boot")


@buggy("stuck", "deploy")
async def approval_that_nobody_can_give(fixed: bool) -> None:
    """asyncio.wait() over futures of which none is known to anybody else."""

    async def deploy() -> None:
        approvals = {new_future() for _ in range(2)}
        if fixed:
            for number, approval in enumerate(approvals):
                asyncio.get_running_loop().call_later(0.008 * (number + 1), approval.set_result, "yes")
        await asyncio.wait(approvals)  # <- deploy

    await asyncio.create_task(deploy(), name="deploy")


@buggy("stuck", "mirror-slow")
async def losers_of_a_race_go_on(fixed: bool) -> None:
    """The first of several mirrors is enough; the others, never cancelled, wait for a transfer that was dropped."""
    transfers: dict[str, asyncio.Future[bytes]] = {}

    async def download(mirror: str) -> bytes:
        transfer = transfers[mirror] = new_future()
        return await transfer  # <- mirror-slow

    tasks = [asyncio.create_task(download(mirror), name=f"mirror-{mirror}") for mirror in ("fast", "slow")]
    asyncio.get_running_loop().call_later(0.012, lambda: transfers["fast"].set_result(b"data"))
    _, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    transfers.clear()
    for task in pending if fixed else ():
        task.cancel()
    await asyncio.wait(tasks)


# -- listeners ----------------------------------------------------------------------------------------


class Emitter:
    """Listeners by event, each called once."""

    def __init__(self) -> None:
        self.listeners: dict[str, list[Callable[[], None]]] = {}
        self.emitted: set[str] = set()

    def once(self, event: str, listener: Callable[[], None]) -> None:
        self.listeners.setdefault(event, []).append(listener)

    def emit(self, event: str) -> None:
        self.emitted.add(event)
        for listener in self.listeners.pop(event, []):
            listener()


@buggy("stuck", "open-stream")
async def listener_added_after_the_event(fixed: bool) -> None:
    transport = Emitter()

    async def opened() -> None:
        if fixed and "open" in transport.emitted:
            return await slow_io()
        ready = new_future()
        transport.once("open", lambda: ready.set_result(None))
        await ready  # <- open-stream

    transport.emit("open")
    await io()
    await asyncio.create_task(opened(), name="open-stream")


class Bus:
    """Knows its subscribers weakly, so that they need not unsubscribe."""

    def __init__(self) -> None:
        self.subscribers: weakref.WeakSet[Subscriber] = weakref.WeakSet()

    def publish(self, message: str) -> None:
        for subscriber in list(self.subscribers):
            subscriber.message.set_result(message)


class Subscriber:
    def __init__(self, bus: Bus) -> None:
        self.message: asyncio.Future[str] = new_future()
        bus.subscribers.add(self)


@buggy("stuck", "listen")
async def subscriber_known_only_weakly(fixed: bool) -> None:
    """Nobody keeps the subscriber itself, so the bus forgets it; its future alone is awaited."""
    bus = Bus()

    async def listen() -> str:
        if fixed:
            subscriber = Subscriber(bus)
            return await subscriber.message
        return await Subscriber(bus).message  # <- listen

    listener = asyncio.create_task(listen(), name="listen")
    for _ in range(6):
        await slow_io()
        bus.publish("prices")
        if listener.done():
            break
    await listener


@buggy("stuck", "watch-config", verdict="suspected|proven")
async def publisher_of_weak_subscribers_ended(fixed: bool) -> None:
    bus = Bus()

    async def watch() -> str:
        subscriber = Subscriber(bus)
        return await subscriber.message  # <- watch-config

    async def publish() -> None:
        await slow_io()
        if fixed:
            bus.publish("config")

    watcher = asyncio.create_task(watch(), name="watch-config")
    await asyncio.create_task(publish(), name="publish")
    await watcher


# -- streams ------------------------------------------------------------------------------------------


@buggy("stuck", "parse-body")
async def stream_never_told_of_its_end(fixed: bool) -> None:
    """A StreamReader made by hand; who feeds it forgets feed_eof()."""
    body = asyncio.StreamReader()

    async def parse() -> bytes:
        parts = []
        while part := await body.readline():  # <- parse-body
            parts.append(part)
        return b"".join(parts)

    async def feed() -> None:
        body.feed_data(b"name=value\n")
        await slow_io()
        if fixed:
            body.feed_eof()

    parser = asyncio.create_task(parse(), name="parse-body")
    await feed()
    await parser


# -- limits and pools of one's own --------------------------------------------------------------------


class RateLimiter:
    """So many calls a moment; a task refills it."""

    def __init__(self) -> None:
        self.waiters: deque[asyncio.Future[None]] = deque()

    async def acquire(self) -> None:
        waiter = new_future()
        self.waiters.append(waiter)
        await waiter  # <- call-2, call-3

    async def refill(self, careful: bool) -> None:
        for burst in (1, None, 3):
            await slow_io()
            try:
                for _ in range(burst):  # type: ignore[arg-type]
                    self.waiters.popleft().set_result(None)
            except (TypeError, IndexError):
                if not careful:
                    return


async def limited(limiter: RateLimiter) -> None:
    await limiter.acquire()  # <- call-2, call-3
    await io()


@buggy("stuck", "call-2", "call-3")
async def refill_task_of_a_rate_limiter_ended(fixed: bool) -> None:
    limiter = RateLimiter()
    calls = [asyncio.create_task(limited(limiter), name=f"call-{n}") for n in (1, 2, 3)]
    refill = asyncio.create_task(limiter.refill(careful=fixed), name="refill")
    await asyncio.gather(refill, *calls)


class Pool:
    """Connections, handed on to who waits longest."""

    def __init__(self, size: int) -> None:
        self.free, self.waiters = [f"connection-{n}" for n in range(size)], deque[asyncio.Future[str]]()

    async def acquire(self) -> str:
        if self.free:
            return self.free.pop()
        waiter = new_future()
        self.waiters.append(waiter)
        return await waiter  # <- lookup-2

    def release(self, connection: str) -> None:
        if self.waiters:
            self.waiters.popleft().set_result(connection)
        else:
            self.free.append(connection)


async def lookup(pool: Pool, key: str, always: bool) -> str | None:
    connection = await pool.acquire()  # <- lookup-2
    try:
        await slow_io()
        if key == "unknown":
            return None
        pool.release(connection)
        connection = ""
        return key
    finally:
        if always and connection:
            pool.release(connection)


@buggy("stuck", "lookup-2")
async def early_return_keeps_the_connection(fixed: bool) -> None:
    pool = Pool(1)
    first = asyncio.create_task(lookup(pool, "unknown", always=fixed), name="lookup-1")
    second = asyncio.create_task(lookup(pool, "known", always=fixed), name="lookup-2")
    await asyncio.gather(first, second)
