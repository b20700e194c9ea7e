"""Task groups, gathers and waits over something that cannot end, and the time limits around them (A4, A6)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any

from . import Pace, buggy, healthy, io, slow_io


@buggy("stuck", "consumer-a", "consumer-b")
async def body_leaves_before_it_has_fed_its_children(fixed: bool) -> None:
    """The group's body fails to parse and is caught inside: the children are never told."""
    items: asyncio.Queue[int | None] = asyncio.Queue()

    async def consume() -> None:
        while await items.get() is not None:  # <- consumer-a, consumer-b
            await io()

    async with asyncio.TaskGroup() as group:
        for name in "ab":
            group.create_task(consume(), name=f"consumer-{name}")
        await slow_io()
        with contextlib.suppress(ValueError):
            try:
                items.put_nowait(int("one"))
            finally:
                for _ in range(2 if fixed else 0):
                    items.put_nowait(None)


@buggy("stuck", "stage-2")
async def nested_group_waits_for_a_sibling_group(fixed: bool) -> None:
    """The first stage ends without its signal; the second, in a group inside a group, waits for it."""
    loaded = asyncio.Event()

    async def first() -> None:
        await slow_io()
        if fixed:
            loaded.set()

    async def second() -> None:
        await loaded.wait()  # <- stage-2

    async with asyncio.TaskGroup() as outer:
        outer.create_task(first(), name="stage-1")
        async with asyncio.TaskGroup() as inner:
            inner.create_task(second(), name="stage-2")


@buggy("stuck", "approve")
async def gather_of_gathers(fixed: bool) -> None:
    """The one that hangs is two gathers and a shield away from who waits."""
    approved: asyncio.Queue[str] = asyncio.Queue()

    async def approve() -> str:
        return await approved.get()  # <- approve

    async def notify() -> None:
        await slow_io()
        if fixed:
            await approved.put("yes")

    approving = asyncio.create_task(approve(), name="approve")
    await asyncio.gather(asyncio.gather(asyncio.shield(approving), io()), notify())


@buggy("stuck", "load-profile")
async def as_completed_over_one_that_hangs(fixed: bool) -> None:
    answers: dict[str, asyncio.Future[str]] = {}

    async def load(name: str) -> str:
        answers[name] = asyncio.get_running_loop().create_future()
        return await answers[name]  # <- load-profile

    async def answer() -> None:
        for name in ("settings", "profile"):
            await slow_io()
            answers.pop(name).set_result(name) if name == "settings" or fixed else answers.clear()

    loads = [asyncio.create_task(load(name), name=f"load-{name}") for name in ("settings", "profile")]
    answering = asyncio.create_task(answer(), name="answer")
    for each in asyncio.as_completed(loads):
        await each
    await answering


@buggy("stuck", "rest-of-batch")
async def first_exception_never_comes(fixed: bool) -> None:
    """wait(FIRST_EXCEPTION) over tasks of which none fails and one hangs."""
    done = asyncio.Event()

    async def rest() -> None:
        await done.wait()  # <- rest-of-batch

    async def most() -> None:
        await slow_io()
        if fixed:
            done.set()

    batch = [asyncio.create_task(most(), name="most"), asyncio.create_task(rest(), name="rest-of-batch")]
    await asyncio.wait(batch, return_when=asyncio.FIRST_EXCEPTION)


@buggy("stuck", "job-3")
async def cancelled_half_way(fixed: bool) -> None:
    """A chain of three, each waiting for the one before; the one in the middle is cancelled."""
    finished = [asyncio.Event() for _ in range(3)]

    async def job(number: int) -> None:
        try:
            if number:
                await finished[number - 1].wait()  # <- job-3
            await slow_io()
            finished[number].set()
        finally:
            if fixed:
                finished[number].set()

    jobs = [asyncio.create_task(job(number), name=f"job-{number + 1}") for number in range(3)]
    await io()
    jobs[1].cancel()
    await asyncio.gather(*jobs, return_exceptions=True)


@buggy("stuck", "session-7")
async def server_goes_on_while_one_session_hangs(fixed: bool) -> None:
    """All others come and go; nobody but the hanging session knows its future, so it is proven all the same."""
    sessions: set[asyncio.Task[None]] = set()

    async def session(number: int) -> None:
        if number == 7:
            greeting = asyncio.get_running_loop().create_future()
            if fixed:
                asyncio.get_running_loop().call_later(0.012, greeting.set_result, None)
            await greeting  # <- session-7
        await io()

    async def accept() -> None:
        for number in range(5, 9):
            task = asyncio.create_task(session(number), name=f"session-{number}")
            sessions.add(task)
            task.add_done_callback(sessions.discard)
            await io()
        while sessions:
            await io()

    await accept()


