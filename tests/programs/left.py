"""Waits whose wakers are gone although somebody could still reach them, and idle programs that look alike.

Each program is a whole ``main``; it is looked at after a while, and then cancelled. The buggy ones name the tasks
that must be suspected; in the idle ones nobody may be.
"""

from __future__ import annotations

import asyncio
import contextvars
import importlib
import os
import signal
import sys
import threading
import weakref
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, NamedTuple

from . import Program
from .deadlocks import spawn

LEFT: list[Left] = []
IDLE: list[Program] = []
FOR_EVER = 3_600


class Left(NamedTuple):
    """A buggy program, the names of its suspected tasks, and parts of what must be said of the first."""

    program: Program
    tasks: frozenset[str]
    words: tuple[str, ...]

    def __str__(self) -> str:
        return self.program.__name__


def left(*tasks: str, words: tuple[str, ...] = (), since: tuple[int, int] = (3, 11)) -> Callable[[Program], Program]:
    """Enter a buggy program; on Pythons before ``since`` it is not recognised."""

    def enter(program: Program) -> Program:
        if sys.version_info >= since:
            LEFT.append(Left(program, frozenset(tasks), words))
        return program

    return enter


def idle(program: Program) -> Program:
    """Enter a program in which nobody is stuck."""
    IDLE.append(program)
    return program


async def serve_for_ever() -> None:
    """What a program's main does that has started everything: it waits, with something still to come."""
    await asyncio.sleep(FOR_EVER)


class Failed(Exception):
    """What goes wrong in these programs."""


async def feed(queue: asyncio.Queue[int], *items: int) -> None:
    for item in items:
        await queue.put(item)
        await asyncio.sleep(0)


async def feed_and_fail(queue: asyncio.Queue[int]) -> None:
    await feed(queue, 1, 2)
    raise Failed("no more")


async def feed_and_be_cancelled(queue: asyncio.Queue[int]) -> None:
    await feed(queue, 1, 2)
    raise asyncio.CancelledError


async def consume(queue: asyncio.Queue[int]) -> None:
    while True:
        await queue.get()


# == buggy ===================================================================================================

# -- queues --------------------------------------------------------------------------------------------------


def start_feeder_and_consumer(feeder: Callable[[asyncio.Queue[int]], Coroutine[Any, Any, None]]) -> None:
    queue = asyncio.Queue[int]()
    spawn("feeder", feeder(queue))
    KEPT.append(queue)
    KEPT.append(spawn("consumer", consume(queue)))


KEPT: list[Any] = []
"""A global by which everything stays reachable: nothing here can be proven."""


@left("consumer", words=("its only producer feeder ended 0.", "left.py:", "with Failed: no more"))
async def feeder_failed() -> None:
    start_feeder_and_consumer(feed_and_fail)
    await serve_for_ever()


@left("consumer", words=("its only producer feeder returned 0.", "(it put at", "left.py:"))
async def feeder_returned() -> None:
    start_feeder_and_consumer(lambda queue: feed(queue, 1, 2))
    await serve_for_ever()


@left("consumer", words=("its only producer feeder was cancelled 0.",))
async def feeder_was_cancelled() -> None:
    start_feeder_and_consumer(feed_and_be_cancelled)
    await serve_for_ever()


@left("consumer", words=("its only producer feeder",), since=(3, 13))
async def feeder_failed_and_main_has_the_queue_no_more_use_for() -> None:
    queue = asyncio.Queue[int]()
    tasks = [spawn("feeder", feed_and_fail(queue)), spawn("consumer", consume(queue))]
    KEPT.append(queue)
    await asyncio.sleep(FOR_EVER)
    await asyncio.wait(tasks)


class Service:
    """A feeder, a consumer, and a heartbeat that has nothing to do with their queue."""

    def __init__(self) -> None:
        self.queue = asyncio.Queue[int]()
        self.beats = 0

    async def feed(self) -> None:
        for item in range(3):
            await self.queue.put(item)
        raise Failed

    async def consume(self) -> None:
        while True:
            await self.queue.get()

    async def heartbeat(self) -> None:
        while True:
            await asyncio.sleep(0.01)
            self.beats += 1

    def start(self) -> None:
        for name in ("feed", "consume", "heartbeat"):
            KEPT.append(spawn(name, getattr(self, name)()))


