"""Web applications under OpenTelemetry's own server instrumentation: what deadlocks is told in its request's trace."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider

from . import harness
from .receiver import PATIENCE, Backend, attributes
from .test_otlp_delivery import free_port

WAYS = ("there", "back")


class Requests(SpanProcessor):
    """The server spans as they begin: of a request that is stuck the application itself never tells."""

    def __init__(self) -> None:
        self.begun: dict[str, str] = {}

    def on_start(self, span: Span, parent_context: Any = None) -> None:
        if span.kind is trace.SpanKind.SERVER:
            context = span.get_span_context()
            self.begun[f"{context.trace_id:032x}"] = f"{context.span_id:016x}"

    def on_end(self, span: ReadableSpan) -> None:
        pass


async def transfer(locks: list[asyncio.Lock], way: str) -> None:
    first, second = locks if way == "there" else reversed(locks)
    async with first:
        await asyncio.sleep(0.05)
        async with second:
            pass


@contextlib.asynccontextmanager
async def aiohttp_server(provider: TracerProvider) -> AsyncIterator[str]:
    from aiohttp import web
    from opentelemetry.instrumentation.aiohttp_server import AioHttpServerInstrumentor

    locks = [asyncio.Lock(), asyncio.Lock()]

    async def handle(request: web.Request) -> web.Response:
        await transfer(locks, request.match_info["way"])
        return web.Response()

    instrumentor = AioHttpServerInstrumentor()
    instrumentor.instrument(tracer_provider=provider)
    app = web.Application()
    app.router.add_get("/{way}", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()
        instrumentor.uninstrument()


@contextlib.asynccontextmanager
async def fastapi_server(provider: TracerProvider) -> AsyncIterator[str]:
    import fastapi
    import uvicorn
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor

    locks = [asyncio.Lock(), asyncio.Lock()]
    app = fastapi.FastAPI()

    @app.get("/{way}")
    async def handle(way: str) -> None:
        await transfer(locks, way)

    FastAPIInstrumentor.instrument_app(app, tracer_provider=provider)
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="critical", timeout_graceful_shutdown=1))
    server.install_signal_handlers = lambda: None
    running = asyncio.create_task(server._serve())
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.force_exit = server.should_exit = True
        await running


async def ask(url: str) -> None:
    host, _, port = url.removeprefix("http://").partition("/")[0].partition(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET /{url.rpartition('/')[2]} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    await writer.drain()
    try:
        await asyncio.sleep(PATIENCE)
    finally:
        writer.close()


@pytest.mark.filterwarnings("ignore:Inheritance class:DeprecationWarning")  # the instrumentation's
@pytest.mark.parametrize(
    ("server", "package"),
    [
        (aiohttp_server, "opentelemetry.instrumentation.aiohttp_server"),
        (fastapi_server, "opentelemetry.instrumentation.fastapi"),
    ],
)
def test_when_requests_deadlock(backend: Backend, server: Callable[..., Any], package: str) -> None:
    """Two requests, each with a log record and the span of its wait within its own server span, while they hang."""
    pytest.importorskip(package)
    requests = Requests()
    provider = TracerProvider()
    provider.add_span_processor(requests)

    async def program() -> None:
        async with server(provider) as url:
            clients = [asyncio.create_task(ask(f"{url}/{way}")) for way in WAYS]
            while len(backend.events("opened")) < 2 or len(backend.spans) < 2:
                await asyncio.sleep(0.02)
            for client in clients:
                client.cancel()
            await asyncio.gather(*clients, return_exceptions=True)
            for task in asyncio.all_tasks():
                if "handle" in str(task.get_coro()) or "start" in str(task.get_coro()) or "run_asgi" in str(task):
                    task.cancel()

    with harness.agent(sinks=("otlp",), detect=frozenset({"deadlock"})):
        asyncio.run(asyncio.wait_for(program(), PATIENCE))
    assert 2 == len(requests.begun)
    records = {record.trace_id.hex(): record.span_id.hex() for record in backend.events("opened")}
    assert requests.begun.keys() == records.keys()
    waits = [span for span in backend.spans if not attributes(span)["unstuck.wait.ended"]]
    assert requests.begun.keys() == {span.trace_id.hex() for span in waits}
    assert all(span.parent_span_id.hex() == records[span.trace_id.hex()] for span in waits)
    assert {"wait for asyncio.Lock"} == {span.name for span in waits}
