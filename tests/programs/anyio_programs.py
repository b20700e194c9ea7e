"""Deadlocks among anyio's primitives (patterns A1, A4, A5 with anyio), and what looks like one."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from typing import Any

import anyio
import anyio.from_thread
import anyio.to_thread

from . import Pair, Program
from .deadlocks import both, pause, spawn

AWHILE = 0.08
PAIRS: list[Pair] = []
HEALTHY: list[Program] = []


def pair(
    healthy: Program, *core: str, kind: str = "deadlock", verdict: str = "proven", victims: int = 0
) -> Callable[[Program], Program]:
    """Enter the decorated program as the buggy one of a pair."""

    def enter(buggy: Program) -> Program:
        PAIRS.append(Pair(buggy, healthy, kind, verdict, frozenset(core), victims))
        return buggy

    return enter


def healthy(program: Program) -> Program:
    """Enter a program without a buggy sibling that must stay silent."""
    HEALTHY.append(program)
    return program


async def together(**functions: tuple[Any, ...]) -> None:
    """Run each function with its arguments, under its name, in one task group."""
    async with anyio.create_task_group() as group:
        for name, (function, *args) in functions.items():
            group.start_soon(function, *args, name=name)


async def use(resource: Any) -> None:
    async with resource:
        pass


async def use_later(resource: Any) -> None:
    await pause()
    await use(resource)


# -- locks -------------------------------------------------------------------------------------------


async def same_order() -> None:
    a, b = anyio.Lock(), anyio.Lock()
    await together(one=(both, a, b), two=(both, a, b))


@pair(same_order, "one", "two")
async def opposite_order() -> None:
    a, b = anyio.Lock(), anyio.Lock()
    await together(one=(both, a, b), two=(both, b, a))


async def ring_with_a_gap() -> None:
    locks = [anyio.Lock() for _ in range(5)]
    pairs = [sorted((locks[i], locks[(i + 1) % 5]), key=id) for i in range(5)]
    await together(**{str(i): (both, *pairs[i]) for i in range(5)})


@pair(ring_with_a_gap, "0", "1", "2", "3", "4")
async def ring_of_five() -> None:
    locks = [anyio.Lock() for _ in range(5)]
    await together(**{str(i): (both, locks[i], locks[(i + 1) % 5]) for i in range(5)})


async def release_between() -> None:
    a, b = anyio.Lock(), anyio.Lock()

    async def by_hand(first: anyio.Lock, second: anyio.Lock) -> None:
        await first.acquire()
        await pause()
        first.release()
        await second.acquire()
        second.release()

    await together(one=(by_hand, a, b), two=(by_hand, b, a))


@pair(release_between, "one", "two")
async def taken_by_hand() -> None:
    """anyio lets nobody but the owner release, so this is proven without any block."""
    a, b = anyio.Lock(), anyio.Lock()

    async def by_hand(first: anyio.Lock, second: anyio.Lock) -> None:
        await first.acquire()
        await pause()
        await second.acquire()
        second.release()
        first.release()

    await together(one=(by_hand, a, b), two=(by_hand, b, a))


async def mixed_in_one_order() -> None:
    a, b = asyncio.Lock(), anyio.Lock()
    await asyncio.gather(spawn("one", both(a, b)), spawn("two", both(a, b)))


@pair(mixed_in_one_order, "one", "two")
async def mixed_with_asyncio() -> None:
    a, b = asyncio.Lock(), anyio.Lock()
    await asyncio.gather(spawn("one", both(a, b)), spawn("two", both(b, a)))


async def victims_that_get_it() -> None:
    a = anyio.Lock()
    await together(one=(use, a), two=(use, a))


@pair(victims_that_get_it, "one", "two", victims=4)
async def crowd_behind_two_locks() -> None:
    a, b = anyio.Lock(), anyio.Lock()
    await together(one=(both, a, b), two=(both, b, a), **{f"victim-{i}": (use_later, a) for i in range(3)})


async def conditions_in_one_order() -> None:
    a, b = anyio.Condition(), anyio.Condition(anyio.Lock())
    await together(one=(both, a, b), two=(both, a, b))


@pair(conditions_in_one_order, "one", "two")
async def conditions_as_mutexes() -> None:
    a, b = anyio.Condition(), anyio.Condition(anyio.Lock())
    await together(one=(both, a, b), two=(both, b, a))


async def made_without_a_loop_in_one_order() -> None:
    first, second = made_outside()
    await together(one=(both, first, second), two=(both, first, second))


@pair(made_without_a_loop_in_one_order, "one", "two")
async def made_without_a_loop() -> None:
    """Such objects are adapters around what is made once there is a loop."""
    first, second = made_outside()
    await together(one=(both, first, second), two=(both, second, first))


def made_outside() -> tuple[Any, Any]:
    """A lock and a limiter as they are when made where no loop runs."""
    made: list[Any] = []
    thread = threading.Thread(target=lambda: made.extend((anyio.Lock(), anyio.CapacityLimiter(1))))
    thread.start()
    thread.join()
    return made[0], made[1]


# -- limiters ----------------------------------------------------------------------------------------


async def one_token_is_enough() -> None:
    limiter, lock = anyio.CapacityLimiter(2), anyio.Lock()
    await together(one=(both, limiter, lock), two=(both, limiter, lock))


@pair(one_token_is_enough, "one", "two", "three")
async def limiter_and_lock() -> None:
    """Both tokens are held by tasks that want the lock, whose holder wants a token."""
    limiter, lock = anyio.CapacityLimiter(2), anyio.Lock()
    await together(one=(both, limiter, lock), two=(both, limiter, lock), three=(both, lock, limiter))


async def children_outside_the_limiter() -> None:
    limiter = anyio.CapacityLimiter(2)

    async def fetch() -> None:
        async with limiter:
            await pause()
        await together(child=(use, limiter))

    await together(one=(fetch,), two=(fetch,))


@pair(children_outside_the_limiter, "one", "child-one", "two", "child-two")
async def hold_and_ask() -> None:
    """Each worker holds a token and waits for a child that needs one."""
    limiter = anyio.CapacityLimiter(2)

    async def fetch(name: str) -> None:
        async with limiter:
            await pause()
            await together(**{f"child-{name}": (use, limiter)})

    await together(one=(fetch, "one"), two=(fetch, "two"))


# -- semaphores --------------------------------------------------------------------------------------


async def semaphores_in_one_order() -> None:
    a, b = anyio.Semaphore(1), anyio.Semaphore(1)
    await together(one=(both, a, b), two=(both, a, b))


@pair(semaphores_in_one_order, "one", "two")
async def semaphores_as_mutexes() -> None:
    """They do not know their holders; the proof shows that nobody else is left, and the blocks who holds them."""
    a, b = anyio.Semaphore(1), anyio.Semaphore(1)
    await together(one=(both, a, b), two=(both, b, a))


async def permits_given_back_first() -> None:
    permits = anyio.Semaphore(2)

    async def fetch() -> None:
        async with permits:
            await pause()
        await together(child=(use, permits))

    await together(one=(fetch,), two=(fetch,))


@pair(permits_given_back_first, "one", "child-one", "two", "child-two")
async def permits_held_while_asking() -> None:
    permits = anyio.Semaphore(2)

    async def fetch(name: str) -> None:
        async with permits:
            await pause()
            await together(**{f"child-{name}": (use, permits)})

    await together(one=(fetch, "one"), two=(fetch, "two"))


async def given_back_in_a_finally() -> None:
    lock = anyio.Lock()

    async def take() -> None:
        await lock.acquire()
        try:
            await pause()
        finally:
            lock.release()

    await together(taker=(take,), waiter=(use_later, lock))


@pair(given_back_in_a_finally, "waiter", kind="held-by-finished")
async def owner_that_ended() -> None:
    lock = anyio.Lock()
    await together(taker=(lock.acquire,), waiter=(use_later, lock))


@pair(given_back_in_a_finally, "waiter", kind="held-by-finished")
async def borrower_that_ended() -> None:
    limiter = anyio.CapacityLimiter(1)
    await together(taker=(limiter.acquire,), waiter=(use_later, limiter))


# -- waits without an owner --------------------------------------------------------------------------


async def ended_by_closing() -> None:
    send, receive = anyio.create_memory_object_stream[int](1)

    async def consume() -> None:
        async with receive:
            async for _ in receive:
                pass

    async def produce() -> None:
        async with send:
            await send.send(1)

    await together(consumer=(consume,), producer=(produce,))


@pair(ended_by_closing, "consumer", kind="stuck")
async def own_clone_left_open() -> None:
    """The consumer keeps an open end to send to itself: the producer's end closes nothing."""

    async def consume(receive: Any, send: Any) -> None:
        async with receive, send:
            async for _ in receive:
                pass

    async def produce(send: Any) -> None:
        async with send:
            await send.send(1)

    send, receive = anyio.create_memory_object_stream[int](1)
    await together(consumer=(consume, receive, send.clone()), producer=(produce, send))


