"""Making tasks and waiting for them."""

from __future__ import annotations

import asyncio

from benchmarks.model import operation


async def trivial() -> None:
    """The least a task can do."""


@operation("create-await", "create and await a trivial task", turns=20_000, budget=1.05)
async def create_and_await(turns: int) -> None:
    for _ in range(turns):
        await asyncio.create_task(trivial())


@operation("gather-100", "gather of 100 trivial coroutines", turns=250, budget=1.05)
async def gather_a_hundred(turns: int) -> None:
    for _ in range(turns):
        await asyncio.gather(*[trivial() for _ in range(100)])
