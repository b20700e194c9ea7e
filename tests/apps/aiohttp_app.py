"""aiohttp: a server with cleanup contexts, background tasks and websockets, and its clients, keep-alive and all."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import aiohttp
from aiohttp import web

from .common import BUG, cancelled, free_port, listening, load, loop_factory

PORT = free_port()
URL = f"http://127.0.0.1:{PORT}"
FROM, TO = web.AppKey("from", asyncio.Lock), web.AppKey("to", asyncio.Lock)
MAIL = web.AppKey("mail", asyncio.Queue[str])
SOCKETS = web.AppKey("sockets", set[web.WebSocketResponse])


async def transfer(request: web.Request) -> web.Response:
    first, second = request.app[FROM], request.app[TO]
    if BUG and request.query["way"] == "back":
        first, second = second, first
    async with first:
        await asyncio.sleep(0.002)
        async with second:
            await request.app[MAIL].put("transferred")
    return web.json_response({"done": True})


async def echo(request: web.Request) -> web.Response:
    return web.Response(body=await request.read())


async def feed(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    with contextlib.suppress(ConnectionResetError):
        for number in range(5):
            await response.write(b"%d\n" % number)
            await asyncio.sleep(0.001)
    return response


async def talk(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse(heartbeat=1.0)
    await socket.prepare(request)
    request.app[SOCKETS].add(socket)
    try:
        async for message in socket:
            if message.type is aiohttp.WSMsgType.TEXT:
                await socket.send_str(message.data.upper())
    finally:
        request.app[SOCKETS].discard(socket)
    return socket


async def mailing(app: web.Application) -> AsyncIterator[None]:
    async def post() -> None:
        while True:
            await app[MAIL].get()
            await asyncio.sleep(0.001)
            app[MAIL].task_done()

    poster = asyncio.create_task(post())
    yield
    await app[MAIL].join()
    await cancelled(poster)


async def goodbye(app: web.Application) -> None:
    for socket in set(app[SOCKETS]):
        await socket.close(code=aiohttp.WSCloseCode.GOING_AWAY)


async def clients(app: web.Application) -> AsyncIterator[None]:
    visiting = asyncio.create_task(visit())
    yield
    await cancelled(visiting)


async def visit() -> None:
    await listening(PORT)
    async with aiohttp.ClientSession(URL, connector=aiohttp.TCPConnector(limit=10)) as session:

        async def moves() -> None:
            for way in ("there", "back"):
                async with session.post("/transfer", params={"way": way}) as response:
                    assert (await response.json())["done"]

        async def posts() -> None:
            async with session.post("/echo", data=b"x" * 50_000) as response:
                assert len(await response.read()) == 50_000

        async def reads() -> None:
            async with session.get("/feed") as response:
                async for _ in response.content:
                    pass

        async def gives_up() -> None:
            with contextlib.suppress(asyncio.TimeoutError):
                async with session.get("/feed", timeout=aiohttp.ClientTimeout(total=0.004)) as response:
                    await response.read()

        async def chats() -> None:
            async with session.ws_connect("/talk") as socket:
                await socket.send_str("hello")
                assert await socket.receive_str() == "HELLO"

        async with session.ws_connect("/talk", heartbeat=1.0) as lasting:
            await load(*[moves] * 6, *[posts] * 4, *[reads] * 4, gives_up, *[chats] * 2)
            async for _ in lasting:  # and now it idles, but for its heartbeat
                pass


def main() -> None:
    app = web.Application()
    app[FROM], app[TO] = asyncio.Lock(), asyncio.Lock()
    app[MAIL], app[SOCKETS] = asyncio.Queue(100), set()
    app.add_routes([web.post("/transfer", transfer), web.post("/echo", echo)])
    app.add_routes([web.get("/feed", feed), web.get("/talk", talk)])
    app.cleanup_ctx.append(mailing)
    app.on_shutdown.append(goodbye)
    app.cleanup_ctx.append(clients)
    loop = (loop_factory() or asyncio.new_event_loop)()
    web.run_app(app, host="127.0.0.1", port=PORT, print=None, loop=loop)


if __name__ == "__main__":
    main()