@pair(ended_by_closing, "producer", kind="stuck")
async def nobody_receives() -> None:
    async def produce() -> None:
        send, receive = anyio.create_memory_object_stream[int]()
        async with send, receive:
            await send.send(1)

    await together(producer=(produce,))


async def set_in_time() -> None:
    event = anyio.Event()

    async def set_later() -> None:
        await pause()
        event.set()

    await together(waiter=(event.wait,), setter=(set_later,))


@pair(set_in_time, "waiter", kind="stuck")
async def event_of_nobody() -> None:
    await together(waiter=(anyio.Event().wait,))


@pair(set_in_time, "one", "two", kind="stuck")
async def condition_of_nobody() -> None:
    condition = anyio.Condition()

    async def wait() -> None:
        async with condition:
            await condition.wait()

    await together(one=(wait,), two=(wait,))


# -- joins -------------------------------------------------------------------------------------------


async def child_needs_another_lock() -> None:
    a, b = anyio.Lock(), anyio.Lock()

    async def parent() -> None:
        async with a, anyio.create_task_group() as group:
            group.start_soon(use_later, b)

    await together(parent=(parent,))


@pair(child_needs_another_lock, "parent", "child")
async def group_exit_holding_what_the_child_needs() -> None:
    lock = anyio.Lock()

    async def parent() -> None:
        async with lock, anyio.create_task_group() as group:
            group.start_soon(use_later, lock, name="child")

    await together(parent=(parent,))


