"""Callbacks and steps that keep the loop's thread (pattern A8), and loops that are merely busy or idle."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from . import Pair, Program
from .deadlocks import spawn

BLOCK = 0.6
"""Seconds: several times the threshold that these programs are run with."""

PAIRS: list[Pair] = []
HEALTHY: list[Program] = []


def pair(healthy: Program, core: str) -> Any:
    """Enter the decorated program as the one that blocks; ``core`` is the culprit's name."""

    def enter(blocking: Program) -> Program:
        PAIRS.append(Pair(blocking, healthy, "blocked-loop", "suspected", frozenset({core})))
        return blocking

    return enter


def healthy(program: Program) -> Program:
    """Enter a program that must stay silent."""
    HEALTHY.append(program)
    return program


def compute(seconds: float) -> int:
    """Work the processor."""
    until, rounds = time.thread_time() + seconds, 0
    while time.thread_time() < until:
        rounds += sum(range(1000)) and 1
    return rounds


def slow_driver() -> None:
    time.sleep(BLOCK)  # blocks


# -- in a task ---------------------------------------------------------------------------------------


async def sleep_in_a_thread() -> None:
    await spawn("handler", asyncio.to_thread(time.sleep, 0.03))


@pair(sleep_in_a_thread, "handler")
async def sleep_in_a_task() -> None:
    async def handle() -> None:
        await asyncio.sleep(0.01)
        slow_driver()

    await spawn("handler", handle())
    await asyncio.sleep(0.05)


async def computing_in_small_steps() -> None:
    async def handle() -> None:
        for _ in range(8):
            compute(0.004)
            await asyncio.sleep(0)

    await spawn("handler", handle())


@pair(computing_in_small_steps, "handler")
async def computing_in_one_step() -> None:
    async def handle() -> None:
        await asyncio.sleep(0.01)
        compute(BLOCK)  # blocks

    await spawn("handler", handle())
    await asyncio.sleep(0.05)


async def first_step_is_brief() -> None:
    await spawn("handler", asyncio.sleep(0.03))


@pair(first_step_is_brief, "handler")
async def blocked_in_the_first_step() -> None:
    async def handle() -> None:
        slow_driver()

    await spawn("handler", handle())
    await asyncio.sleep(0.05)


# -- in a callback -----------------------------------------------------------------------------------


async def many_brief_callbacks() -> None:
    loop, done = asyncio.get_running_loop(), asyncio.Event()
    for _ in range(30):
        loop.call_soon(compute, 0.001)
    loop.call_soon(done.set)
    await done.wait()


@pair(many_brief_callbacks, "callback")
async def sleep_in_a_callback() -> None:
    asyncio.get_running_loop().call_soon(slow_driver)
    await asyncio.sleep(0.05)


async def brief_timer() -> None:
    asyncio.get_running_loop().call_later(0.01, compute, 0.001)
    await asyncio.sleep(0.03)


@pair(brief_timer, "callback")
async def sleep_in_a_timer() -> None:
    asyncio.get_running_loop().call_later(0.01, slow_driver)
    await asyncio.sleep(0.1)


# -- healthy, and easily mistaken --------------------------------------------------------------------


@healthy
async def idle_loop() -> None:
    await asyncio.sleep(0.06)


@healthy
async def busy_loop_that_turns() -> None:
    """The processor is never idle, but no callback takes long."""
    until = time.monotonic() + 0.06
    while time.monotonic() < until:
        compute(0.002)
        await asyncio.sleep(0)


@healthy
async def one_task_steps_without_end() -> None:
    """One task is seen at every look; each of its steps is another callback."""
    until = time.monotonic() + 0.06

    async def steps() -> None:
        while time.monotonic() < until:
            await asyncio.sleep(0)

    await spawn("steps", steps())


@healthy
async def callback_that_calls_itself_again() -> None:
    loop, done = asyncio.get_running_loop(), asyncio.Event()
    until = time.monotonic() + 0.06

    def again() -> None:
        if time.monotonic() < until:
            loop.call_soon(again)
        else:
            done.set()

    loop.call_soon(again)
    await done.wait()