SERVICE: list[Service] = []


@left("consume", words=("its only producer feed ended", "with Failed"))
async def feeder_of_a_service_failed() -> None:
    SERVICE.append(Service())
    SERVICE[0].start()
    try:
        await serve_for_ever()
    finally:
        SERVICE.clear()


@left("consumer", words=("none of its 2 producers is left: ", "feeder-", "with Failed: no more; feeder-"))
async def two_feeders_failed() -> None:
    queue = asyncio.Queue[int]()
    KEPT.extend(spawn(f"feeder-{index}", feed_and_fail(queue)) for index in range(2))
    start(queue, consume)
    del queue
    await serve_for_ever()


def start(queue: asyncio.Queue[int], worker: Callable[[asyncio.Queue[int]], Coroutine[Any, Any, None]]) -> None:
    KEPT.append(spawn("consumer", worker(queue)))


@left("first", "second")
async def feeder_of_a_pipeline_failed() -> None:
    start_pipeline()
    await serve_for_ever()


def start_pipeline() -> None:
    source, middle = asyncio.Queue[int](), asyncio.Queue[int]()

    async def pump() -> None:
        while True:
            await middle.put(await source.get())

    spawn("feeder", feed_and_fail(source))
    KEPT.extend((spawn("first", pump()), spawn("second", consume(middle))))


@left("a", "b")
async def two_workers_wait_for_each_other() -> None:
    start_ping_pong()
    await serve_for_ever()


def start_ping_pong() -> None:
    ping, pong = asyncio.Queue[int](), asyncio.Queue[int]()

    async def player(mine: asyncio.Queue[int], other: asyncio.Queue[int]) -> None:
        other.put_nowait(1)
        await mine.get()
        await mine.get()

    KEPT.extend((spawn("a", player(ping, pong)), spawn("b", player(pong, ping))))


@left("worker-0", "worker-1", words=("its only producer", "is stuck too"))
async def workers_never_told_to_end() -> None:
    queue = asyncio.Queue[int]()
    workers = [spawn(f"worker-{index}", consume(queue)) for index in range(2)]
    await feed(queue, *range(5))
    KEPT.extend((queue, spawn("heartbeat", heartbeat())))
    await asyncio.gather(*workers)


async def heartbeat() -> None:
    while True:
        await asyncio.sleep(0.01)


@left("producer", words=("its only consumer", "ended", "with Failed"))
async def consumer_of_a_full_queue_failed() -> None:
    start_with_bounded_queue()
    await serve_for_ever()


def start_with_bounded_queue() -> None:
    queue = asyncio.Queue[int](1)

    async def consume_and_fail() -> None:
        await queue.get()
        raise Failed

    spawn("consumer", consume_and_fail())
    KEPT.extend((queue, spawn("producer", feed(queue, *range(9)))))


@left("joiner", "worker", words=("the queue is empty, but 2 items were taken and never reported done: worker took at",))
async def task_done_forgotten() -> None:
    start_and_join(consume)
    await serve_for_ever()


def start_and_join(work: Callable[[asyncio.Queue[int]], Coroutine[Any, Any, None]]) -> None:
    queue = asyncio.Queue[int]()

    async def join() -> None:
        await feed(queue, 1, 2)
        await queue.join()

    KEPT.extend((spawn("worker", work(queue)), spawn("joiner", join()), queue))


@left("joiner", words=("an item was taken and never reported done: worker took at", "ended", "with Failed"))
async def last_task_done_skipped_by_an_error() -> None:
    start_and_join(work_and_fail_on_the_last)
    await serve_for_ever()


async def work_and_fail_on_the_last(queue: asyncio.Queue[int]) -> None:
    await queue.get()
    queue.task_done()
    await queue.get()
    raise Failed


@left("joiner", words=("its only worker worker ended", "with Failed"))
async def worker_failed_with_items_left() -> None:
    start_and_join(work_and_fail_on_the_first)
    await serve_for_ever()


async def work_and_fail_on_the_first(queue: asyncio.Queue[int]) -> None:
    await queue.get()
    raise Failed


# -- events, conditions, barriers, semaphores ------------------------------------------------------------------