async def sibling_that_fails_later() -> None:
    lock = anyio.Lock()

    async def fail() -> None:
        await anyio.sleep(AWHILE)
        raise ValueError

    async def parent() -> None:
        async with lock, anyio.create_task_group() as group:
            group.start_soon(use_later, lock, name="child")
            group.start_soon(fail, name="sibling")

    with contextlib.suppress(BaseExceptionGroup):
        await together(parent=(parent,))


@pair(sibling_that_fails_later, "parent", "child", verdict="suspected")
async def sibling_that_could_fail() -> None:
    lock = anyio.Lock()

    async def parent() -> None:
        async with lock, anyio.create_task_group() as group:
            group.start_soon(use_later, lock, name="child")
            group.start_soon(anyio.sleep, 30, name="sibling")

    await together(parent=(parent,))


async def awaited_after_release() -> None:
    lock = anyio.Lock()

    async def parent() -> None:
        async with lock:
            child = spawn("child", use(lock))
            await pause()
        await child

    await together(parent=(parent,))


@pair(awaited_after_release, "parent", "child")
async def await_the_child_holding_the_lock() -> None:
    """The same task would get a RuntimeError; through a child it hangs."""
    lock = anyio.Lock()

    async def parent() -> None:
        async with lock:
            await spawn("child", use_later(lock))

    await together(parent=(parent,))


async def started_before_the_lock() -> None:
    lock = anyio.Lock()

    async def child(*, task_status: Any) -> None:
        task_status.started()
        await use(lock)

    async with anyio.create_task_group() as group, lock:
        await group.start(child, name="child")


@pair(started_before_the_lock, "parent", "child")
async def start_holding_what_the_child_needs() -> None:
    lock = anyio.Lock()

    async def child(*, task_status: Any) -> None:
        await use(lock)
        task_status.started()

    async def parent() -> None:
        async with anyio.create_task_group() as group, lock:
            await group.start(child, name="child")

    await together(parent=(parent,))


