"""Coroutines, tasks and errors that nobody owns (patterns B), each beside what looks like it and is healthy."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

from . import Program

# -- never-awaited: called, and dropped before the first step ----------------------------------------------

UNAWAITED: list[tuple[Program, str]] = []
"""Programs, and the text of the line that calls."""
AWAITED: list[Program] = []


def unawaited(line: str) -> Any:
    """Enter a program that forgets to await on a line that begins so."""

    def enter(program: Program) -> Program:
        UNAWAITED.append((program, line))
        return program

    return enter


def awaited(program: Program) -> Program:
    """Enter a program that looks as if it forgot to await, and did not."""
    AWAITED.append(program)
    return program


async def save(order: int) -> int:
    await asyncio.sleep(0)
    return order


async def notify() -> None:
    await asyncio.sleep(0)


async def audit() -> None:
    await asyncio.sleep(0)


class Store:
    async def put(self, order: int) -> None:
        await save(order)


@unawaited("save(1)")
async def dropped_at_once() -> None:
    save(1)
    await asyncio.sleep(0)


@unawaited("store.put(1)")
async def method_dropped_at_once() -> None:
    store = Store()
    store.put(1)
    await asyncio.sleep(0)


@unawaited("pending = save(1)")
async def overwritten() -> None:
    pending = save(1)
    pending = None  # noqa: F841
    await asyncio.sleep(0)


@unawaited("pending = audit()")
async def left_in_a_local_variable() -> None:
    async def forget() -> None:
        pending = audit()  # noqa: F841
        await asyncio.sleep(0)

    await asyncio.create_task(forget())


@unawaited("_calls = [notify()]")
async def left_in_a_local_list_of_a_function() -> None:
    keep_for_a_while()
    await asyncio.sleep(0)


def keep_for_a_while() -> None:
    _calls = [notify()]


@unawaited("ring.append(save(1))")
async def left_to_the_collector() -> None:
    ring: list[Any] = []
    ring.append(ring)
    ring.append(save(1))
    del ring
    gc.collect()


@unawaited("if save(1):")
async def taken_for_its_result() -> None:
    if save(1):
        await asyncio.sleep(0)


@awaited
async def awaited_at_once() -> None:
    await save(1)


@awaited
async def awaited_later() -> None:
    pending = save(1)
    await asyncio.sleep(0)
    await pending


@awaited
async def closed_on_purpose() -> None:
    save(1).close()


@awaited
async def given_to_others() -> None:
    await asyncio.gather(save(1), asyncio.create_task(save(2)))
    async with asyncio.TaskGroup() as group:
        group.create_task(save(3))


@awaited
async def cancelled_before_the_first_step() -> None:
    task = asyncio.create_task(save(1))
    task.cancel()
    await asyncio.wait([task])


@awaited
async def still_kept() -> None:
    _KEPT.append(save(1))
    await asyncio.sleep(0.03)


_KEPT: list[Any] = []


def await_what_was_kept() -> None:
    """Let the coroutines that programs kept be closed in peace."""
    while _KEPT:
        _KEPT.pop().close()
