"""Signals that nobody gives any more: events lost, replaced, or left to somebody who died (A6)."""

from __future__ import annotations

import asyncio
import contextlib

from . import Pace, buggy, io, slow_io


class Cache:
    """Entries by key; whoever misses first loads, the others wait for the event of that key."""

    def __init__(self) -> None:
        self.ready: dict[str, asyncio.Event] = {}

    async def wait(self, key: str, share: bool) -> None:
        if key not in self.ready or not share:
            self.ready[key] = asyncio.Event()
        await self.ready[key].wait()  # <- reader-1

    def loaded(self, key: str) -> None:
        self.ready.pop(key).set()


@buggy("stuck", "reader-1")
async def event_of_a_key_is_overwritten(fixed: bool) -> None:
    cache = Cache()
    readers = [asyncio.create_task(cache.wait("rates", share=fixed), name=f"reader-{n}") for n in (1, 2)]
    await slow_io()
    cache.loaded("rates")
    await asyncio.gather(*readers)


class Service:
    """Something that is started, and that others wait for the end of."""

    def __init__(self) -> None:
        self.stopped = asyncio.Event()

    def start(self, afresh: bool) -> None:
        if afresh:
            self.stopped = asyncio.Event()

    async def join(self) -> None:
        await self.stopped.wait()  # <- await-end

    async def stop(self) -> None:
        await slow_io()
        self.stopped.set()


@buggy("stuck", "await-end")
async def restart_replaces_the_event(fixed: bool) -> None:
    service = Service()
    waiting = asyncio.create_task(service.join(), name="await-end")
    await io()
    service.start(afresh=not fixed)
    await service.stop()
    await waiting


@buggy("stuck", "await-ready")
async def pulse_before_anybody_waits(fixed: bool) -> None:
    """set() and clear() in one go wake those who wait already; who comes later has missed it."""
    ready = asyncio.Event()

    async def announce() -> None:
        await slow_io() if fixed else await asyncio.sleep(0)
        ready.set()
        if not fixed:
            ready.clear()

    async def wait() -> None:
        await io()
        await ready.wait()  # <- await-ready

    await asyncio.gather(announce(), asyncio.create_task(wait(), name="await-ready"))


@buggy("stuck", "serve-shard")
async def setter_fails_before_it_sets(fixed: bool) -> None:
    loaded = asyncio.Event()

    async def load() -> None:
        try:
            await slow_io()
            raise OSError("no such shard")
        finally:
            if fixed:
                loaded.set()

    async def serve() -> None:
        await loaded.wait()  # <- serve-shard

    server = asyncio.create_task(serve(), name="serve-shard")
    await asyncio.gather(load(), server, return_exceptions=True)


@buggy("stuck", "follower")
async def leader_is_cancelled_before_it_sets(fixed: bool) -> None:
    elected = asyncio.Event()

    async def lead() -> None:
        try:
            await asyncio.sleep(1)
            elected.set()
        except asyncio.CancelledError:
            if fixed:
                elected.set()
            raise

    async def follow() -> None:
        await elected.wait()  # <- follower

    leader, follower = asyncio.create_task(lead(), name="leader"), asyncio.create_task(follow(), name="follower")
    await slow_io()
    leader.cancel()
    await asyncio.gather(leader, follower, return_exceptions=True)


@buggy("stuck|deadlock", "primary", "replica")
async def each_waits_for_the_other_to_be_ready(fixed: bool) -> None:
    primary_ready, replica_ready = asyncio.Event(), asyncio.Event()

    async def start_primary() -> None:
        if fixed:
            primary_ready.set()
        await replica_ready.wait()  # <- primary
        primary_ready.set()

    async def start_replica() -> None:
        await primary_ready.wait()  # <- replica
        await slow_io()
        replica_ready.set()

    primary = asyncio.create_task(start_primary(), name="primary")
    replica = asyncio.create_task(start_replica(), name="replica")
    await asyncio.gather(primary, replica)


@buggy("stuck|deadlock", "flush", maybe=("main",))
async def shutdown_waits_for_a_worker_that_waits_for_shutdown(fixed: bool) -> None:
    stopping = asyncio.Event()

    async def flush() -> None:
        await stopping.wait()  # <- flush
        await io()

    async def shut_down(worker: asyncio.Task[None]) -> None:
        await slow_io()
        if fixed:
            stopping.set()
        await worker
        stopping.set()

    await shut_down(asyncio.create_task(flush(), name="flush"))


@buggy("stuck|deadlock", "subscriber", maybe=("main",))
async def event_set_after_the_group(fixed: bool) -> None:
    """The group waits for its child, the child for an event that is set once the group is over."""
    started = asyncio.Event()

    async def subscribe() -> None:
        await started.wait()  # <- subscriber

    async with asyncio.TaskGroup() as group:
        group.create_task(subscribe(), name="subscriber")
        await slow_io()
        if fixed:
            started.set()
    started.set()


@buggy("stuck", "step-two")
async def timeout_moved_to_never(fixed: bool) -> None:
    """There is an asyncio.timeout around it, but it was rescheduled to None."""
    approved = asyncio.Event()

    async def step() -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(Pace.slow) as limit:
                await io()
                if not fixed:
                    limit.reschedule(None)
                await approved.wait()  # <- step-two

    await asyncio.create_task(step(), name="step-two")


CACHES: dict[object, asyncio.Event] = {}
"""Known to everybody, as a module's caches are."""


@buggy("stuck", "await-refresh", verdict="suspected")
async def only_setter_fails_but_a_global_knows_the_event(fixed: bool) -> None:
    """Anybody could set it, so nothing is proven; but the one who always did has failed."""
    key = object()
    CACHES[key] = asyncio.Event()

    async def refresh() -> None:
        for turn in range(3):
            await io()
            if turn == 2:
                if not fixed:
                    raise ConnectionError("upstream")
                await slow_io()
            CACHES[key].set()
            CACHES[key].clear()

    async def read(refreshed: asyncio.Event) -> None:
        for _ in range(3):
            await refreshed.wait()  # <- await-refresh

    async def beat(reading: asyncio.Task[None]) -> None:
        while not reading.done():
            await io()

    reading = asyncio.create_task(read(CACHES[key]), name="await-refresh")
    try:
        await asyncio.gather(asyncio.create_task(refresh()), reading, beat(reading), return_exceptions=True)
    finally:
        del CACHES[key]