async def started_by_another(after: float = AWHILE) -> None:
    lock, given = anyio.Lock(), list[Any]()

    async def child(*, task_status: Any) -> None:
        given.append(task_status)
        await use(lock)

    async def parent() -> None:
        async with anyio.create_task_group() as group, lock:
            await group.start(child, name="child")

    async def helper() -> None:
        await anyio.sleep(after)
        given[0].started()

    await together(parent=(parent,), helper=(helper,))


@pair(started_by_another, "parent", "child", verdict="suspected")
async def start_that_another_could_confirm() -> None:
    """Another task could call started() for the child, so this is not proven."""
    await started_by_another(after=30)


async def handles_in_a_line() -> None:
    async with anyio.create_task_group() as group:
        first = group.start_soon(pause)
        second = group.start_soon(first.wait)
        await second


@pair(handles_in_a_line, "one", "two")
async def circle_of_handles() -> None:
    """Each task waits for the other's handle."""
    handles: dict[str, Any] = {}

    async def follow(other: str) -> None:
        await pause()
        await handles[other]

    async with anyio.create_task_group() as group:
        handles["one"] = group.start_soon(follow, "two", name="one")
        handles["two"] = group.start_soon(follow, "one", name="two")


# -- scopes ------------------------------------------------------------------------------------------


def crossed(take: Callable[[Any], Any]) -> Program:
    """Two tasks, two locks, opposite order; ``take`` is how each waits for its second lock."""

    async def program() -> None:
        a, b = anyio.Lock(), anyio.Lock()

        async def move(first: anyio.Lock, second: anyio.Lock) -> None:
            async with first:
                await pause()
                await take(second)

        await together(one=(move, a, b), two=(move, b, a))

    program.__name__ = take.__name__
    return program


async def under_move_on_after(lock: Any) -> None:
    with anyio.move_on_after(AWHILE):
        await use(lock)


async def under_fail_after(lock: Any) -> None:
    with contextlib.suppress(TimeoutError), anyio.fail_after(AWHILE):
        await use(lock)


async def under_a_deadline_set_later(lock: Any) -> None:
    with anyio.CancelScope() as scope:
        scope.deadline = anyio.current_time() + AWHILE
        await use(lock)


async def under_an_outer_deadline(lock: Any) -> None:
    with anyio.move_on_after(AWHILE), anyio.CancelScope():
        await use(lock)


async def under_a_shielded_deadline(lock: Any) -> None:
    """The shield keeps others' cancellation out, not its own."""
    with anyio.move_on_after(AWHILE, shield=True):
        await use(lock)


async def under_a_deadline_within_a_shield(lock: Any) -> None:
    with anyio.CancelScope(shield=True), anyio.move_on_after(AWHILE):
        await use(lock)


