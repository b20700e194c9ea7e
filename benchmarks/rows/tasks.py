"""Making tasks and waiting for them."""

from __future__ import annotations

import asyncio
import threading

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


@operation("create-await-threaded", "the same, in a program with a thread of its own (informative)", turns=20_000)
async def create_and_await_beside_a_thread(turns: int) -> None:
    have_a_thread()
    await create_and_await(turns)


_resting: list[threading.Thread] = []


def have_a_thread() -> None:
    """One more thread, at rest: with a second thread in the process the C library's locks cost what they cost."""
    if not _resting:
        _resting.append(threading.Thread(target=threading.Event().wait, daemon=True))
        _resting[0].start()
