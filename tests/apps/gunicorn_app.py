"""aiohttp under gunicorn: two workers, forked, each with a loop; the clients come from a process of their own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
from aiohttp import web
from gunicorn.app.base import BaseApplication

from .common import cancelled, free_port, listening, load

WORKERS = 2


async def make() -> web.Application:
    app = web.Application()
    lock = asyncio.Lock()

    async def count(request: web.Request) -> web.Response:
        async with lock:
            await asyncio.sleep(0.001)
        return web.Response(text=str(os.getpid()))

    async def poll(request: web.Request) -> web.Response:
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.get_running_loop().create_future(), 5)
        return web.Response(text="nothing new")

    app.add_routes([web.get("/", count), web.get("/poll", poll)])
    app.cleanup_ctx.append(beating)
    return app


async def beating(app: web.Application) -> AsyncIterator[None]:
    async def beat() -> None:
        while True:
            await asyncio.sleep(0.1)

    task = asyncio.create_task(beat())
    yield
    await cancelled(task)


class Server(BaseApplication):
    """gunicorn, told in Python what else stands in its file of settings."""

    def __init__(self, port: int) -> None:
        self.port = port
        super().__init__()

    def load_config(self) -> None:
        settings: dict[str, Any] = {
            "bind": f"127.0.0.1:{self.port}",
            "workers": WORKERS,
            "worker_class": "aiohttp.GunicornWebWorker",
            "graceful_timeout": 2,
            "loglevel": "error",
            "when_ready": lambda _server: start_clients(self.port),
        }
        for name, value in settings.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        return make


def start_clients(port: int) -> None:
    subprocess.Popen([sys.executable, "-m", __spec__.name, str(port)])


async def visit(port: int) -> None:
    await listening(port)
    connector = aiohttp.TCPConnector(force_close=True)  # each connection may go to another worker
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}", connector=connector) as http:
        answered: set[str] = set()

        async def ask() -> None:
            async with http.get("/") as response:
                answered.add(await response.text())

        polling = asyncio.create_task(poll(http))
        await load(*[ask] * 10)
        await cancelled(polling)
    assert 1 <= len(answered) <= WORKERS, answered


async def poll(http: aiohttp.ClientSession) -> None:
    while True:
        async with http.get("/poll") as response:
            await response.text()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(visit(int(sys.argv[1])))
    else:
        Server(free_port()).run()