async def under_asyncio_timeout(lock: Any) -> None:
    """asyncio's cancellation minds no shield."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(AWHILE):
            with anyio.CancelScope(shield=True):
                await use(lock)


for each in (
    under_move_on_after,
    under_fail_after,
    under_a_deadline_set_later,
    under_an_outer_deadline,
    under_a_shielded_deadline,
    under_a_deadline_within_a_shield,
    under_asyncio_timeout,
):
    HEALTHY.append(crossed(each))


@pair(crossed(under_a_shielded_deadline), "one", "two")
async def shield_within_the_deadline() -> None:
    """The deadline is there and will pass, but the shield keeps it from the wait."""

    async def take(lock: anyio.Lock) -> None:
        with anyio.move_on_after(30), anyio.CancelScope(shield=True):
            await use(lock)

    await crossed(take)()


def by_a_timer(arm: Callable[[Any, Any], None]) -> None:
    """Enter two healthy programs: a timer cancels the scope of each wait, or that of the group around them."""

    async def each_wait(lock: Any) -> None:
        with anyio.CancelScope() as scope:
            arm(asyncio.get_running_loop(), scope)
            await use(lock)

    async def whole_group() -> None:
        a, b = anyio.Lock(), anyio.Lock()
        async with anyio.create_task_group() as group:
            group.start_soon(both, a, b)
            group.start_soon(both, b, a)
            arm(asyncio.get_running_loop(), group.cancel_scope)

    each_wait.__name__, whole_group.__name__ = f"{arm.__name__}_each_wait", f"{arm.__name__}_the_group"
    HEALTHY.extend((crossed(each_wait), whole_group))


@by_a_timer
def timer_that_cancels(loop: Any, scope: Any) -> None:
    loop.call_later(AWHILE, scope.cancel)


@by_a_timer
def timer_with_a_closure_over(loop: Any, scope: Any) -> None:
    loop.call_later(AWHILE, lambda: scope.cancel())


@by_a_timer
def timer_that_hastens(loop: Any, scope: Any) -> None:
    loop.call_later(AWHILE, setattr, scope, "deadline", 0)


@healthy
async def timer_that_cancels_by_handle() -> None:
    a, b = anyio.Lock(), anyio.Lock()
    async with anyio.create_task_group() as group:
        handle = group.start_soon(both, a, b)
        group.start_soon(both, b, a)
        asyncio.get_running_loop().call_later(AWHILE, handle.cancel)


@healthy
async def deadline_of_the_group() -> None:
    a, b = anyio.Lock(), anyio.Lock()
    async with anyio.create_task_group() as group:
        group.cancel_scope.deadline = anyio.current_time() + AWHILE
        group.start_soon(both, a, b)
        group.start_soon(both, b, a)
        await anyio.sleep_forever()  # up to 4.6 the deadline is over with the body


@healthy
async def deadline_around_the_group() -> None:
    a, b = anyio.Lock(), anyio.Lock()
    with anyio.move_on_after(AWHILE):
        await together(one=(both, a, b), two=(both, b, a))


@healthy
async def deadline_around_groups_in_groups() -> None:
    a, b = anyio.Lock(), anyio.Lock()
    with anyio.move_on_after(AWHILE):
        await together(outer=(together_again, a, b))


async def together_again(a: Any, b: Any) -> None:
    await together(one=(both, a, b), two=(both, b, a))


@healthy
async def asyncio_timeout_around_the_group() -> None:
    a, b = anyio.Lock(), anyio.Lock()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(AWHILE):
            await together(one=(both, a, b), two=(both, b, a))


@healthy
async def wait_for_around_the_group() -> None:
    a, b = asyncio.Lock(), asyncio.Lock()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(together(one=(both, a, b), two=(both, b, a)), AWHILE)


@healthy
async def scope_around_native_tasks() -> None:
    a, b = anyio.Lock(), anyio.Lock()
    with anyio.move_on_after(AWHILE):
        await asyncio.gather(spawn("one", both(a, b)), spawn("two", both(b, a)))


@healthy
async def fail_after_in_the_body() -> None:
    """It raises in the body, and so ends the children of the group."""
    a, b = anyio.Lock(), anyio.Lock()
    with contextlib.suppress(BaseExceptionGroup):
        async with anyio.create_task_group() as group:
            group.start_soon(both, a, b)
            group.start_soon(both, b, a)
            with anyio.fail_after(AWHILE):
                await anyio.sleep_forever()


async def quiet_body() -> None:
    a, b = anyio.Lock(), anyio.Lock()
    async with anyio.create_task_group() as group:
        group.start_soon(both, a, b, name="one")
        group.start_soon(both, a, b, name="two")
        for _ in range(3):
            with anyio.move_on_after(AWHILE / 3):
                await anyio.sleep_forever()


@pair(quiet_body, "one", "two")
async def body_with_pauses_of_its_own() -> None:
    """A pause or a poll in the body ends by itself and leaves the children as they are."""
    a, b = anyio.Lock(), anyio.Lock()
    async with anyio.create_task_group() as group:
        group.start_soon(both, a, b, name="one")
        group.start_soon(both, b, a, name="two")
        while True:
            await anyio.sleep(5)
            with anyio.move_on_after(5):
                await anyio.sleep_forever()


@pair(quiet_body, "one", "two")
async def body_that_polls() -> None:
    a, b = anyio.Lock(), anyio.Lock()
    async with anyio.create_task_group() as group:
        group.start_soon(both, a, b, name="one")
        group.start_soon(both, b, a, name="two")
        with anyio.move_on_after(30):
            await anyio.sleep_forever()


@pair(quiet_body, "one", "two")
async def sibling_with_a_deadline() -> None:
    """That another task of the group will time out says nothing of these two."""
    a, b = anyio.Lock(), anyio.Lock()

    async def careful() -> None:
        with anyio.move_on_after(30):
            await anyio.sleep_forever()

    await together(one=(both, a, b), two=(both, b, a), careful=(careful,))


@healthy
async def cancelled_task_that_cleans_up() -> None:
    """While its scope cancels it again and again, a task is not stuck, though it waits for a lock to clean up."""
    lock = anyio.Lock()

    async def holder() -> None:
        async with lock:
            await anyio.sleep(AWHILE)

    async def cleaner() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await use(lock)

    async with anyio.create_task_group() as group:
        group.start_soon(cleaner)
        await pause()
        group.start_soon(holder)
        await pause()
        group.cancel_scope.cancel()


# -- what is no deadlock -----------------------------------------------------------------------------


@healthy
async def sole_receiver() -> None:
    """A memory stream with a live sender, however slow."""
    send, receive = anyio.create_memory_object_stream[int]()

    async def sender() -> None:
        async with send:
            for i in range(3):
                await anyio.sleep(AWHILE / 3)
                await send.send(i)

    async def receiver() -> None:
        async with receive:
            async for _ in receive:
                await pause()

    await together(sender=(sender,), receiver=(receiver,))


@healthy
async def lock_held_while_receiving() -> None:
    send, receive = anyio.create_memory_object_stream[int]()
    lock = anyio.Lock()

    async def receiver() -> None:
        async with lock, receive:
            await receive.receive()

    async def sender() -> None:
        await anyio.sleep(AWHILE)
        async with send:
            await send.send(1)

    await together(receiver=(receiver,), other=(use_later, lock), sender=(sender,))


@healthy
async def lock_held_while_in_a_thread() -> None:
    lock = anyio.Lock()

    async def holder() -> None:
        async with lock:
            await anyio.to_thread.run_sync(time.sleep, AWHILE)

    await together(holder=(holder,), other=(use_later, lock))


@healthy
async def from_a_thread_and_back() -> None:
    lock = anyio.Lock()

    def work() -> None:
        anyio.from_thread.run(anyio.sleep, AWHILE)

    async def holder() -> None:
        async with lock:
            await anyio.to_thread.run_sync(work)

    await together(holder=(holder,), other=(use_later, lock))


@healthy
async def condition_that_is_notified() -> None:
    condition = anyio.Condition()

    async def waiter() -> None:
        async with condition:
            await condition.wait()

    async def notifier() -> None:
        await anyio.sleep(AWHILE)
        async with condition:
            condition.notify_all()

    await together(one=(waiter,), two=(waiter,), notifier=(notifier,))


@healthy
async def semaphore_as_a_signal() -> None:
    signal, lock = anyio.Semaphore(0), anyio.Lock()

    async def waiter() -> None:
        async with lock:
            await signal.acquire()

    async def giver() -> None:
        await anyio.sleep(AWHILE)
        signal.release()

    await together(waiter=(waiter,), other=(use_later, lock), giver=(giver,))


@healthy
async def event_that_is_set() -> None:
    event, lock = anyio.Event(), anyio.Lock()

    async def waiter() -> None:
        async with lock:
            await event.wait()

    async def setter() -> None:
        await anyio.sleep(AWHILE)
        event.set()

    await together(waiter=(waiter,), other=(use_later, lock), setter=(setter,))


@healthy
async def token_borrowed_for_something() -> None:
    """Who borrows a token need not be a task, and then anybody can give it back."""
    limiter, lock, something = anyio.CapacityLimiter(1), anyio.Lock(), object()

    async def borrower() -> None:
        async with lock:
            await limiter.acquire()
            limiter.release()

    async def giver() -> None:
        await anyio.sleep(AWHILE)
        limiter.release_on_behalf_of(something)

    await limiter.acquire_on_behalf_of(something)
    await together(borrower=(borrower,), other=(use_later, lock), giver=(giver,))
