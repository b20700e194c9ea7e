"""redis.asyncio: a pool under contention, pub/sub, a list that is waited on, streams, locks; all of it idle at last.

What is published is handed to workers through a queue, by a task that with the bug fails at the first bad message.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os

from redis.asyncio import BlockingConnectionPool, Redis
from redis.exceptions import LockError

from .common import BUG, cancelled, load, run, signalled

URL = os.environ["APP_REDIS"]
LOG = logging.getLogger(__name__)
SERVICES: set[asyncio.Task[None]] = set()


class Relay:
    """Hands what is published to workers."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self.jobs: asyncio.Queue[dict[str, int]] = asyncio.Queue(100)
        self.done = 0

    async def listen(self) -> None:
        async with self.redis.pubsub(ignore_subscribe_messages=True) as pubsub:
            await pubsub.subscribe("jobs")
            async for message in pubsub.listen():
                with contextlib.nullcontext() if BUG else contextlib.suppress(ValueError):
                    await self.jobs.put(json.loads(message["data"]))

    async def work(self) -> None:
        while True:
            job = await self.jobs.get()
            await self.redis.incrby("total", job["count"])
            self.done += 1
            self.jobs.task_done()


def start(redis: Redis) -> None:
    """What runs in the background: who fails is written down, and the others go on."""
    relay = Relay(redis)
    for service in (relay.listen(), *(relay.work() for _ in range(3)), poll(redis), pop(redis), read(redis)):
        task = asyncio.create_task(service)
        SERVICES.add(task)
        task.add_done_callback(ended)


def ended(task: asyncio.Task[None]) -> None:
    SERVICES.discard(task)
    if not task.cancelled() and task.exception() is not None:
        LOG.error("a service has failed: %r", task.exception())


async def poll(redis: Redis) -> None:
    """Another way to subscribe: with a timeout, over and over."""
    async with redis.pubsub() as pubsub:
        await pubsub.psubscribe("job*")
        while True:
            await pubsub.get_message(ignore_subscribe_messages=True, timeout=0.2)


async def pop(redis: Redis) -> None:
    """A worker on a list that is empty for most of the time: Redis itself lets it wait."""
    while True:
        await redis.blpop(["list"], timeout=0)


async def read(redis: Redis) -> None:
    last = "$"
    while True:
        for _, entries in await redis.xread({"stream": last}, block=0) or ():
            last = entries[-1][0]


async def main() -> None:
    pool = BlockingConnectionPool.from_url(URL, max_connections=8, timeout=30)
    async with Redis(connection_pool=pool) as redis, Redis.from_url(URL, socket_timeout=None) as waiting:
        start(waiting)

        async def publishes() -> None:
            await redis.publish("jobs", json.dumps({"count": 1}))
            await redis.publish("jobs", "not json")
            await redis.rpush("list", "x")
            await redis.xadd("stream", {"x": 1}, maxlen=100)

        async def counts() -> None:
            async with redis.pipeline(transaction=True) as pipe:
                await pipe.incr("a").incr("b").get("a").execute()
            await asyncio.gather(*(redis.get(f"key {number}") for number in range(20)))

        async def locks() -> None:
            with contextlib.suppress(LockError):
                async with redis.lock("one at a time", timeout=30, blocking_timeout=5, sleep=0.005):
                    await redis.incr("guarded")

        await load(*[publishes] * 4, *[counts] * 4, *[locks] * 3)
        await signalled()
        await cancelled(*SERVICES)


if __name__ == "__main__":
    run(main)
