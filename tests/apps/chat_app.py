"""asyncio's own streams: a chat server, a hundred clients that say nothing, a few that do, a long poll."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque

from .common import cancelled, load, run, signalled


class Room:
    """Everybody hears what anybody says, and may wait for news."""

    def __init__(self) -> None:
        self.members: set[asyncio.StreamWriter] = set()
        self.history: deque[bytes] = deque(maxlen=100)
        self.news = asyncio.Condition()
        self.saved: asyncio.Queue[bytes] = asyncio.Queue(50)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.members.add(writer)
        try:
            while line := await reader.readline():
                await self.answer(line, writer)
        except ConnectionError:
            pass
        finally:
            self.members.discard(writer)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def answer(self, line: bytes, writer: asyncio.StreamWriter) -> None:
        if line == b"poll\n":
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self.wait_for_news(), 30)
            writer.write(b"news\n")
        else:
            self.history.append(line)
            await self.saved.put(line)
            async with self.news:
                self.news.notify_all()
            for member in self.members:
                if not member.is_closing():
                    member.write(line)
        await writer.drain()

    async def wait_for_news(self) -> None:
        async with self.news:
            await self.news.wait()

    async def close(self) -> None:
        """Let those who poll know."""
        async with self.news:
            self.news.notify_all()

    async def save(self) -> None:
        while True:
            await self.saved.get()
            await asyncio.to_thread(len, self.history)
            self.saved.task_done()


async def main() -> None:
    room = Room()
    server = await asyncio.start_server(room.serve, "127.0.0.1", 0, limit=2**14)
    address = server.sockets[0].getsockname()[:2]

    async def listens() -> None:
        reader, writer = await asyncio.open_connection(*address)
        try:
            while await reader.readline():
                pass
        finally:
            writer.close()

    async def polls() -> None:
        reader, writer = await asyncio.open_connection(*address)
        try:
            while True:
                writer.write(b"poll\n")
                await reader.readuntil(b"news\n")
        finally:
            writer.close()

    async def talks() -> None:
        reader, writer = await asyncio.open_connection(*address)
        for number in range(5):
            writer.write(b"line %d\n" % number)
            await writer.drain()
            await reader.readline()
        writer.close()
        await writer.wait_closed()

    async with server:
        tasks = [asyncio.create_task(room.save()), asyncio.create_task(server.serve_forever())]
        tasks += [asyncio.create_task(listens()) for _ in range(100)]
        tasks += [asyncio.create_task(polls()) for _ in range(3)]
        await load(*[talks] * 5, pause=0.02)
        await room.saved.join()
        await signalled()
        await room.close()
        await cancelled(*tasks)


if __name__ == "__main__":
    run(main)
