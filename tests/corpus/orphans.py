"""Tasks that nobody keeps (B1): fired and forgotten, dropped from where they were kept, or kept only weakly."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable, Iterable
from typing import Any

from . import buggy, healthy, io, slow_io


async def send(mail: str, seconds: float = 0.4) -> None:
    """Sends in small steps, slowly in the buggy programs: who looks has the time to see it."""
    until = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < until:
        await io()
    assert mail


def for_each(items: Iterable[str], callback: Callable[[str], None]) -> None:
    for item in items:
        callback(item)


@buggy("orphan-task", verdict="suspected")
async def async_callback_in_a_for_each(fixed: bool) -> None:
    """The caller of the callback goes on and is done before any of the mails is."""
    sending: set[asyncio.Task[None]] = set()

    def callback(mail: str) -> None:
        if fixed:
            task = asyncio.create_task(send(mail, 0.01))
            sending.add(task)
            task.add_done_callback(sending.discard)
        else:
            asyncio.create_task(send(mail))  # noqa: RUF006 # <- async_callback_in_a_for_each

    for_each(["ann", "bob"], callback)
    await slow_io()
    while sending:
        await io()


@buggy("orphan-task", verdict="suspected")
async def handler_returns_before_its_helper(fixed: bool) -> None:
    """A request's handler leaves its helper in a local variable; then the handler is done."""

    async def handle(seconds: float) -> str:
        mail = asyncio.ensure_future(send("receipt", seconds))  # <- handler_returns_before_its_helper
        await io()
        if fixed:
            await mail
        return "200 OK"

    assert await handle(0.01 if fixed else 0.4) == "200 OK"
    await slow_io()


@buggy("orphan-task", verdict="suspected")
async def started_by_a_timer(fixed: bool) -> None:
    """``call_later(..., lambda: create_task(...))``: the task is the lambda's result, and that is dropped."""
    loop, kept = asyncio.get_running_loop(), list[asyncio.Task[None]]()

    def refresh() -> asyncio.Task[None]:
        return loop.create_task(send("cache", 0.01 if fixed else 0.4))  # <- started_by_a_timer

    def refresh_and_keep() -> None:
        kept.append(refresh())

    loop.call_later(0.002, refresh_and_keep if fixed else refresh)
    await slow_io()
    await asyncio.gather(*kept)


class Watchers:
    """One task for each path; watching a path again replaces the task."""

    def __init__(self) -> None:
        self.tasks: dict[str, asyncio.Task[None]] = {}

    def watch(self, path: str, seconds: float, end_the_other: bool) -> None:
        if end_the_other and path in self.tasks:
            self.tasks[path].cancel()
        self.tasks[path] = asyncio.create_task(send(path, seconds))  # <- replaced_in_its_dict


@buggy("orphan-task", verdict="suspected")
async def replaced_in_its_dict(fixed: bool) -> None:
    watchers = Watchers()
    for _ in range(2):
        watchers.watch("/etc", 0.01 if fixed else 0.4, end_the_other=fixed)
        await io()
    await asyncio.gather(*watchers.tasks.values())


@buggy("orphan-task", verdict="suspected")
async def kept_in_a_weak_set_only(fixed: bool) -> None:
    """A WeakSet keeps nothing."""
    tasks: Any = set() if fixed else weakref.WeakSet()
    tasks.add(asyncio.create_task(send("metrics", 0.01 if fixed else 0.4)))  # <- kept_in_a_weak_set_only
    await slow_io()
    if fixed:
        await asyncio.gather(*tasks)


@buggy("orphan-task", verdict="suspected")
async def group_that_is_no_group(fixed: bool) -> None:
    """Inside the block of a TaskGroup, but made by asyncio.create_task: the group knows nothing of it."""
    async with asyncio.TaskGroup() as group:
        group.create_task(io())
        if fixed:
            group.create_task(send("report", 0.01))
        else:
            asyncio.create_task(send("report"))  # noqa: RUF006 # <- group_that_is_no_group


@healthy
async def kept_in_a_local_list(fixed: bool) -> None:
    tasks = [asyncio.create_task(send(mail, 0.01)) for mail in ("ann", "bob")]
    await slow_io()
    await asyncio.wait(tasks)


@healthy
async def kept_by_who_awaits_it(fixed: bool) -> None:
    await asyncio.gather(asyncio.create_task(send("ann", 0.01)), asyncio.shield(send("bob", 0.01)))
    await asyncio.wait_for(send("cid", 0.005), 1)


@healthy
async def kept_on_an_attribute(fixed: bool) -> None:
    class Feed:
        def __init__(self) -> None:
            self.task = asyncio.create_task(send("feed", 0.012))

    feed = Feed()
    await slow_io()
    await feed.task