@buggy("stuck", "handshake")
async def limit_around_the_wrong_part(fixed: bool) -> None:
    """The time limit guards the connecting, and ends before the wait for the greeting."""
    greeted = asyncio.Event()

    async def shake_hands() -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(Pace.slow):
                await io()
                if fixed:
                    await greeted.wait()
            await greeted.wait()  # <- handshake

    await asyncio.create_task(shake_hands(), name="handshake")


@buggy("stuck", "slow-part")
async def shielded_part_outlives_the_limit(fixed: bool) -> None:
    """The caller's time limit ends the caller; what it shielded waits on for what nobody sends."""
    parts: set[asyncio.Task[None]] = set()
    sent = asyncio.Event()

    async def part() -> None:
        await sent.wait()  # <- slow-part

    async def call() -> None:
        task = asyncio.create_task(part(), name="slow-part")
        parts.add(task)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(task), 0.012)
        if fixed:
            task.cancel()

    await call()
    await asyncio.wait(parts)


@buggy("stuck", "deepest")
async def many_frames_deep(fixed: bool) -> None:
    """Forty coroutines deep, with an exit stack half-way."""
    reached = asyncio.Event()

    async def descend(depth: int) -> None:
        if depth == 20:
            async with contextlib.AsyncExitStack() as stack:
                await stack.enter_async_context(contextlib.AsyncExitStack())
                return await descend(depth - 1)  # <- deepest
        if depth:
            return await descend(depth - 1)  # <- deepest
        await reached.wait()  # <- deepest
        return None

    descending = asyncio.create_task(descend(40), name="deepest")
    await slow_io()
    if fixed:
        reached.set()
    await descending


class Actor:
    """A mailbox and a task that answers what comes in, one message at a time."""

    def __init__(self, name: str, handler: Any) -> None:
        self.mail: asyncio.Queue[tuple[str, asyncio.Future[str]]] = asyncio.Queue()
        self.handler = handler
        self.task = asyncio.create_task(self.serve(), name=name)

    async def serve(self) -> None:
        while True:
            message, reply = await self.mail.get()
            if message == "stop":
                return reply.set_result("stopped")
            reply.set_result(await self.handler(message))  # <- actor-orders, actor-stock

    async def ask(self, message: str) -> str:
        reply = asyncio.get_running_loop().create_future()
        self.mail.put_nowait((message, reply))
        return await reply  # <- actor-orders, actor-stock


@buggy("stuck|deadlock", "actor-orders", "actor-stock", maybe=("main",))
async def actors_that_ask_each_other(fixed: bool) -> None:
    """An actor asks while it answers; the other one does the same."""
    actors: dict[str, Actor] = {}

    async def orders(message: str) -> str:
        await slow_io()
        return await actors["stock"].ask(message)  # <- actor-orders

    async def stock(message: str) -> str:
        if fixed:
            return "in stock"
        return await actors["orders"].ask(message)  # <- actor-stock

    actors |= {"orders": Actor("actor-orders", orders), "stock": Actor("actor-stock", stock)}
    await actors["orders"].ask("apples?")
    for actor in actors.values():
        await actor.ask("stop")
    await asyncio.gather(*(actor.task for actor in actors.values()))


def tasks_of(*coroutines: Coroutine[Any, Any, Any]) -> list[asyncio.Task[Any]]:
    return [asyncio.create_task(each) for each in coroutines]


@healthy
async def group_that_its_failing_child_ends(fixed: bool) -> None:
    """The body waits for what never comes; a child fails, which cancels the body."""
    stop = asyncio.Event()

    async def fail() -> None:
        await slow_io()
        raise OSError("gone")

    with contextlib.suppress(ExceptionGroup):
        async with asyncio.TaskGroup() as group:
            group.create_task(fail())
            await stop.wait()


@healthy
async def siblings_of_a_child_that_fails(fixed: bool) -> None:
    """Two children wait for what the body would say, if it had not left already; the third one fails."""
    stop = asyncio.Event()

    async def fail() -> None:
        await slow_io()
        raise OSError("gone")

    async def serve() -> None:
        async with contextlib.AsyncExitStack():
            await stop.wait()

    with contextlib.suppress(ExceptionGroup):
        async with asyncio.TaskGroup() as group:
            for each in (serve(), fail(), serve()):
                group.create_task(each)
            await io()


@healthy
async def race_that_a_timer_wins(fixed: bool) -> None:
    """One of two waits has no end, the other is a timer, and the loser is cancelled."""
    stop = asyncio.Event()
    _, pending = await asyncio.wait(tasks_of(stop.wait(), slow_io()), return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()


@healthy
async def request_under_a_limit(fixed: bool) -> None:
    """The future is lost, but the wait for it ends by its time limit."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.015):
            await asyncio.get_running_loop().create_future()


@healthy
async def supervisor_that_cancels_what_stands_still(fixed: bool) -> None:
    """Nobody can end the wait, but a supervisor looks at its workers and cancels them."""
    worker = asyncio.create_task(asyncio.wait_for(asyncio.Queue[int]().get(), 1))
    await slow_io()
    worker.cancel()
    await asyncio.wait([worker])
