"""A shop on aiohttp under load, in which one request of the wrong kind stops all others.

A checkout takes the lock of the stock and then that of the ledger; a refund takes them the other way round.

    UNSTUCK=1 python -m tests.gallery.checkout PORT
    curl -X POST localhost:PORT/refund/7
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys
from collections.abc import AsyncIterator

import aiohttp
from aiohttp import web

CUSTOMERS = 40
PRODUCTS = ("tea", "coffee", "cocoa")


class Shop:
    def __init__(self) -> None:
        self.stock = asyncio.Lock()
        self.ledger = asyncio.Lock()
        self.database = asyncio.Semaphore(5)
        self.receipts: asyncio.Queue[str] = asyncio.Queue(100)

    async def query(self, seconds: float) -> None:
        async with self.database:
            await asyncio.sleep(seconds)

    async def checkout(self, request: web.Request) -> web.Response:
        async with self.stock:
            await self.query(0.002)
            async with self.ledger:
                await self.query(0.001)
        await self.receipts.put(request.match_info["product"])
        return web.json_response({"sold": request.match_info["product"]})

    async def refund(self, request: web.Request) -> web.Response:
        async with self.ledger:
            await self.query(0.01)
            async with self.stock:
                await self.query(0.001)
        return web.json_response({"refunded": request.match_info["order"]})

    async def browse(self, request: web.Request) -> web.Response:
        await self.query(0.003)
        return web.json_response({"products": PRODUCTS})

    async def print_receipts(self) -> None:
        while True:
            await self.receipts.get()
            await asyncio.sleep(0.001)
            self.receipts.task_done()


async def customer(session: aiohttp.ClientSession) -> None:
    while True:
        async with session.get("/products") as response:
            products = (await response.json())["products"]
        await asyncio.sleep(random.uniform(0.01, 0.2))
        async with session.post(f"/checkout/{random.choice(products)}") as response:
            await response.read()


async def crowd(port: int) -> None:
    await asyncio.sleep(0.5)  # until the shop is open
    patience = aiohttp.ClientTimeout(None)
    async with (
        aiohttp.ClientSession(f"http://127.0.0.1:{port}", timeout=patience) as session,
        asyncio.TaskGroup() as group,
    ):
        for number in range(CUSTOMERS):
            group.create_task(customer(session), name=f"customer-{number}")


def application(port: int) -> web.Application:
    shop, app = Shop(), web.Application()
    app.router.add_post("/checkout/{product}", shop.checkout)
    app.router.add_post("/refund/{order}", shop.refund)
    app.router.add_get("/products", shop.browse)

    async def running(_app: web.Application) -> AsyncIterator[None]:
        tasks = [
            asyncio.create_task(shop.print_receipts(), name="receipts"),
            asyncio.create_task(crowd(port), name="crowd"),
        ]
        yield
        for each in tasks:
            each.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await each

    app.cleanup_ctx.append(running)
    return app


if __name__ == "__main__":
    web.run_app(application(int(sys.argv[1])), host="127.0.0.1", port=int(sys.argv[1]), print=lambda _: None)
