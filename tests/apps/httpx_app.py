"""httpx: one client with a pool of 20 connections, 200 requests at a time, and answers that come slowly."""

from __future__ import annotations

import asyncio
import random

import httpx

from .common import load, run, signalled


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """The least that a server of HTTP with keep-alive must do."""
    try:
        while await reader.readuntil(b"\r\n\r\n"):
            await asyncio.sleep(random.uniform(0, 0.02))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def main() -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    limits = httpx.Limits(max_connections=20, max_keepalive_connections=10, keepalive_expiry=0.5)
    async with server, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", limits=limits, timeout=None) as client:

        async def crowd() -> None:
            answers = await asyncio.gather(*(client.get("/") for _ in range(200)))
            assert {"ok"} == {each.text for each in answers}

        async def impatient() -> None:
            for _ in range(5):
                try:
                    await client.get("/", timeout=httpx.Timeout(30, pool=0.01))
                except httpx.PoolTimeout:
                    await asyncio.sleep(0.01)

        async def leaves() -> None:
            one = asyncio.create_task(client.get("/"))
            await asyncio.sleep(0.01)
            one.cancel()
            await asyncio.wait([one])

        await load(crowd, impatient, leaves)
        await signalled()


if __name__ == "__main__":
    run(main)