@left("waiter", words=("its only setter ticker ended", "with Failed"))
async def setter_failed() -> None:
    start_ticker()
    await serve_for_ever()


def start_ticker() -> None:
    event = asyncio.Event()

    async def tick() -> None:
        for _ in range(2):
            event.set()
            await asyncio.sleep(0)
        raise Failed

    async def wait() -> None:
        while True:
            await event.wait()
            event.clear()

    spawn("ticker", tick())
    KEPT.append(spawn("waiter", wait()))


@left("waiter", words=("its only notifier teller ended", "with Failed"))
async def notifier_failed() -> None:
    start_teller()
    await serve_for_ever()


def start_teller() -> None:
    condition = asyncio.Condition()

    async def tell() -> None:
        async with condition:
            condition.notify_all()
        raise Failed

    async def wait() -> None:
        async with condition:
            while True:
                await condition.wait()

    KEPT.append(spawn("waiter", wait()))
    spawn("teller", tell())


@left("steady", words=("none of its 2 parties is left: ",))
async def party_failed() -> None:
    start_parties()
    await serve_for_ever()


def start_parties() -> None:
    barrier = asyncio.Barrier(2)

    async def take_part(rounds: int) -> None:
        for _ in range(rounds):
            await barrier.wait()
        raise Failed

    KEPT.append(spawn("steady", take_part(3)))
    spawn("weak", take_part(1))


@left("waiter", words=("its only releaser giver ended", "with Failed"))
async def giver_of_permits_failed() -> None:
    start_giver()
    await serve_for_ever()


def start_giver() -> None:
    permits = asyncio.Semaphore(0)

    async def give() -> None:
        permits.release()
        raise Failed

    async def take() -> None:
        while True:
            await permits.acquire()

    KEPT.append(spawn("waiter", take()))
    spawn("giver", give())


# -- a loop in which nothing can happen ------------------------------------------------------------------------


@left("main", words=("nothing can happen in this loop any more",))
async def nobody_ever_comes() -> None:
    event = asyncio.Event()
    KEPT.append(event)
    await event.wait()


@left("main", words=("nothing can happen in this loop any more", "its only setter setter returned"))
async def setter_was_once() -> None:
    event = asyncio.Event()
    KEPT.append(event)
    await spawn("setter", set_once(event))
    event.clear()
    await event.wait()


async def set_once(event: asyncio.Event) -> None:
    event.set()


# == idle ======================================================================================================

QUEUE: asyncio.Queue[int] | None = None


def global_queue() -> asyncio.Queue[int]:
    global QUEUE
    QUEUE = asyncio.Queue[int]()
    KEPT.append(spawn("consumer", consume(QUEUE)))
    return QUEUE


def start_failing_loader() -> None:
    """The only producer seen so far has failed; who else may come is what each program is about."""
    spawn("loader", feed_and_fail(global_queue()))


def start_loader() -> None:
    spawn("loader", feed(global_queue(), 1, 2))


async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await reader.readline():
        publish(len(line))
    writer.close()


def publish(item: int) -> None:
    assert QUEUE is not None
    QUEUE.put_nowait(item)


@idle
async def server_without_traffic() -> None:
    start_loader()
    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        await server.serve_forever()


@idle
async def server_without_traffic_whose_loader_failed() -> None:
    start_failing_loader()
    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        await server.serve_forever()


@idle
async def server_that_nobody_keeps() -> None:
    start_failing_loader()
    await start_server()
    await serve_for_ever()


async def start_server() -> None:
    SERVERS.add(await asyncio.start_server(handle, "127.0.0.1", 0))


SERVERS: weakref.WeakSet[Any] = weakref.WeakSet()
"""To be closed in the end."""


@idle
async def server_that_waits_for_its_end() -> None:
    start_loader()
    async with await asyncio.start_server(handle, "127.0.0.1", 0):
        await asyncio.Event().wait()


