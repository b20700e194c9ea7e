"""Starlette under uvicorn: lifespan, background tasks, streams, events that idle, websockets, task groups, threads."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import anyio
import httpx
import uvicorn
import websockets
from anyio import CapacityLimiter
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from .common import cancelled, free_port, listening, load, uvicorn_loop

PORT = free_port()
LISTENERS: set[asyncio.Queue[str]] = set()


@contextlib.asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[dict[str, CapacityLimiter]]:
    heartbeat, visitors = asyncio.create_task(beat()), asyncio.create_task(visit())
    async with anyio.create_task_group() as group:
        group.start_soon(anyio.sleep_forever)
        yield {"limiter": CapacityLimiter(4)}
        group.cancel_scope.cancel()
    await cancelled(heartbeat, visitors)


async def beat() -> None:
    while True:
        await asyncio.sleep(0.1)
        publish("beat")


def publish(what: str) -> None:
    for listener in LISTENERS:
        if not listener.full():
            listener.put_nowait(what)


async def fan_out(request: Request) -> Response:
    """Several things at once, in a task group, and a note when the response is sent."""
    results: list[int] = []

    async def part(number: int) -> None:
        async with request.state.limiter:
            await anyio.sleep(0.001)
            results.append(number)

    async with anyio.create_task_group() as group:
        for number in range(8):
            group.start_soon(part, number)
    with anyio.move_on_after(0.0005):
        await anyio.sleep(1)
    return JSONResponse(sorted(results), background=BackgroundTask(publish, "fanned out"))


async def computed(request: Request) -> Response:
    return JSONResponse(await run_in_threadpool(lambda: time.sleep(0.002) or 42))


def in_a_thread(request: Request) -> Response:
    time.sleep(0.001)
    return JSONResponse("from a thread")


async def stream(request: Request) -> Response:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield b"x" * 10_000
            await asyncio.sleep(0)

    return StreamingResponse(parts())


async def events(request: Request) -> Response:
    """Server-sent events: nothing for most of the time."""

    async def lines() -> AsyncIterator[str]:
        listener: asyncio.Queue[str] = asyncio.Queue(10)
        LISTENERS.add(listener)
        try:
            while True:
                yield f"data: {await listener.get()}\n\n"
        finally:
            LISTENERS.discard(listener)

    return StreamingResponse(lines(), media_type="text/event-stream")


async def chat(socket: WebSocket) -> None:
    await socket.accept()
    async for text in socket.iter_text():
        await socket.send_text(text.upper())


async def visit() -> None:
    await listening(PORT)
    limits = httpx.Limits(max_connections=20)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{PORT}", limits=limits, timeout=30) as client:

        async def subscribe() -> None:
            async with client.stream("GET", "/events") as response:
                with contextlib.suppress(httpx.HTTPError):  # the server goes first
                    async for _ in response.aiter_lines():
                        pass

        async def looks() -> None:
            for path in ("/fan-out", "/computed", "/thread", "/stream"):
                response = await client.get(path)
                assert response.status_code == 200

        async def leaves_early() -> None:
            async with client.stream("GET", "/events") as response:
                async for _ in response.aiter_lines():
                    return

        async with (
            asyncio.TaskGroup() as group,
            websockets.connect(f"ws://127.0.0.1:{PORT}/chat") as lasting,
        ):
            subscribers = [group.create_task(subscribe()) for _ in range(5)]

            async def chats() -> None:
                async with websockets.connect(f"ws://127.0.0.1:{PORT}/chat") as socket:
                    await socket.send("hello")
                    assert await socket.recv() == "HELLO"

            await load(*[looks] * 6, leaves_early, chats)
            with contextlib.suppress(websockets.ConnectionClosed):
                await lasting.recv()
            await asyncio.wait(subscribers)


app = Starlette(
    lifespan=lifespan,
    routes=[
        Route("/fan-out", fan_out),
        Route("/computed", computed),
        Route("/thread", in_a_thread),
        Route("/stream", stream),
        Route("/events", events),
        WebSocketRoute("/chat", chat),
    ],
)

if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=PORT, log_level="error", loop=uvicorn_loop(), timeout_graceful_shutdown=1)
