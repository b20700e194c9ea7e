"""Healthy programs that a careless judge would call deadlocked: each goes on by itself after AWHILE.

Group by group: a deadline that the await chain does not show; a block that gives back something else, or
not for certain; a join that ends early; a stack that is easily misread.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from typing import Any

from . import Program
from .deadlocks import pause, spawn

AWHILE = 0.08
TRAPS: list[Program] = []


def trap(program: Program) -> Program:
    """Enter a program."""
    TRAPS.append(program)
    return program


def crossed(take: Callable[[asyncio.Lock], Awaitable[None]]) -> Program:
    """Two tasks, two locks, opposite order; ``take`` is how each waits for its second lock, and gives up."""

    async def program() -> None:
        a, b = asyncio.Lock(), asyncio.Lock()

        async def move(first: asyncio.Lock, second: asyncio.Lock) -> None:
            async with first:
                await pause()
                await take(second)

        await asyncio.gather(spawn("one", move(a, b)), spawn("two", move(b, a)))

    program.__name__ = take.__name__
    TRAPS.append(program)
    return program


async def use(lock: Any) -> None:
    async with lock:
        pass


# -- deadlines out of sight --------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def deadline() -> AsyncIterator[None]:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(AWHILE):
            yield


class Budget:
    """A timeout kept on an attribute."""

    async def __aenter__(self) -> None:
        self.timeout = asyncio.timeout(AWHILE)
        await self.timeout.__aenter__()

    async def __aexit__(self, *exc: Any) -> bool | None:
        try:
            return await self.timeout.__aexit__(*exc)
        except TimeoutError:
            return True


async def timeout_in_a_generator_manager(lock: asyncio.Lock) -> None:
    async with deadline():
        await use(lock)


async def timeout_in_an_exit_stack(lock: asyncio.Lock) -> None:
    with contextlib.suppress(TimeoutError):
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(asyncio.timeout(AWHILE))
            await use(lock)


async def timeout_on_an_attribute(lock: asyncio.Lock) -> None:
    async with Budget():
        await use(lock)


async def timeout_in_a_suspended_generator(lock: asyncio.Lock) -> None:
    async def ticks() -> AsyncIterator[int]:
        async with asyncio.timeout(AWHILE):
            yield 1

    try:
        async for _ in ticks():
            await use(lock)
    except (TimeoutError, asyncio.CancelledError):
        while (task := asyncio.current_task()) is not None and task.cancelling():
            task.uncancel()


async def timeout_beside_a_bound_exit(lock: asyncio.Lock) -> None:
    """A local that holds an exit shifts the frame's stack for a careless reader."""
    leave = asyncio.Lock().__aexit__
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(AWHILE):
            await lock.acquire()
            lock.release()
    del leave


for each in (
    timeout_in_a_generator_manager,
    timeout_in_an_exit_stack,
    timeout_on_an_attribute,
    timeout_in_a_suspended_generator,
    timeout_beside_a_bound_exit,
):
    crossed(each)


@trap
async def as_completed_with_a_timeout() -> None:
    lock = asyncio.Lock()
    async with lock:
        child = spawn("child", use(lock))
        with contextlib.suppress(TimeoutError):
            for each in asyncio.as_completed([child], timeout=AWHILE):
                await each
    await child