@idle
async def client_that_is_connected() -> None:
    start_loader()

    async def talk(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await asyncio.sleep(FOR_EVER)
        finally:
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    try:
        await reader.read()
    finally:
        writer.close()
        server.close()


@idle
async def producer_that_sleeps() -> None:
    start_failing_loader()
    spawn("cron", produce_now_and_then())
    await serve_for_ever()


async def produce_now_and_then() -> None:
    while True:
        await asyncio.sleep(FOR_EVER)
        produce_somehow()


def produce_somehow() -> None:
    publish(1)


@idle
async def producer_that_waits_for_a_global_elsewhere() -> None:
    start_failing_loader()
    spawn("relay", Relay().run())
    await serve_for_ever()


class Relay:
    """Reaches the queue by a method of a class by a name in a module."""

    def __init__(self) -> None:
        self.source = asyncio.Queue[int]()

    async def run(self) -> None:
        while True:
            self.pass_on(await self.source.get())

    def pass_on(self, item: int) -> None:
        sys.modules[__name__].publish(item)
        publish(item)


@idle
async def producer_with_a_bound_method() -> None:
    queue = global_queue()
    spawn("loader", feed_and_fail(queue))
    spawn("emitter", emit(queue.put_nowait))
    del queue
    await serve_for_ever()


async def emit(put: Callable[[int], None]) -> None:
    await asyncio.sleep(FOR_EVER)
    put(1)


@idle
async def producer_by_a_registry() -> None:
    queue = global_queue()
    spawn("loader", feed_and_fail(queue))
    spawn("router", route({f"client-{index}": (index, queue) for index in range(100)}))
    del queue
    await serve_for_ever()


async def route(queues: dict[str, tuple[int, asyncio.Queue[int]]]) -> None:
    await asyncio.sleep(FOR_EVER)
    for _index, queue in queues.values():
        queue.put_nowait(1)


@idle
async def producer_by_getattr() -> None:
    service = Service()
    spawn("consumer", service.consume())
    spawn("feeder", service.feed())
    spawn("dynamic", dynamic(service, "que" + "ue"))
    del service
    await serve_for_ever()


async def dynamic(thing: Any, name: str) -> None:
    await asyncio.sleep(FOR_EVER)
    getattr(thing, name).put_nowait(1)


CURRENT: contextvars.ContextVar[asyncio.Queue[int]] = contextvars.ContextVar("queue")


@idle
async def producer_by_a_context_variable() -> None:
    start_in_context()
    await serve_for_ever()


def start_in_context() -> None:
    CURRENT.set(global_queue())
    spawn("loader", feed_and_fail(CURRENT.get()))
    spawn("later", put_from_context())


async def put_from_context() -> None:
    await asyncio.sleep(FOR_EVER)
    await CURRENT.get().put(1)


@idle
async def producer_that_is_an_asynchronous_generator() -> None:
    queue = global_queue()
    spawn("loader", feed_and_fail(queue))
    spawn("reader", read_all(queue))
    del queue
    await serve_for_ever()


async def read_all(queue: asyncio.Queue[int]) -> None:
    async def items() -> Any:
        while True:
            await asyncio.sleep(FOR_EVER)
            await queue.put(1)
            yield 1

    async for _item in items():
        pass


@idle
async def producer_by_call_later() -> None:
    start_failing_loader()
    chain_of_calls()
    await serve_for_ever()


def chain_of_calls() -> None:
    publish(1)
    asyncio.get_running_loop().call_later(0.02, chain_of_calls)


@idle
async def producer_by_a_timer_still_to_come() -> None:
    start_failing_loader()
    asyncio.get_running_loop().call_later(FOR_EVER, publish, 1)
    await serve_for_ever()


@idle
async def producer_by_add_reader() -> None:
    start_failing_loader()
    reading, writing = os.pipe()
    loop = asyncio.get_running_loop()
    loop.add_reader(reading, publish, 1)
    try:
        await serve_for_ever()
    finally:
        loop.remove_reader(reading)
        os.close(reading)
        os.close(writing)


@idle
async def producer_by_a_signal_of_the_loop() -> None:
    start_failing_loader()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, publish, 1)
    try:
        await serve_for_ever()
    finally:
        loop.remove_signal_handler(signal.SIGUSR1)


@idle
async def producer_by_a_signal_of_python() -> None:
    start_failing_loader()
    loop = asyncio.get_running_loop()
    before = signal.signal(signal.SIGUSR1, lambda *_: loop.call_soon_threadsafe(publish, 1))
    try:
        await serve_for_ever()
    finally:
        signal.signal(signal.SIGUSR1, before)


