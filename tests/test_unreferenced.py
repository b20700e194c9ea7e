"""Tasks that nobody refers to: the agent does not keep them alive, and their end proves nobody wrong."""

from __future__ import annotations

import asyncio
import gc
import time
import weakref

from unstuck.agent.confirm import in_loop

from . import harness


async def _hold_and_await(lock: asyncio.Lock) -> None:
    async def inner() -> None:
        async with lock:
            pass

    async with lock:
        await asyncio.create_task(inner())


def test_when_a_deadlock_is_dropped_it_is_collected() -> None:
    """As it would be without the agent; the finding is closed, not retracted."""

    async def main() -> None:
        lock = asyncio.Lock()
        kept, task = weakref.ref(lock), weakref.ref(asyncio.create_task(_hold_and_await(lock)))
        del lock
        deadline = time.monotonic() + 5
        while not ear.opened("deadlock") and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        for _ in range(20):
            await asyncio.sleep(0.01)
            gc.collect()
        assert (kept(), task()) == (None, None)

    with harness.agent() as ear:
        asyncio.run(main())
    assert [event.event for event in ear.events if event.finding.kind == "deadlock"] == ["opened", "closed"]


def test_when_a_loop_is_asked_from_its_own_thread() -> None:
    """Between two tasks' steps it answers at once; a task of its own gets no answer, and does not wait for one."""
    answers: list[object] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.call_soon(lambda: answers.append(in_loop(loop, lambda: "here")))
        await asyncio.sleep(0)
        answers.append(in_loop(loop, lambda: "here"))

    start = time.monotonic()
    asyncio.run(main())
    assert (answers, time.monotonic() - start < 0.4) == (["here", None], True)
