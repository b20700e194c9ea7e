"""FastAPI under uvicorn: dependencies with yield, async and in threads, cached ones, background tasks, a login lock."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Annotated

import aiohttp
import uvicorn
from fastapi import BackgroundTasks, Depends, FastAPI, HTTPException
from pydantic import BaseModel

from .common import BUG, cancelled, free_port, listening, load, uvicorn_loop

PORT = free_port()
SESSIONS = asyncio.Semaphore(5)
AUDIT: asyncio.Queue[str] = asyncio.Queue()


class Order(BaseModel):
    item: str
    count: int = 1


class Session:
    """A unit of work; others wait until there is one to be had."""

    def __init__(self) -> None:
        self.orders: list[Order] = []

    async def commit(self) -> None:
        await asyncio.sleep(0.001)


async def session() -> AsyncIterator[Session]:
    async with SESSIONS:
        current = Session()
        yield current
        await current.commit()


def settings() -> Iterator[dict[str, int]]:
    with threading.Lock():
        yield {"most": 5}


Work = Annotated[Session, Depends(session)]
Settings = Annotated[dict[str, int], Depends(settings)]


@contextlib.asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    auditor, visitors = asyncio.create_task(audit()), asyncio.create_task(visit())
    yield
    await cancelled(auditor, visitors)


app = FastAPI(lifespan=lifespan)


async def audit() -> None:
    while True:
        await AUDIT.get()


def note(item: str, loop: asyncio.AbstractEventLoop) -> None:
    """A background task in a thread."""
    loop.call_soon_threadsafe(AUDIT.put_nowait, item)


@app.post("/orders")
async def order(order: Order, work: Work, most: Settings, background: BackgroundTasks) -> Order:
    if order.count > most["most"]:
        raise HTTPException(422, "too many")
    if BUG:
        async with contextlib.asynccontextmanager(session)() as another:  # everybody has one and waits for a second
            another.orders.append(order)
    work.orders.append(order)
    background.add_task(note, order.item, asyncio.get_running_loop())
    background.add_task(AUDIT.put, order.item)
    return order


@app.get("/orders/{item}")
def look_up(item: str, work: Work) -> Order:
    return Order(item=item)


async def visit() -> None:
    await listening(PORT)
    async with aiohttp.ClientSession(f"http://127.0.0.1:{PORT}") as http:

        async def buys() -> None:
            for count, status in ((1, 200), (9, 422)):
                async with http.post("/orders", json={"item": "book", "count": count}) as response:
                    assert response.status == status
            async with http.get("/orders/book") as response:
                assert (await response.json())["item"] == "book"

        await load(*[buys] * 15)


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=PORT, log_level="error", loop=uvicorn_loop())