async def beside_a_thread(body: Callable[[threading.Event], None]) -> None:
    over = threading.Event()
    thread = threading.Thread(target=body, args=(over,), name="pump")
    thread.start()
    try:
        await serve_for_ever()
    finally:
        over.set()
        thread.join()


@idle
async def producer_that_is_a_thread() -> None:
    start_failing_loader()
    loop = asyncio.get_running_loop()

    def pump(over: threading.Event) -> None:
        while not over.wait(0.02):
            loop.call_soon_threadsafe(publish, 1)

    await beside_a_thread(pump)


@idle
async def producer_that_is_a_thread_and_has_not_come_yet() -> None:
    start_loader()
    await beside_a_thread(lambda over: over.wait() and None)


@idle
async def producer_that_is_a_thread_and_has_not_come_where_the_last_one_failed() -> None:
    start_failing_loader()
    over = threading.Event()
    start_device(over, asyncio.get_running_loop())
    try:
        await serve_for_ever()
    finally:
        over.set()


def start_device(over: threading.Event, loop: asyncio.AbstractEventLoop) -> None:
    """A thread that nobody keeps."""

    def device() -> None:
        while not over.wait(FOR_EVER):
            loop.call_soon_threadsafe(publish, 1)

    threading.Thread(target=device, name="device").start()


@idle
async def producer_behind_a_connection_where_the_last_one_failed() -> None:
    start_failing_loader()
    await connect()
    await serve_for_ever()


