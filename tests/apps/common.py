"""What all applications share: the load, and the end by a signal."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

BUSY = float(os.environ.get("APP_BUSY", "1.5"))
"""Seconds of load."""
BUG = os.environ.get("APP_BUG") == "1"
"""Whether the application is the buggy one."""
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def say(word: str) -> None:
    """Tell whoever started this process."""
    print(word, flush=True)


async def load(*users: Callable[[], Awaitable[Any]], pause: float = 0.002) -> None:
    """Let each user act again and again for as long as the load is to last, then say that there is none any more."""
    end = time.monotonic() + BUSY

    async def act(user: Callable[[], Awaitable[Any]]) -> None:
        while time.monotonic() < end:
            await user()
            await asyncio.sleep(pause)

    async with asyncio.TaskGroup() as group:
        for user in users:
            group.create_task(act(user))
    say("idle")


async def signalled() -> None:
    """Return when the process is asked to stop."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for each in _SIGNALS:
        loop.add_signal_handler(each, stop.set)
    await stop.wait()
    for each in _SIGNALS:
        loop.remove_signal_handler(each)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def cancelled(*tasks: asyncio.Task[Any]) -> None:
    """Cancel the tasks and return when they have ended."""
    for each in tasks:
        each.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def listening(port: int) -> None:
    """Return when somebody listens on the port."""
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.01)
        else:
            writer.close()
            return await writer.wait_closed()


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run ``main`` on the loop that APP_LOOP names."""
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(main())


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Makes the loop that APP_LOOP names; None for asyncio's own."""
    if os.environ.get("APP_LOOP") != "uvloop":
        return None
    import uvloop

    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


def uvicorn_loop() -> str:
    """The same, as uvicorn wants it to be told."""
    return "asyncio" if loop_factory() is None else "uvloop"
