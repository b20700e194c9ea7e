"""Coroutines, tasks and errors that nobody owns (patterns B), each beside what looks like it and is healthy."""

from __future__ import annotations

import asyncio
import gc
import weakref
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


# -- lost-error: a task failed, and nobody can ask --------------------------------------------------------

LOST: list[tuple[Program, str, str]] = []
"""Programs, the error that is lost, and the name of the task that it ended."""
ASKED: list[Program] = []


def lost(error: str, task: str) -> Any:
    """Enter a program that loses an error."""

    def enter(program: Program) -> Program:
        LOST.append((program, error, task))
        return program

    return enter


def asked(program: Program) -> Program:
    """Enter a program in which a task fails as well, and somebody asks for the error."""
    ASKED.append(program)
    return program


class BadLine(Exception):
    """What the programs here fail with."""


class BadFile(Exception):
    """What some fail with first."""


async def fail(after: float, error: type[Exception] = BadLine) -> None:
    await asyncio.sleep(after)
    raise error(f"after {after} s")


async def settle() -> None:
    await asyncio.sleep(0.02)


@lost("BadLine: after 0 s", "feeder")
async def nobody_kept_the_task() -> None:
    asyncio.create_task(fail(0), name="feeder")  # noqa: RUF006
    await settle()


@lost("BadLine: after 0 s", "feeder")
async def the_variable_went_away() -> None:
    async def handle() -> None:
        feeder = asyncio.create_task(fail(0), name="feeder")  # noqa: F841, RUF006
        await asyncio.sleep(0.01)

    await handle()
    await settle()


@lost("BadLine: after 0 s", "feeder")
async def its_owner_was_collected() -> None:
    class Service:
        def start(self) -> None:
            self.me = self
            self.task = asyncio.create_task(fail(0), name="feeder")

    Service().start()
    await settle()
    gc.collect()


@lost("KeyError: 'order'", "Future")
async def a_future_was_dropped() -> None:
    asyncio.get_running_loop().create_future().set_exception(KeyError("order"))
    await settle()


async def first_error(*others: Any) -> None:
    """A gather whose first error is handled, as is usual."""
    try:
        await asyncio.gather(fail(0, BadFile), *others)
    except (BadFile, asyncio.CancelledError):
        await settle()


@lost("BadLine: after 0.005 s", "fail")
async def a_child_of_gather_fails_later() -> None:
    await first_error(fail(0.005))


@lost("BadLine: after 0 s", "fail")
async def a_child_of_gather_fails_in_the_same_turn() -> None:
    await first_error(fail(0))


@lost("BadLine: after 0.005 s", "fail")
async def one_of_many_children_fails_later() -> None:
    await first_error(asyncio.sleep(0.001), fail(0.005), asyncio.sleep(0.01))


@lost("BadLine: after 0.005 s", "GatheringFuture")
async def a_gather_in_a_gather_fails_later() -> None:
    try:
        await asyncio.gather(fail(0, BadFile), asyncio.gather(fail(0.005), asyncio.sleep(0.001)))
    except BadFile:
        await settle()


@lost("BadLine: after 0.005 s", "fail")
async def the_caller_waited_with_a_timeout() -> None:
    async with asyncio.timeout(1):
        await first_error(fail(0.005))


@lost("BadLine: after 0.005 s", "fail")
async def a_child_given_as_a_task_of_its_own() -> None:
    try:
        await asyncio.gather(fail(0, BadFile), asyncio.ensure_future(fail(0.005)))
    except BadFile:
        await settle()


@asked
async def errors_as_results() -> None:
    results = await asyncio.gather(fail(0), fail(0.005), return_exceptions=True)
    assert all(isinstance(each, BadLine) for each in results)


@asked
async def a_task_group_gives_all_errors() -> None:
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(fail(0))
            group.create_task(fail(0))
    except* BadLine:
        await settle()


@asked
async def asked_after_the_gather_failed() -> None:
    tasks = [asyncio.create_task(fail(0)), asyncio.create_task(fail(0.005))]
    try:
        await asyncio.gather(*tasks)
    except BadLine:
        await settle()
        assert all(task.exception() for task in tasks)


@asked
async def asked_by_a_callback() -> None:
    errors = list[BaseException | None]()
    tasks = [asyncio.ensure_future(fail(0)), asyncio.ensure_future(fail(0)), asyncio.ensure_future(fail(0.005))]
    for task in tasks:
        task.add_done_callback(lambda task: errors.append(task.exception()))
    gathered = asyncio.gather(*tasks)
    del tasks, task
    try:
        await gathered
    except BadLine:
        await settle()
    while len(errors) < 3:
        await asyncio.sleep(0.001)


@asked
async def awaited_by_somebody_else_too() -> None:
    async def other(task: Any) -> None:
        try:
            await task
        except BadLine:
            pass

    task = asyncio.ensure_future(fail(0.005))
    watcher = asyncio.create_task(other(task))
    gathered = asyncio.gather(fail(0, BadFile), task)
    del task
    try:
        await gathered
    except BadFile:
        await watcher


@asked
async def child_of_two_gathers() -> None:
    task = asyncio.ensure_future(fail(0.005))
    both = [asyncio.gather(fail(0, BadFile), task), asyncio.gather(task, return_exceptions=True)]
    del task
    try:
        await both[0]
    except BadFile:
        assert [BadLine] == [type(each) for each in await both[1]]


@asked
async def the_others_are_cancelled() -> None:
    tasks = [asyncio.create_task(fail(0)), asyncio.create_task(fail(0.005))]
    try:
        await asyncio.gather(*tasks)
    except BadLine:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asked
async def the_gather_is_cancelled_and_its_children_clean_up() -> None:
    async def clean_up() -> None:
        try:
            await asyncio.sleep(1)
        except asyncio.CancelledError:
            raise BadLine from None

    gathered = asyncio.gather(clean_up(), clean_up())
    await asyncio.sleep(0)
    gathered.cancel()
    try:
        await gathered
    except (BadLine, asyncio.CancelledError):
        await settle()


@asked
async def gathers_in_a_gather_are_cancelled() -> None:
    gathered = asyncio.gather(asyncio.gather(fail(1), fail(1)), asyncio.gather(fail(1), fail(1)))
    await asyncio.sleep(0)
    gathered.cancel()
    try:
        await gathered
    except asyncio.CancelledError:
        del gathered
        await settle()


@asked
async def asked_through_a_weak_set() -> None:
    tasks = weakref.WeakSet[Any]()

    async def enlisted(after: float) -> None:
        tasks.add(asyncio.current_task())
        await fail(after)

    try:
        await asyncio.gather(fail(0, BadFile), enlisted(0.005), asyncio.sleep(0.02))
    except BadFile:
        await asyncio.sleep(0.01)
        assert [BadLine] == [type(each.exception()) for each in tasks]


@asked
async def the_others_succeed() -> None:
    await first_error(asyncio.sleep(0.005), asyncio.sleep(0))


@asked
async def asked_by_wait() -> None:
    done, _ = await asyncio.wait([asyncio.ensure_future(fail(0)), asyncio.ensure_future(fail(0.005))])
    assert all(task.exception() for task in done)


@asked
async def still_kept_by_somebody() -> None:
    """Nobody has asked yet; but somebody still can."""
    _FAILED.append(asyncio.create_task(fail(0)))
    await settle()


_FAILED: list[asyncio.Task[None]] = []


def ask_what_was_kept() -> None:
    """Ask the failed tasks that programs kept."""
    while _FAILED:
        assert _FAILED.pop().exception()