async def connect() -> None:
    """A connection that nobody keeps and over which something may come at any time; its server listens no more."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
    transport, _ = await loop.create_connection(Feed, *server.sockets[0].getsockname())
    SERVERS.add(transport)
    server.close()


class Feed(asyncio.Protocol):
    """Publishes what it hears."""

    def data_received(self, data: bytes) -> None:
        publish(len(data))


@idle
async def producer_by_the_name_of_its_module_in_a_string() -> None:
    start_failing_loader()
    spawn("cron", run_by_name(f"{__name__}:produce_somehow"))
    await serve_for_ever()


async def run_by_name(spec: str) -> None:
    await asyncio.sleep(FOR_EVER)
    module, _, function = spec.partition(":")
    getattr(importlib.import_module(module), function)()


@idle
async def producer_by_its_name_in_a_module() -> None:
    start_failing_loader()
    spawn("dispatcher", dispatch("some" + "how"))
    await serve_for_ever()


async def dispatch(kind: str) -> None:
    from . import left

    await asyncio.sleep(FOR_EVER)
    getattr(left, f"produce_{kind}")()


@idle
async def producer_that_a_thread_submits() -> None:
    queue = global_queue()
    loop = asyncio.get_running_loop()

    def pump(over: threading.Event) -> None:
        asyncio.run_coroutine_threadsafe(feed_and_fail(queue), loop)
        over.wait()

    await beside_a_thread(pump)


@idle
async def producer_in_an_executor() -> None:
    over = threading.Event()
    start_loader()
    try:
        await asyncio.to_thread(over.wait)
    finally:
        over.set()


@idle
async def producers_that_come_and_go() -> None:
    queue = global_queue()
    for _ in range(5):
        await spawn("loader", feed(queue, 1))
    del queue
    await serve_for_ever()


@idle
async def supervisor_that_restarts_after_a_while() -> None:
    queue = global_queue()
    spawn("supervisor", supervise(queue))
    del queue
    await serve_for_ever()


async def supervise(queue: asyncio.Queue[int]) -> None:
    while True:
        await asyncio.wait([spawn("feeder", feed_and_fail(queue))])
        await asyncio.sleep(FOR_EVER)


@idle
async def supervisor_that_restarts_on_command() -> None:
    KEPT.append(spawn("supervisor", Supervisor(global_queue()).run()))
    await serve_for_ever()


class Supervisor:
    """Starts a feeder for each command; the queue goes through its hands once only."""

    def __init__(self, queue: asyncio.Queue[int]) -> None:
        self.commands = asyncio.Queue[Callable[[], Awaitable[None]]]()
        self.commands.put_nowait(lambda: feed_and_fail(queue))

    async def run(self) -> None:
        while True:
            command = await self.commands.get()
            await asyncio.wait([asyncio.ensure_future(self._run(command))])

    async def _run(self, command: Callable[[], Awaitable[None]]) -> None:
        await command()


@idle
async def crew_that_a_task_may_call_again() -> None:
    queue = global_queue()
    KEPT.append(spawn("boss", boss(queue)))  # else it is garbage, and when it has been collected nobody calls any more
    del queue
    await serve_for_ever()


async def boss(queue: asyncio.Queue[int]) -> None:
    async def crew() -> None:
        await feed(queue, 1)
        raise Failed

    orders = asyncio.Event()
    spawn("crew", crew())
    while await orders.wait():
        spawn("crew", crew())


@idle
async def end_of_a_task_that_will_tell() -> None:
    queue = global_queue()
    spawn("loader", feed_and_fail(queue))
    spawn("long", asyncio.sleep(FOR_EVER)).add_done_callback(lambda _task: queue.put_nowait(1))
    await serve_for_ever()


@idle
async def wait_with_a_timeout() -> None:
    queue = asyncio.Queue[int]()
    spawn("loader", feed_and_fail(queue))

    async def consume_in_time() -> None:
        async with asyncio.timeout(FOR_EVER):
            await consume(queue)

    KEPT.append(spawn("consumer", consume_in_time()))
    await serve_for_ever()


@idle
async def wait_for_with_a_timeout() -> None:
    queue = asyncio.Queue[int]()
    spawn("loader", feed_and_fail(queue))

    async def consume_in_time() -> None:
        while True:
            await asyncio.wait_for(queue.get(), FOR_EVER)

    KEPT.append(spawn("consumer", consume_in_time()))
    await serve_for_ever()


@idle
async def batches_with_a_producer_to_come() -> None:
    queue = global_queue()
    batch: list[int] = []

    async def work() -> None:
        while True:
            while len(batch) < 10:
                batch.append(await queue.get())
            for _ in batch:
                queue.task_done()
            batch.clear()

    spawn("worker", work())
    spawn("slow", emit(queue.put_nowait))
    await feed(queue, 1, 2)
    await queue.join()


@idle
async def work_handed_on_to_tasks() -> None:
    queue = asyncio.Queue[int]()

    async def finish() -> None:
        await asyncio.sleep(FOR_EVER)
        queue.task_done()

    async def work() -> None:
        while True:
            await queue.get()
            KEPT.append(spawn("finisher", finish()))

    KEPT.append(spawn("worker", work()))
    await feed(queue, 1, 2)
    await queue.join()


@idle
async def long_poll() -> None:
    news = asyncio.Event()
    spawn("poller", wait_for_news(news))
    spawn("loader", set_once(news))
    spawn("editor", publish_news(news))
    await serve_for_ever()


async def wait_for_news(news: asyncio.Event) -> None:
    while True:
        await news.wait()
        news.clear()


async def publish_news(news: asyncio.Event) -> None:
    while True:
        await asyncio.sleep(FOR_EVER)
        news.set()


@idle
async def event_that_nobody_has_set_yet() -> None:
    KEPT.append(asyncio.Event())
    spawn("waiter", wait_for_news(KEPT[-1]))
    await serve_for_ever()


@idle
async def permit_whose_holder_lives() -> None:
    permits = asyncio.Semaphore(1)

    async def hold() -> None:
        async with permits:
            await asyncio.sleep(FOR_EVER)

    async def misuse() -> None:
        permits.release()
        await permits.acquire()
        raise Failed

    await asyncio.wait([spawn("misuse", misuse())])
    spawn("holder", hold())
    KEPT.append(spawn("waiter", hold()))
    await serve_for_ever()


class Unheard(asyncio.Queue[int]):
    """Takes items in a way that no hook sees."""

    def slip_in(self, item: int) -> None:
        self._put(item)
        self._wakeup_next(self._getters)  # type: ignore[attr-defined]


@idle
async def queue_that_is_filled_in_its_own_way() -> None:
    queue = Unheard()
    KEPT.append(spawn("consumer", consume(queue)))
    queue.slip_in(1)
    await serve_for_ever()
