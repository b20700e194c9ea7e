"""Who joins whom, kept from tick to tick (``agent.joins``)."""

from __future__ import annotations

import asyncio
from typing import Any

from unstuck.agent.census import Taker
from unstuck.agent.state import State, TaskRecord


def _known(state: State, *tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        state.records.add(TaskRecord(task, state.records.discard))


async def _await(task: Any) -> None:
    await task


async def _turn() -> None:
    for _ in range(4):
        await asyncio.sleep(0)


def test_only_joins_of_tasks_that_wait_are_roots() -> None:
    """A chain: the last one awaits a task that can move, so in the end nobody is one."""

    async def main() -> None:
        state, end = State(), asyncio.Event()
        last = asyncio.create_task(end.wait())
        middle = asyncio.create_task(_await(last))
        first = asyncio.create_task(_await(middle))
        _known(state, first, middle, last)
        await _turn()
        taker = Taker(state)
        taker.take(1.0)
        census = taker.take(2.0)
        assert set(census.joins) == {id(first), id(middle)}
        assert census.roots == {}
        end.set()
        await first

    asyncio.run(main())


def test_a_circle_is_a_root_until_it_is_broken() -> None:
    async def main() -> None:
        state, made = State(), asyncio.get_running_loop().create_future()

        async def circle() -> None:
            await (await made)

        async def other(task: Any) -> None:
            await asyncio.wait({task})  # hands no cancellation on, so that the circle can be broken

        first = asyncio.create_task(circle())
        second = asyncio.create_task(other(first))
        made.set_result(second)
        _known(state, first, second)
        await _turn()
        taker = Taker(state)
        taker.take(1.0)
        for now in (2.0, 3.0):
            assert set(taker.take(now).roots) == {id(first), id(second)}
        second.cancel()
        await asyncio.wait([first, second])
        census = taker.take(4.0)
        assert (dict(census.joins), census.roots) == ({}, {})

    asyncio.run(main())


def test_who_has_died_is_forgotten() -> None:
    async def main() -> None:
        state = State()
        target = asyncio.create_task(asyncio.sleep(60))
        task = asyncio.create_task(_await(target))
        _known(state, task, target)
        await _turn()
        taker = Taker(state)
        taker.take(1.0)
        assert set(taker.take(2.0).joins) == {id(task)}
        target.cancel()
        await asyncio.wait([task])
        del task
        for now in range(20):
            census = taker.take(3.0 + now)
        assert dict(census.joins) == {}

    asyncio.run(main())
