"""Queues whose other end is gone, and joins that lack a task_done() (A6)."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from . import buggy, io, slow_io


@buggy("stuck", "index")
async def producer_fails(fixed: bool) -> None:
    """The feed ends with an error and without its end mark."""
    documents: asyncio.Queue[str | None] = asyncio.Queue()

    async def feed() -> None:
        try:
            for document in ("a", "b", None):
                await slow_io()
                await documents.put(document.lower())  # type: ignore[union-attr]
        finally:
            if fixed:
                await documents.put(None)

    async def index() -> None:
        while await documents.get() is not None:  # <- index
            await io()

    indexing = asyncio.create_task(index(), name="index")
    await asyncio.gather(feed(), indexing, return_exceptions=True)


@buggy("stuck", "importer", maybe=("loader",))
async def task_done_missing_after_an_error(fixed: bool) -> None:
    """One bad row is skipped with ``continue``; join() counts it for ever."""
    rows: asyncio.Queue[str] = asyncio.Queue()

    async def load() -> None:
        while True:
            row = await rows.get()
            try:
                await io()
                int(row)
            except ValueError:
                if fixed:
                    rows.task_done()
                continue
            rows.task_done()

    async def bring_in() -> None:
        loader = asyncio.create_task(load(), name="loader")
        for row in ("1", "x", "3", "4", "5"):
            rows.put_nowait(row)
        await rows.join()  # <- importer
        loader.cancel()
        await asyncio.wait([loader])

    await asyncio.create_task(bring_in(), name="importer")


@buggy("stuck", "drain-mail")
async def worker_cancelled_between_get_and_task_done(fixed: bool) -> None:
    mails: asyncio.Queue[str] = asyncio.Queue()

    async def send() -> None:
        mail = await mails.get()
        try:
            await slow_io()
            assert mail
        except asyncio.CancelledError:
            if fixed:
                mails.task_done()
            raise
        mails.task_done()

    async def drain() -> None:
        await mails.join()  # <- drain-mail

    mails.put_nowait("hello")
    sender = asyncio.create_task(send(), name="send-mail")
    draining = asyncio.create_task(drain(), name="drain-mail")
    await io()
    sender.cancel()
    await asyncio.gather(sender, draining, return_exceptions=True)


@buggy("stuck", "resize")
async def one_end_mark_too_few(fixed: bool) -> None:
    """Three workers, two end marks."""
    images: asyncio.Queue[str | None] = asyncio.Queue()

    async def resize() -> None:
        while await images.get() is not None:  # <- resize
            await io()

    async with asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(resize(), name="resize")
        images.put_nowait("photo")
        await slow_io()
        for _ in range(3 if fixed else 2):
            images.put_nowait(None)


@buggy("stuck", "thumbnail")
async def end_mark_not_passed_on(fixed: bool) -> None:
    """Whoever takes the one end mark should put it back for the next."""
    images: asyncio.Queue[str | None] = asyncio.Queue()

    async def thumbnail() -> None:
        while await images.get() is not None:  # <- thumbnail
            await io()
        if fixed:
            images.put_nowait(None)

    workers = [asyncio.create_task(thumbnail(), name="thumbnail") for _ in range(2)]
    await slow_io()
    images.put_nowait(None)
    await asyncio.gather(*workers)


@buggy("stuck", "scan")
async def consumer_leaves_a_full_queue(fixed: bool) -> None:
    """The consumer has found what it looked for and returns; the producer puts into a full queue."""
    files: asyncio.Queue[str] = asyncio.Queue(maxsize=1)

    async def scan() -> None:
        for name in ("a", "b", "key", "c", "d", "e"):
            await files.put(name)  # <- scan

    async def search() -> str:
        while (name := await files.get()) != "key":
            await slow_io()
        return name

    scanning = asyncio.create_task(scan(), name="scan")
    assert await asyncio.create_task(search(), name="search") == "key"
    if fixed:
        scanning.cancel()
    await asyncio.wait([scanning])


class Log:
    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.lines: asyncio.Queue[str] = asyncio.Queue()


@buggy("stuck", "tail-log")
async def reset_replaces_the_queue(fixed: bool) -> None:
    """A consumer that holds on to the queue of before a reset."""

    log = Log()

    async def tail() -> str:
        return await log.lines.get()  # <- tail-log

    tailing = asyncio.create_task(tail(), name="tail-log")
    await slow_io()
    if not fixed:
        log.reset()
    log.lines.put_nowait("rotated")
    await tailing


class Topic:
    """A queue for each subscriber; one that does not keep up is dropped."""

    def __init__(self) -> None:
        self.queues: set[asyncio.Queue[str]] = set()

    def subscribe(self) -> asyncio.Queue[str]:
        queue: asyncio.Queue[str] = asyncio.Queue(maxsize=2)
        self.queues.add(queue)
        return queue

    def publish(self, message: str, tell: bool) -> None:
        for queue in list(self.queues):
            try:
                queue.put_nowait(message)
            except asyncio.QueueFull:
                self.queues.discard(queue)
                if tell:
                    queue.get_nowait()
                    queue.put_nowait("dropped")


@buggy("stuck", "slow-subscriber")
async def subscriber_dropped_from_the_registry(fixed: bool) -> None:
    topic = Topic()
    queue = topic.subscribe()

    async def consume() -> None:
        while await queue.get() != "dropped":  # <- slow-subscriber
            await io()

    for number in range(3):
        topic.publish(f"price {number}", tell=fixed)
    consuming = asyncio.create_task(consume(), name="slow-subscriber")
    await slow_io()
    topic.publish("price 4", tell=fixed)
    await consuming


@buggy("stuck|deadlock", "encode", "mux")
async def two_stages_feed_each_other(fixed: bool) -> None:
    """Both queues are full and both stages are putting."""
    forward: asyncio.Queue[int] = asyncio.Queue(maxsize=1)
    back: asyncio.Queue[int] = asyncio.Queue(maxsize=8 if fixed else 1)

    async def encode() -> None:
        for frame in range(8):
            await forward.put(frame)  # <- encode
        for _ in range(8):
            await back.get()

    async def mux() -> None:
        for _ in range(8):
            frame = await forward.get()
            await io() if frame else await slow_io()
            await back.put(frame)  # <- mux

    stages = (("encode", encode()), ("mux", mux()))
    await asyncio.gather(*(asyncio.create_task(stage, name=name) for name, stage in stages))


@buggy("stuck|deadlock", "crawl")
async def worker_puts_back_into_its_own_full_queue(fixed: bool) -> None:
    """The only consumer of a bounded queue requeues what failed, while the queue is full."""
    pages: asyncio.Queue[str] = asyncio.Queue(maxsize=2)

    async def crawl() -> None:
        for _ in range(2):
            page = await pages.get()
            pages.put_nowait("link")
            await slow_io()
            if fixed:
                pages.get_nowait()
            await pages.put(page)  # <- crawl

    for page in ("a", "b"):
        pages.put_nowait(page)
    await asyncio.create_task(crawl(), name="crawl")


@buggy("stuck", "submit")
async def all_workers_died(fixed: bool) -> None:
    """Each worker fails on its first task; submitting goes on until the queue is full."""
    tasks: asyncio.Queue[int] = asyncio.Queue(maxsize=2)

    async def work() -> None:
        while True:
            number = await tasks.get()
            with contextlib.suppress(ZeroDivisionError) if fixed else contextlib.nullcontext():
                await io()
                assert 1 / (number - number)

    async def submit() -> None:
        for number in range(5):
            await tasks.put(number)  # <- submit

    workers = [asyncio.create_task(work(), name="worker") for _ in range(2)]
    submitting = asyncio.create_task(submit(), name="submit")
    await asyncio.wait([submitting])
    for worker in workers:
        worker.cancel()
    await asyncio.gather(*workers, return_exceptions=True)


@buggy("stuck", "dispatch")
async def wait_for_without_a_limit(fixed: bool) -> None:
    """wait_for(..., None) is no timeout; what is awaited below it has lost its producer."""
    urgent: asyncio.PriorityQueue[tuple[int, str]] = asyncio.PriorityQueue()

    async def dispatch() -> None:
        with contextlib.suppress(TimeoutError):
            while True:
                await asyncio.wait_for(urgent.get(), 0.012 if fixed else None)  # <- dispatch

    async def submit() -> None:
        for number in range(2):
            await io()
            urgent.put_nowait((number, "page"))

    dispatching = asyncio.create_task(dispatch(), name="dispatch")
    await submit()
    await dispatching


QUEUES: dict[object, asyncio.Queue[Any]] = {}
"""Known to everybody, as a module's queue is."""


