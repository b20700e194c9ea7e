"""Programs over anyio, on asyncio: its locks, limiters, events, streams, groups and threads (A1 to A7)."""

from __future__ import annotations

import contextlib
import threading
import time

import anyio
import anyio.from_thread
import anyio.lowlevel
import anyio.to_thread
from anyio.abc import ObjectReceiveStream, ObjectSendStream, TaskStatus

from . import Pace, buggy, healthy, parked


async def io() -> None:
    await anyio.sleep(0.002)


async def slow_io() -> None:
    await anyio.sleep(Pace.slow)


# -- locks and limiters -------------------------------------------------------------------------------


async def move_funds(first: anyio.Lock, second: anyio.Lock) -> None:
    async with first:  # <- move-1, move-2
        await slow_io()
        async with second:  # <- move-1, move-2
            await io()


@buggy("deadlock", "move-1", "move-2")
async def anyio_locks_in_opposite_order(fixed: bool) -> None:
    savings, current = anyio.Lock(), anyio.Lock()
    back = (savings, current) if fixed else (current, savings)
    async with anyio.create_task_group() as group:
        group.start_soon(move_funds, savings, current, name="move-1")
        group.start_soon(move_funds, *back, name="move-2")


@buggy("deadlock", "parent-page", "child-page")
async def limiter_token_held_while_a_child_wants_one(fixed: bool) -> None:
    tokens = anyio.CapacityLimiter(2 if fixed else 1)

    async def child() -> None:
        async with tokens:  # <- child-page
            await io()

    async def parent() -> None:
        async with tokens, anyio.create_task_group() as group:  # <- parent-page
            group.start_soon(child, name="child-page")
            await slow_io()

    async with anyio.create_task_group() as group:
        group.start_soon(parent, name="parent-page")


@buggy("held-by-finished|stuck", "second-import")
async def anyio_semaphore_kept_after_an_error(fixed: bool) -> None:
    permits = anyio.Semaphore(1)

    async def bring_in(bad: bool) -> None:
        await permits.acquire()  # <- second-import
        try:
            await slow_io()
            if bad:
                return
            permits.release()
        finally:
            if fixed and bad:
                permits.release()

    async with anyio.create_task_group() as group:
        group.start_soon(bring_in, True, name="first-import")
        await io()
        group.start_soon(bring_in, False, name="second-import")


# -- streams ------------------------------------------------------------------------------------------


@buggy("stuck", "consume-clone")
async def clone_of_a_send_stream_left_open(fixed: bool) -> None:
    """The end comes when all clones are closed; the original, kept beside them, never is."""
    send, receive = anyio.create_memory_object_stream[int](1)

    async def produce(stream: ObjectSendStream[int]) -> None:
        async with stream:
            await slow_io()
            await stream.send(1)

    async def consume(stream: ObjectReceiveStream[int]) -> None:
        async with stream:
            async for _ in stream:  # <- consume-clone
                pass

    async with anyio.create_task_group() as group:
        group.start_soon(produce, send.clone(), name="produce")
        group.start_soon(consume, receive, name="consume-clone")
        if fixed:
            send.close()
    send.close()


@buggy("stuck", "send-rows")
async def receiver_is_kept_but_does_not_receive(fixed: bool) -> None:
    """The consumer stops at the first hit and keeps its end of the stream open; the producer's send never ends."""
    send, receive = anyio.create_memory_object_stream[int](0)

    async def produce() -> None:
        with contextlib.suppress(anyio.BrokenResourceError):
            async with send:
                for row in range(5):
                    await send.send(row)  # <- send-rows

    async def search() -> None:
        async for row in receive:
            await slow_io()
            if row == 1:
                break
        if fixed:
            receive.close()

    async with anyio.create_task_group() as group:
        group.start_soon(produce, name="send-rows")
        group.start_soon(search, name="search")
    receive.close()


# -- events, conditions, groups -----------------------------------------------------------------------


@buggy("stuck", "await-migration")
async def anyio_event_whose_setter_is_cancelled(fixed: bool) -> None:
    migrated = anyio.Event()

    async def migrate() -> None:
        with anyio.move_on_after(0.012):
            await anyio.sleep(1)
            migrated.set()
        if fixed:
            migrated.set()

    async def wait() -> None:
        await migrated.wait()  # <- await-migration

    async with anyio.create_task_group() as group:
        group.start_soon(migrate, name="migrate")
        group.start_soon(wait, name="await-migration")


