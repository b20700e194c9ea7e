"""Tasks that were cancelled and go on (A10): swallowed, retried, or stuck in their own clean-up."""

from __future__ import annotations

import asyncio
import contextlib

from . import buggy, healthy, io, slow_io


async def fetch() -> None:
    await asyncio.sleep(0.01)
    raise ConnectionError("refused")


@buggy("ignored-cancel", "poll-feed", verdict="suspected|proven")
async def retry_loop_swallows_the_cancellation(fixed: bool) -> None:
    """A bare ``except BaseException: continue``, thirty attempts long."""
    caught = Exception if fixed else BaseException

    async def poll() -> None:
        for _ in range(30):
            try:
                await fetch()  # <- poll-feed
            except caught:
                continue

    polling = asyncio.create_task(poll(), name="poll-feed")
    await slow_io()
    polling.cancel()
    await asyncio.wait([polling])


@buggy("ignored-cancel", "consume-events", verdict="suspected|proven", also=("stuck",))
async def shutdown_hangs_on_a_worker_that_logs_and_goes_on(fixed: bool) -> None:
    events: asyncio.Queue[int] = asyncio.Queue()
    errors: list[BaseException] = []

    async def consume() -> None:
        while len(errors) < 100:
            try:
                await events.get()  # <- consume-events
            except asyncio.CancelledError as error:
                errors.append(error)
                if fixed:
                    raise

    consuming = asyncio.create_task(consume(), name="consume-events")
    await slow_io()
    consuming.cancel()
    await asyncio.gather(consuming, return_exceptions=True)


@buggy("ignored-cancel", "supervise", verdict="suspected|proven")
async def own_cancellation_taken_for_the_childs(fixed: bool) -> None:
    """``suppress(CancelledError)`` around ``await child`` swallows the cancellation of the parent too."""

    async def supervise() -> None:
        child = asyncio.create_task(asyncio.sleep(1), name="child")
        with contextlib.suppress(asyncio.CancelledError):
            await child
            child.cancel()
        if fixed and (me := asyncio.current_task()) is not None and me.cancelling():
            raise asyncio.CancelledError
        for _ in range(30):
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0.2)  # <- supervise

    supervising = asyncio.create_task(supervise(), name="supervise")
    await slow_io()
    supervising.cancel()
    await asyncio.wait([supervising])


@buggy("ignored-cancel|stuck", "close-consumer", verdict="suspected|proven")
async def cleanup_waits_for_an_answer_that_never_comes(fixed: bool) -> None:
    """The finally sends a goodbye and waits for the answer, while the reader was cancelled before."""
    goodbye = asyncio.Event()

    async def read() -> None:
        try:
            await asyncio.sleep(1)
        finally:
            if fixed:
                goodbye.set()

    async def consume() -> None:
        try:
            await asyncio.sleep(1)
        finally:
            await goodbye.wait()  # <- close-consumer

    reading = asyncio.create_task(read(), name="reader")
    consuming = asyncio.create_task(consume(), name="close-consumer")
    await slow_io()
    for task in (reading, consuming):
        task.cancel()
    await asyncio.gather(reading, consuming, return_exceptions=True)


@buggy("ignored-cancel", "sync-clock", verdict="suspected|proven")
async def child_of_a_group_ignores_its_abort(fixed: bool) -> None:
    """One child fails, the group cancels the other one and waits for it."""

    async def sync() -> None:
        for _ in range(30):
            try:
                await asyncio.sleep(0.2)  # <- sync-clock
            except asyncio.CancelledError:
                if fixed:
                    raise

    with contextlib.suppress(ExceptionGroup):
        async with asyncio.TaskGroup() as group:
            group.create_task(sync(), name="sync-clock")
            await slow_io()
            group.create_task(fetch(), name="fetch")


@buggy("ignored-cancel", "upload", verdict="suspected|proven")
async def shield_awaited_in_a_loop(fixed: bool) -> None:
    """Each cancellation is answered by waiting for the shielded upload once more; it has no end."""

    async def send() -> None:
        await asyncio.sleep(0.03 if fixed else 2)

    async def upload() -> None:
        sending = asyncio.create_task(send(), name="send")
        for _ in range(30):
            try:
                return await asyncio.shield(sending)  # <- upload
            except asyncio.CancelledError:
                if fixed:
                    await sending
                    raise
        sending.cancel()

    uploading = asyncio.create_task(upload(), name="upload")
    await io()
    uploading.cancel()
    await asyncio.wait([uploading])


@buggy("ignored-cancel", "backup", verdict="suspected|proven")
async def timeout_that_its_body_ignores(fixed: bool) -> None:
    """asyncio.timeout cancels once; the body swallows it and goes on for as long as it likes."""

    async def backup() -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.01):
                for _ in range(30):
                    try:
                        await asyncio.sleep(0.2)  # <- backup
                    except asyncio.CancelledError:
                        if fixed:
                            raise

    await asyncio.create_task(backup(), name="backup")


@healthy
async def cleanup_that_moves(fixed: bool) -> None:
    """After a cancellation there is a lot to put away, but it goes on."""

    async def work() -> None:
        try:
            await asyncio.sleep(1)
        finally:
            for _ in range(10):
                await io()

    working = asyncio.create_task(work())
    await io()
    working.cancel()
    await asyncio.wait([working])


@healthy
async def cancellation_taken_back(fixed: bool) -> None:
    """A deadline of one's own: cancelled on purpose, uncancelled, and on with plan B."""

    async def work() -> None:
        me = asyncio.current_task()
        assert me is not None
        asyncio.get_running_loop().call_later(0.004, me.cancel)
        try:
            await asyncio.sleep(1)
        except asyncio.CancelledError:
            me.uncancel()
        await slow_io()

    await asyncio.create_task(work())


@healthy
async def loop_that_stops_on_cancellation(fixed: bool) -> None:
    """A heartbeat that ends by return when it is cancelled."""

    async def beat() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            while True:
                await io()

    beating = asyncio.create_task(beat())
    await slow_io()
    beating.cancel()
    await beating