@buggy("stuck", "mail-worker", verdict="suspected")
async def producer_of_a_global_queue_failed(fixed: bool) -> None:
    """Whoever imports the module could put something; but the only one that ever did has failed."""
    key = object()
    QUEUES[key] = asyncio.Queue()

    async def submit() -> None:
        for number in range(3):
            await QUEUES[key].put(number)
            await io()
        if not fixed:
            raise ConnectionError("mail server")
        await slow_io()
        await QUEUES[key].put(None)

    async def work(queue: asyncio.Queue[Any]) -> None:
        while await queue.get() is not None:  # <- mail-worker
            await io()

    worker = asyncio.create_task(work(QUEUES[key]), name="mail-worker")
    try:
        submitting = asyncio.create_task(submit(), name="submit-mail")
        await asyncio.gather(submitting, worker, return_exceptions=True)
    finally:
        del QUEUES[key]


@buggy("stuck", "news-worker", verdict="suspected")
async def producer_of_a_global_queue_ended(fixed: bool) -> None:
    """Whoever imports the module could put something; but the only one that ever did has ended."""
    key = object()
    QUEUES[key] = asyncio.Queue()

    async def submit() -> None:
        for number in range(3):
            await QUEUES[key].put(number)
            await io()
        if fixed:
            await slow_io()
            await QUEUES[key].put(None)

    async def work(queue: asyncio.Queue[Any]) -> None:
        while await queue.get() is not None:  # <- news-worker
            await io()

    worker = asyncio.create_task(work(QUEUES[key]), name="news-worker")
    try:
        await asyncio.gather(asyncio.create_task(submit(), name="submit-news"), worker)
    finally:
        del QUEUES[key]


@buggy("stuck", "batch")
async def producer_that_a_timeout_ended(fixed: bool) -> None:
    """The timeout ends the producer; its end mark comes after the block and is never put."""
    events: asyncio.Queue[str | None] = asyncio.Queue()

    async def produce() -> None:
        try:
            async with asyncio.timeout(0.012):
                await events.put("first")
                await asyncio.sleep(1)
        finally:
            if fixed:
                await events.put(None)
        await events.put(None)

    async def batch() -> None:
        while await events.get() is not None:  # <- batch
            pass

    batching = asyncio.create_task(batch(), name="batch")
    await asyncio.gather(produce(), batching, return_exceptions=True)
