"""Async generators: waits in their bodies, in their clean-up, and in who consumes them (A6, A1)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from . import buggy, healthy, io, slow_io


class Feed:
    """A stream of quotes: an async generator over a queue that a reader fills."""

    def __init__(self) -> None:
        self.quotes: asyncio.Queue[float | None] = asyncio.Queue()

    async def stream(self) -> AsyncIterator[float]:
        while (quote := await self.quotes.get()) is not None:  # <- trader
            yield quote

    async def doubled(self) -> AsyncIterator[float]:
        async for quote in self.stream():  # <- trader
            yield 2 * quote

    async def read(self, end: bool) -> None:
        for quote in (1.0, 1.1):
            self.quotes.put_nowait(quote)
            await slow_io()
        if end:
            self.quotes.put_nowait(None)


@buggy("stuck", "trader")
async def reader_of_a_nested_stream_ended(fixed: bool) -> None:
    """Two generators deep, a queue is waited for whose producer is gone."""
    feed = Feed()

    async def trade() -> float:
        total = 0.0
        async for quote in feed.doubled():  # <- trader
            total += quote
        return total

    trader = asyncio.create_task(trade(), name="trader")
    await feed.read(end=fixed)
    await trader


@buggy("stuck|deadlock", "paginate", maybe=("main",))
async def finally_waits_for_its_own_consumer(fixed: bool) -> None:
    """Closing the generator waits until its consumer says that it is done; the consumer is who closes it."""
    consumed = asyncio.Event()

    async def pages() -> AsyncIterator[int]:
        try:
            for page in range(10):
                await io()
                yield page
        finally:
            await consumed.wait()  # <- paginate

    async def paginate() -> None:
        async with contextlib.aclosing(pages()) as found:  # type: ignore[type-var]
            async for page in found:
                await slow_io()
                if page == 1:
                    if fixed:
                        consumed.set()
                    break
        consumed.set()

    await asyncio.create_task(paginate(), name="paginate")


@contextlib.asynccontextmanager
async def subscription(released: asyncio.Event) -> AsyncIterator[str]:
    yield "topic"
    await released.wait()  # <- unsubscribe


@buggy("stuck", "unsubscribe")
async def manager_waits_on_the_way_out(fixed: bool) -> None:
    """The second half of an @asynccontextmanager waits for an event that its user sets after the block."""
    released = asyncio.Event()

    async def use() -> None:
        async with subscription(released):
            await slow_io()
            if fixed:
                released.set()
        released.set()

    await asyncio.create_task(use(), name="unsubscribe")


class Multiplexer:
    """Several sources in one stream; a task pumps each, the generator yields what they pumped."""

    def __init__(self) -> None:
        self.items: asyncio.Queue[Any] = asyncio.Queue()
        self.pumps: list[asyncio.Task[None]] = []

    async def pump(self, source: AsyncIterator[Any], mark_end: bool) -> None:
        try:
            async for item in source:
                await self.items.put(item)
        finally:
            if mark_end:
                await self.items.put(None)

    async def merged(self, *sources: AsyncIterator[Any], mark_end: bool) -> AsyncIterator[Any]:
        self.pumps = [asyncio.create_task(self.pump(each, mark_end), name="pump") for each in sources]
        left = len(sources)
        while left:
            item = await self.items.get()  # <- merge-streams
            if item is None:
                left -= 1
            else:
                yield item
        await asyncio.gather(*self.pumps, return_exceptions=True)


@buggy("stuck", "merge-streams", also=("lost-error",))
async def pump_of_a_merged_stream_fails(fixed: bool) -> None:
    """One of two pumps fails before it put its end mark."""

    async def readings(broken: bool) -> AsyncIterator[int]:
        for number in range(2):
            await slow_io()
            if broken and number:
                raise OSError("sensor")
            yield number

    streams = Multiplexer()

    async def merge() -> int:
        count = 0
        async for _ in streams.merged(readings(False), readings(True), mark_end=fixed):  # <- merge-streams
            count += 1
        return count

    merging = asyncio.create_task(merge(), name="merge-streams")
    await asyncio.wait([merging])


@buggy("deadlock", "walk-a", "walk-b", verdict="suspected|proven")
async def two_walks_that_hold_while_they_yield(fixed: bool) -> None:
    """Each generator yields inside the lock of its folder, and its consumer opens the other folder."""
    folders = {name: asyncio.Lock() for name in "ab"}

    async def entries(name: str) -> AsyncIterator[str]:
        async with folders[name]:
            for entry in "xyz":
                await io()
                yield entry

    async def walk(name: str, other: str) -> None:
        async with contextlib.aclosing(entries(name)) as found:  # type: ignore[type-var]
            async for _ in found:
                await slow_io()
                if fixed:
                    return
                async with folders[other]:  # <- walk-a, walk-b
                    await io()

    await asyncio.gather(*(asyncio.create_task(walk(*pair), name=f"walk-{pair[0]}") for pair in ("ab", "ba")))


@buggy("stuck", "decode")
async def asend_by_a_driver_that_ended(fixed: bool) -> None:
    """A generator that awaits its next chunk from a driver, which stopped after an error."""
    chunks: asyncio.Queue[bytes] = asyncio.Queue()

    async def decoder() -> AsyncIterator[str]:
        buffer = b""
        while True:
            while b"\n" not in buffer:
                buffer += await chunks.get()  # <- decode
            line, _, buffer = buffer.partition(b"\n")
            yield line.decode()

    async def drive() -> None:
        chunks.put_nowait(b"first\nsec")
        await slow_io()
        if fixed:
            chunks.put_nowait(b"ond\n")

    async def decode() -> list[str]:
        lines: list[str] = []
        async with contextlib.aclosing(decoder()) as decoded:  # type: ignore[type-var]
            while len(lines) < 2:
                lines.append(await anext(decoded))  # <- decode
        return lines

    decoding = asyncio.create_task(decode(), name="decode")
    await drive()
    await decoding


@healthy
async def generator_parked_between_two_items(fixed: bool) -> None:
    """Nobody asks for the next item for a while; the generator holds a lock that nobody else wants."""
    lock = asyncio.Lock()

    async def rows() -> AsyncIterator[int]:
        async with lock:
            for row in range(2):
                yield row

    async with contextlib.aclosing(rows()) as found:  # type: ignore[type-var]
        async for _ in found:
            await slow_io()
