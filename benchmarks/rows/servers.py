"""What a server pays for a request: its CPU time, whose inverse is the requests a second of one busy core.

The server runs in the child, on an address of the loopback; a load generator in another process keeps its connections
(``benchmarks.load``). The handlers do next to nothing, for what a handler does hides what the agent costs.
"""

from __future__ import annotations

import asyncio
import gc
import socket
import statistics
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from benchmarks.model import AGENT, DEBUG, NONE, Row, Sample, measurement
from benchmarks.modes import ROOT, environment, verify
from benchmarks.timing import BATCHES

REQUESTS, CONNECTIONS = 1_000, 8
ANSWER = {"hello": "world"}
Serving = Callable[[socket.socket], AbstractAsyncContextManager[None]]


@measurement(
    "http-aiohttp",
    Row("http-aiohttp", "a request to aiohttp, CPU time of the server", "http-aiohttp", budget=1.01),
    modes=(NONE, AGENT, DEBUG),
    needs=("aiohttp",),
)
def with_aiohttp(mode: str, scale: float) -> Sample:
    """Nanoseconds a request."""
    return asyncio.run(_measure(_aiohttp, mode, scale))


@measurement(
    "http-starlette",
    Row("http-starlette", "a request to uvicorn and Starlette, CPU time of the server", "http-starlette", budget=1.01),
    modes=(NONE, AGENT, DEBUG),
    needs=("uvicorn", "starlette"),
)
def with_starlette(mode: str, scale: float) -> Sample:
    """Nanoseconds a request."""
    return asyncio.run(_measure(_starlette, mode, scale))


async def _measure(serving: Serving, mode: str, scale: float) -> Sample:
    verify(mode)
    effort = scale * (0.1 if mode == DEBUG else 1.0)  # it is many times slower: fewer requests say as much
    requests = max(CONNECTIONS, round(REQUESTS * effort))
    with socket.socket(proto=socket.IPPROTO_TCP) as listening:  # as asyncio makes it: else it would not set TCP_NODELAY
        listening.bind(("127.0.0.1", 0))
        async with serving(listening), _load(listening.getsockname()[1]) as make:
            await make(requests)
            costs = []
            for _ in range(BATCHES):
                gc.collect()
                started = time.thread_time_ns()
                await make(requests)
                costs.append((time.thread_time_ns() - started) / requests)
    verify(mode)
    return {"ns": statistics.median(costs)}


@asynccontextmanager
async def _load(port: int) -> AsyncIterator[Callable[[int], Any]]:
    """The generator of load, in its own process and without the agent; gives ``await make(requests)``."""
    command = [sys.executable, "-m", "benchmarks.load", str(port), str(CONNECTIONS)]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, env=environment(NONE, {}, ""), stdin=pipe, stdout=pipe
    )
    assert process.stdin is not None
    assert process.stdout is not None
    told, read = process.stdin, process.stdout

    async def expect(word: bytes) -> None:
        line = await read.readline()
        if line.strip() != word:
            raise RuntimeError(f"the load generator said {line!r}")

    async def make(requests: int) -> None:
        told.write(b"%d\n" % requests)
        await expect(b"done")

    try:
        await expect(b"ready")
        yield make
    finally:
        told.close()
        await process.wait()


@asynccontextmanager
async def _aiohttp(listening: socket.socket) -> AsyncIterator[None]:
    from aiohttp import web

    async def hello(request: web.Request) -> web.Response:
        return web.json_response(ANSWER)

    app = web.Application()
    app.router.add_get("/", hello)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.SockSite(runner, listening).start()
        yield
    finally:
        await runner.cleanup()


@asynccontextmanager
async def _starlette(listening: socket.socket) -> AsyncIterator[None]:
    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    async def hello(request: Request) -> JSONResponse:
        return JSONResponse(ANSWER)

    app = Starlette(routes=[Route("/", hello)])
    config = uvicorn.Config(app, log_level="error", access_log=False, lifespan="off")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    while not (server.started or serving.done()):
        await asyncio.sleep(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        await serving