@trap
async def shield_cancelled_by_a_timer() -> None:
    lock = asyncio.Lock()
    child = spawn("child", use(lock))
    async with lock:
        outer = asyncio.shield(child)
        asyncio.get_running_loop().call_later(AWHILE, outer.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await outer
    await child


class Proxy:
    """A foreign awaitable that drives a coroutine and shows nothing of it, as compiled ones do."""

    def __init__(self, coro: Any) -> None:
        self.coro = coro

    def __await__(self) -> Generator[Any, Any, Any]:
        return self  # type: ignore[return-value]

    def __iter__(self) -> Proxy:
        return self

    def __next__(self) -> Any:
        return self.coro.send(None)

    def send(self, value: Any) -> Any:
        return self.coro.send(value)

    def throw(self, *exc: Any) -> Any:
        return self.coro.throw(*exc)


@trap
async def timeout_below_a_foreign_awaitable() -> None:
    lock = asyncio.Lock()

    async def limited(task: asyncio.Task[None]) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(AWHILE):
                await task

    async with lock:
        await Proxy(limited(spawn("child", use(lock))))


# -- blocks that give back something else ------------------------------------------------------------------


class Client:
    """A gate closed by hand until a helper has connected, and a limit that has nothing to do with it."""

    def __init__(self) -> None:
        self.gate, self.limit = asyncio.Lock(), asyncio.Semaphore(10)

    async def connect(self) -> None:
        await asyncio.sleep(AWHILE)
        self.gate.release()

    async def begin(self) -> None:
        await self.gate.acquire()
        self.task = spawn("connect", self.connect())


class Slot:
    def __init__(self, client: Client) -> None:
        self.client = client

    async def __aenter__(self) -> None:
        await self.client.limit.acquire()

    async def __aexit__(self, *exc: object) -> None:
        self.client.limit.release()


@trap
async def gate_inside_a_finally_of_something_else() -> None:
    client = Client()
    await client.begin()
    await client.limit.acquire()
    try:
        await use(client.gate)
    finally:
        client.limit.release()


@trap
async def gate_inside_a_manager_of_something_else() -> None:
    client = Client()
    await client.begin()
    async with Slot(client):
        await use(client.gate)


@trap
async def released_on_that_error_only() -> None:
    client = Client()
    await client.begin()
    try:
        await use(client.gate)
    except OSError:
        client.gate.release()


class Lease(asyncio.Lock):
    """Stays locked for a while after its block."""

    async def __aexit__(self, *exc: Any) -> None:
        return None


@trap
async def subclass_that_keeps_the_lock() -> None:
    lease = Lease()
    async with lease:
        asyncio.get_running_loop().call_later(AWHILE, lease.release)
        await lease.acquire()
    lease.release()


@trap
async def semaphore_that_a_timer_raises() -> None:
    pool = asyncio.Semaphore(1)
    asyncio.get_running_loop().call_later(AWHILE, pool.release)
    async with pool:
        await spawn("child", use(pool))


@trap
async def address_of_a_dead_holder() -> None:
    """A helper takes the unit and ends; a waiter is made at its address."""
    pool = asyncio.Semaphore(1)

    async def work() -> None:
        try:
            await pool.acquire()
        finally:
            pool.release()

    await asyncio.create_task(pool.acquire())
    workers = [spawn(f"worker-{i}", work()) for i in range(40)]
    await asyncio.sleep(AWHILE)
    pool.release()
    await asyncio.gather(*workers)


# -- joins that end early ----------------------------------------------------------------------------------


async def fails() -> None:
    await asyncio.sleep(AWHILE)
    raise OSError("gone")


@trap
async def body_of_a_group_whose_child_fails() -> None:
    lock = asyncio.Lock()
    child = spawn("child", use(lock))
    with contextlib.suppress(ExceptionGroup):
        async with lock, asyncio.TaskGroup() as group:
            group.create_task(fails())
            await asyncio.shield(child)
    await child


@trap
async def child_in_two_gathers() -> None:
    lock = asyncio.Lock()
    async with lock:
        child = spawn("child", use(lock))
        report = asyncio.gather(child, return_exceptions=True)
        with contextlib.suppress(OSError):
            await asyncio.gather(child, spawn("fails", fails()))
    await report


@trap
async def bystander_that_releases_what_it_never_got() -> None:
    """Its timeout ends the wait for the lock, and its finally gives away the lock of a task in the circle."""
    a, b = asyncio.Lock(), asyncio.Lock()

    async def both(first: asyncio.Lock, second: asyncio.Lock) -> None:
        async with first:
            await asyncio.sleep(AWHILE / 3)
            await use(second)

    async def hasty() -> None:
        await pause()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(AWHILE):
                try:
                    await a.acquire()
                finally:
                    a.release()

    await asyncio.wait([spawn("one", both(a, b)), spawn("two", both(b, a)), spawn("hasty", hasty())])


# -- holds that somebody else's block gives away -----------------------------------------------------------


def given_away(hasty: Callable[[Any, Any], Awaitable[None]], make: Callable[[], Any] = asyncio.Lock) -> Program:
    """Two tasks in a circle; ``hasty`` stands in a block over the first one's lock, which it holds no more."""

    async def program() -> None:
        shared, other = make(), asyncio.Lock()

        async def move(first: Any, second: Any) -> None:
            with contextlib.suppress(RuntimeError):  # not acquired: it was given away
                async with first:
                    await pause()
                    await use(second)

        begun = asyncio.Event()
        tasks = [spawn("hasty", hasty(shared, begun))]
        await begun.wait()
        tasks += [spawn("one", move(shared, other)), spawn("two", move(other, shared))]
        await asyncio.wait(tasks)

    program.__name__ = hasty.__name__
    TRAPS.append(program)
    return program


async def released_early_in_its_block(lock: Any, begun: asyncio.Event) -> None:
    async with lock:
        lock.release()
        begun.set()
        await asyncio.sleep(AWHILE)


async def released_by_another_task(lock: Any, begun: asyncio.Event) -> None:
    async with lock:
        await asyncio.create_task(release(lock))
        begun.set()
        await asyncio.sleep(AWHILE)


async def released_by_a_callback(lock: Any, begun: asyncio.Event) -> None:
    async with lock:
        asyncio.get_running_loop().call_soon(lock.release)
        await pause()
        begun.set()
        await asyncio.sleep(AWHILE)


async def released_early_before_its_finally(lock: Any, begun: asyncio.Event) -> None:
    await lock.acquire()
    try:
        lock.release()
        begun.set()
        await asyncio.sleep(AWHILE)
    finally:
        lock.release()


async def released_early_before_its_conditional_finally(lock: Any, begun: asyncio.Event) -> None:
    await lock.acquire()
    try:
        lock.release()
        begun.set()
        await asyncio.sleep(AWHILE)
    finally:
        if lock.locked():
            lock.release()


async def taken_by_hand_released_by_another_task(lock: Any, begun: asyncio.Event) -> None:
    await lock.acquire()
    try:
        await asyncio.create_task(release(lock))
        begun.set()
        await asyncio.sleep(AWHILE)
    finally:
        lock.release()


async def lent_within_its_block(lock: Any, begun: asyncio.Event) -> None:
    """Unlocked for a while; here the lock is not even asked for again, for it fails."""
    with contextlib.suppress(OSError):
        async with lock:
            lock.release()
            begun.set()
            await fails()


async def condition_released_early(lock: Any, begun: asyncio.Event) -> None:
    async with (condition := asyncio.Condition(lock)):
        condition.release()
        begun.set()
        await asyncio.sleep(AWHILE)


async def condition_released_early_after_a_wait(lock: Any, begun: asyncio.Event) -> None:
    async with (condition := asyncio.Condition(lock)):
        asyncio.get_running_loop().call_soon(spawn, "notify", notify(condition))
        await condition.wait()
        condition.release()
        begun.set()
        await asyncio.sleep(AWHILE)


async def release(lock: Any) -> None:
    lock.release()


async def notify(condition: asyncio.Condition) -> None:
    async with condition:
        condition.notify()


def single() -> asyncio.Semaphore:
    return asyncio.Semaphore(1)


for hasty in (
    released_early_in_its_block,
    released_by_another_task,
    released_by_a_callback,
    released_early_before_its_finally,
    released_early_before_its_conditional_finally,
    taken_by_hand_released_by_another_task,
    lent_within_its_block,
):
    given_away(hasty)
    given_away(hasty, single).__name__ += "_of_a_semaphore"
given_away(condition_released_early)
given_away(condition_released_early_after_a_wait)


@trap
async def semaphore_raised_by_a_hasty_block() -> None:
    """Its exit made two units of one; who is inside then is not in the account any more."""
    shared, other = asyncio.Semaphore(1), asyncio.Lock()
    begun = asyncio.Event()

    async def hasty() -> None:
        async with shared:
            shared.release()
            begun.set()
            await pause()

    async def move(first: Any, second: Any) -> None:
        async with first:
            await pause()
            await use(second)

    async def inside() -> None:
        async with shared:
            await asyncio.sleep(AWHILE)

    first = spawn("hasty", hasty())
    await begun.wait()
    others = [spawn("inside", inside())]
    await first
    others += [spawn("one", move(shared, other)), spawn("two", move(other, shared))]
    await asyncio.wait(others)


@trap
async def jobs_that_threads_are_still_at() -> None:
    """What each task awaits has two callbacks: the job's, and the task's own."""
    await asyncio.gather(*(asyncio.to_thread(time.sleep, AWHILE) for _ in range(3)))
