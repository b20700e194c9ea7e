"""The websockets library: a server that broadcasts, clients that come, talk, listen and stay."""

from __future__ import annotations

import asyncio
import contextlib

import websockets
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, broadcast, serve

from .common import cancelled, load, run, signalled


async def main() -> None:
    rooms: set[ServerConnection] = set()
    seats = asyncio.BoundedSemaphore(30)

    async def chat(socket: ServerConnection) -> None:
        listens = socket.request is not None and socket.request.path == "/room"
        async with seats:
            if listens:
                rooms.add(socket)
            try:
                async for message in socket:
                    broadcast(rooms, message)
                    await socket.send(message)
            finally:
                rooms.discard(socket)

    async with serve(chat, "127.0.0.1", 0, ping_interval=0.2) as server:
        port = server.sockets[0].getsockname()[1]
        url = f"ws://127.0.0.1:{port}"

        async def stays() -> None:
            async for socket in connect(f"{url}/room", ping_interval=0.2):
                with contextlib.suppress(websockets.ConnectionClosed):
                    async for _ in socket:
                        pass

        async def talks() -> None:
            async with connect(url) as socket:
                for number in range(5):
                    await socket.send(f"message {number}")
                    await socket.recv()
                await (await socket.ping())

        async def hangs_up() -> None:
            async with connect(url, compression=None) as socket, asyncio.TaskGroup() as group:
                receiving = group.create_task(socket.recv())
                await socket.send("hello")
                await receiving

        staying = [asyncio.create_task(stays()) for _ in range(10)]
        await load(*[talks] * 5, *[hangs_up] * 3)
        await signalled()
        await cancelled(*staying)


if __name__ == "__main__":
    run(main)
