"""The dashboard in a browser: on loopback, and only for who has the address with its key."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

pytest.importorskip("textual_serve")

import aiohttp
from aiohttp import web

from unstuck.tui.top import command
from unstuck.tui.web import HOST, Guarded

from .apps.common import free_port
from .children import start

ROOT = Path(__file__).parents[1]

Steps = Callable[[Guarded, aiohttp.ClientSession], Awaitable[None]]


class Shop(Guarded):
    """Greets in the place of a dashboard."""

    async def handle_websocket(self, request: web.Request) -> web.WebSocketResponse:
        stream = web.WebSocketResponse()
        await stream.prepare(request)
        await stream.send_str("welcome")
        await stream.close()
        return stream


def served(steps: Steps) -> None:
    """Serve, and visit."""

    async def run() -> None:
        server = Shop("unstuck top", free_port())
        runner = web.AppRunner(await server._make_app())
        await runner.setup()
        await web.TCPSite(runner, HOST, server.port).start()
        jar = aiohttp.CookieJar(unsafe=True)
        try:
            async with aiohttp.ClientSession(f"http://{HOST}:{server.port}", cookie_jar=jar) as session:
                await steps(server, session)
        finally:
            await runner.cleanup()

    asyncio.run(run())


def test_who_has_the_key(capsys: pytest.CaptureFixture[str]) -> None:
    """The printed address opens the page; the key is not in the address that the browser shows then."""

    async def steps(server: Guarded, session: aiohttp.ClientSession) -> None:
        address = capsys.readouterr().out.split()[0]
        assert f"http://{HOST}:{server.port}/?key={server.secret}" == address
        async with session.get(address) as answer:
            assert (200, "/") == (answer.status, answer.url.path_qs)
            assert "unstuck top" in await answer.text()
        async with session.ws_connect("/ws") as socket:
            assert "welcome" == await socket.receive_str()

    served(steps)


@pytest.mark.parametrize("path", ["/", "/ws", "/?key=", "/?key=wrong", "/static/js/textual.js"])
def test_who_has_no_key(path: str) -> None:
    """Nothing is shown, nothing is started."""

    async def steps(server: Guarded, session: aiohttp.ClientSession) -> None:
        async with session.get(path) as answer:
            assert 403 == answer.status

    served(steps)


@pytest.mark.parametrize(
    "headers", [{"Host": "evil.example"}, {"Host": "localhost"}, {"Origin": "http://evil.example"}]
)
def test_who_comes_from_elsewhere(headers: dict[str, str]) -> None:
    """A page of another origin in the same browser has the cookie, and is refused: also one that rebinds a name."""

    async def steps(server: Guarded, session: aiohttp.ClientSession) -> None:
        async with session.get(f"/?key={server.secret}") as answer:
            assert 200 == answer.status
        for path in ("/", "/ws"):
            async with session.get(path, headers=headers) as answer:
                assert 403 == answer.status

    served(steps)


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said what to install."""
    monkeypatch.setitem(sys.modules, "textual_serve.server", None)
    monkeypatch.delitem(sys.modules, "unstuck.tui.web")
    done = CliRunner().invoke(command, ["--web"])
    assert 2 == done.exit_code
    assert "pip install 'unstuck[web]'" in done.output


def test_a_port_that_is_taken() -> None:
    """It is said so."""

    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = start("-m", "unstuck", "top", "--web", "--port", str(port), PYTHONPATH=str(ROOT / "src"))
    assert 2 == done.returncode
    assert f"port {port} cannot be had" in done.stderr