@buggy("stuck", "await-stock")
async def anyio_condition_notified_before(fixed: bool) -> None:
    changed, stock = anyio.Condition(), list[str]()

    async def deliver() -> None:
        async with changed:
            stock.append("apple")
            changed.notify_all()

    async def wait() -> None:
        await slow_io()
        async with changed:
            if not (fixed and stock):
                await changed.wait()  # <- await-stock

    async with anyio.create_task_group() as group:
        group.start_soon(wait, name="await-stock")
        group.start_soon(deliver, name="deliver")


@buggy("stuck|deadlock", "boot-server", maybe=("main",))
async def start_that_is_never_confirmed(fixed: bool) -> None:
    """``await group.start(...)``: what was started waits for a client before it says that it has started."""
    connected = anyio.Event()

    async def serve(task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        if fixed:
            task_status.started()
        await connected.wait()  # <- boot-server
        task_status.started() if not fixed else None

    async with anyio.create_task_group() as group:
        await group.start(serve, name="boot-server")
        await slow_io()
        connected.set()


@buggy("stuck", "shielded-goodbye", maybe=("main",))
async def shielded_clean_up_without_a_limit(fixed: bool) -> None:
    """CancelScope(shield=True) around a goodbye that nobody answers any more."""
    answered = anyio.Event()

    async def session() -> None:
        try:
            await anyio.sleep(1)
        finally:
            with anyio.move_on_after(0.012 if fixed else None, shield=True):
                await answered.wait()  # <- shielded-goodbye

    async with anyio.create_task_group() as group:
        group.start_soon(session, name="shielded-goodbye")
        await io()
        group.cancel_scope.cancel()


@buggy("deadlock", "render-page", "render", apart=True)
async def from_thread_run_while_the_loop_waits_for_the_thread(fixed: bool) -> None:
    """A synchronous helper joins, in the loop's thread, a thread that asks the loop."""
    portal_token = anyio.lowlevel.current_token()

    def render() -> None:
        time.sleep(Pace.slow)
        anyio.from_thread.run(io, token=portal_token)  # <- render

    async def page() -> None:
        if fixed:
            return await anyio.to_thread.run_sync(render)
        worker = threading.Thread(target=render, name="render", daemon=True)
        worker.start()
        worker.join()  # <- render-page
        return None

    async with anyio.create_task_group() as group:
        group.start_soon(page, name="render-page")


# -- and all is well ----------------------------------------------------------------------------------


@healthy
async def stream_that_ends(fixed: bool) -> None:
    send, receive = anyio.create_memory_object_stream[int](2)

    async def produce() -> None:
        async with send:
            for number in range(4):
                await io()
                await send.send(number)

    async with anyio.create_task_group() as group, receive:
        group.start_soon(produce)
        assert [number async for number in receive] == [0, 1, 2, 3]


@healthy
async def deadline_around_a_hopeless_wait(fixed: bool) -> None:
    with anyio.move_on_after(0.015):
        await anyio.Event().wait()


@healthy
async def scope_cancelled_by_a_sibling(fixed: bool) -> None:
    """Two wait for an event that never comes, a third one cancels the group."""
    never = anyio.Event()

    async def stop() -> None:
        await slow_io()
        group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        group.start_soon(never.wait)
        group.start_soon(stop)
        await never.wait()


@healthy
async def work_in_threads(fixed: bool) -> None:
    async with anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(anyio.to_thread.run_sync, time.sleep, 0.004)


@parked
async def anyio_sleep_for_ever(fixed: bool) -> None:
    await anyio.sleep_forever()


@parked
async def anyio_server_and_signal(fixed: bool) -> None:
    """A listener serves, main waits for ever in the group's body."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")

    async def handle(client: anyio.abc.SocketStream) -> None:
        async with client:
            await client.send(await client.receive())

    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, handle)
        await anyio.sleep_forever()


@parked
async def anyio_worker_on_an_empty_stream(fixed: bool) -> None:
    send, receive = anyio.create_memory_object_stream[int](1)

    async def produce() -> None:
        async with send:
            await anyio.sleep(60)
            await send.send(1)

    async with anyio.create_task_group() as group, receive:
        group.start_soon(produce)
        async for _ in receive:
            pass
