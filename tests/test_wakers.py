"""Wakers: who set, put, took, notified, released is known by name and place, and how it ended."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import gc
import inspect
import pickle
import threading
import weakref
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

import unstuck
from unstuck.agent.acts import DONE, GET, NOTIFY, PUT, RELEASE, SET, SHUTDOWN
from unstuck.agent.wakers import CALLBACK, Waker, Wakers, wakers_of

from . import harness


@pytest.fixture(autouse=True)
def _on() -> Iterator[None]:
    """The agent is on in each of these tests."""
    unstuck.install(harness.settings())
    yield
    unstuck.uninstall()


def run(program: Callable[[], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        return await program()

    return asyncio.run(main())


def said(waker: Waker) -> tuple[str, str, str]:
    """Kind, name and the source text of the act."""
    return waker.kind, waker.name, waker.place.code if waker.place else ""


async def finished(task: asyncio.Task[Any]) -> None:
    """The task is done and its done-callbacks have run."""
    await asyncio.wait([task])
    await asyncio.sleep(0)


async def put_one(queue: asyncio.Queue[int]) -> None:
    await queue.put(1)


# -- who it was --------------------------------------------------------------------------------------------


async def act_on_event() -> tuple[Any, str]:
    event = asyncio.Event()
    event.set()
    return event, "event.set()"


async def act_on_event_again() -> tuple[Any, str]:
    event = asyncio.Event()
    for _ in range(20):
        event.set()
        event.clear()
    return event, "event.set()"


async def act_on_queue() -> tuple[Any, str]:
    queue: asyncio.Queue[int] = asyncio.Queue()
    await queue.put(1)
    return queue, "await queue.put(1)"


async def act_on_queue_now() -> tuple[Any, str]:
    queue: asyncio.Queue[int] = asyncio.Queue()
    for _ in range(20):
        queue.put_nowait(1)
    return queue, "queue.put_nowait(1)"


async def act_on_lifo() -> tuple[Any, str]:
    queue: asyncio.Queue[int] = asyncio.LifoQueue()
    queue.put_nowait(1)
    return queue, "queue.put_nowait(1)"


async def act_on_priority_queue() -> tuple[Any, str]:
    queue: asyncio.Queue[int] = asyncio.PriorityQueue()
    await queue.put(1)
    return queue, "await queue.put(1)"


async def act_on_condition() -> tuple[Any, str]:
    condition = asyncio.Condition()
    async with condition:
        condition.notify()
    return condition, "condition.notify()"


async def act_on_condition_for_all() -> tuple[Any, str]:
    condition = asyncio.Condition()
    async with condition:
        condition.notify_all()
    return condition, "condition.notify_all()"


async def act_on_barrier() -> tuple[Any, str]:
    barrier = asyncio.Barrier(1)
    await barrier.wait()
    return barrier, "await barrier.wait()"


async def act_on_signal() -> tuple[Any, str]:
    semaphore = asyncio.Semaphore(0)
    semaphore.release()
    return semaphore, "semaphore.release()"


@pytest.mark.parametrize(
    ("act", "kind"),
    [
        (act_on_event, SET),
        (act_on_event_again, SET),
        (act_on_queue, PUT),
        (act_on_queue_now, PUT),
        (act_on_lifo, PUT),
        (act_on_priority_queue, PUT),
        (act_on_condition, NOTIFY),
        (act_on_condition_for_all, NOTIFY),
        (act_on_barrier, NOTIFY),
        (act_on_signal, RELEASE),
    ],
)
def test_when_a_task_acts(act: Callable[[], Any], kind: str) -> None:
    """Once, by name, at the line of the program that called for it."""

    async def program() -> None:
        task = asyncio.create_task(act(), name="actor")
        primitive, code = await task
        wakers = wakers_of(primitive, kind)
        assert [(kind, "actor", code)] == [said(each) for each in wakers.all]
        assert wakers.complete
        assert not wakers.many

    run(program)


def test_when_a_task_takes_and_finishes() -> None:
    """Taker and finisher are told apart, with their places."""

    async def program() -> None:
        queue: asyncio.Queue[int] = asyncio.Queue()

        async def work() -> None:
            await queue.get()
            queue.task_done()

        task = asyncio.create_task(work(), name="worker")
        await put_one(queue)
        await task
        assert [(GET, "worker", "await queue.get()")] == [said(each) for each in wakers_of(queue, GET).all]
        assert [(DONE, "worker", "queue.task_done()")] == [said(each) for each in wakers_of(queue, DONE).all]

    run(program)


def test_when_task_done_is_called_each_taker_counts() -> None:
    """Also those who took nothing for a long time."""

    async def program() -> None:
        queue: asyncio.Queue[int] = asyncio.Queue()

        async def work(turns: int) -> None:
            for _ in range(turns):
                await queue.get()
                queue.task_done()

        for name, turns in (("first", 3), ("second", 1), ("third", 1)):
            for _ in range(turns):
                queue.put_nowait(1)
            await asyncio.create_task(work(turns), name=name)
        assert ["first", "second", "third"] == [each.name for each in wakers_of(queue, GET).all]

    run(program)


@pytest.mark.skipif(not hasattr(asyncio.Queue, "shutdown"), reason="since 3.13")
def test_when_a_queue_is_shut_down() -> None:
    """An act too."""

    async def program() -> None:
        queue: asyncio.Queue[int] = asyncio.Queue()
        queue.shutdown()  # type: ignore[attr-defined]
        assert [SHUTDOWN] == [each.kind for each in wakers_of(queue).all]
        with pytest.raises(asyncio.QueueShutDown):  # type: ignore[attr-defined]
            queue.put_nowait(1)
        with pytest.raises(asyncio.QueueShutDown):  # type: ignore[attr-defined]
            queue.get_nowait()

    run(program)


def test_when_two_take_turns() -> None:
    """Both are known, each once."""

    async def program() -> None:
        queue: asyncio.Queue[int] = asyncio.Queue()

        async def produce() -> None:
            for _ in range(40):
                queue.put_nowait(1)
                await asyncio.sleep(0)

        await asyncio.gather(*(asyncio.create_task(produce(), name=name) for name in "ab"))
        assert ["a", "b"] == sorted(each.name for each in wakers_of(queue, PUT).all)

    run(program)


def test_when_a_rare_setter_acts_beside_a_busy_one() -> None:
    """It is met after some acts, for one in eight is looked at."""

    async def program() -> None:
        event = asyncio.Event()

        async def busy() -> None:
            for _ in range(100):
                event.set()
                event.clear()
                await asyncio.sleep(0)

        async def rare() -> None:
            for _ in range(33):
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                event.set()
                event.clear()

        await asyncio.gather(asyncio.create_task(busy(), name="busy"), asyncio.create_task(rare(), name="rare"))
        assert {"busy", "rare"} == {each.name for each in wakers_of(event, SET).all}

    run(program)


def test_when_a_callback_acts() -> None:
    """It is foreign, has no task, and is noted once."""

    async def program() -> None:
        event, queue = asyncio.Event(), asyncio.Queue[int]()
        loop = asyncio.get_running_loop()
        for _ in range(3):
            loop.call_soon(event.set)
            loop.call_soon(lambda: queue.put_nowait(1))
            await asyncio.sleep(0)
            event.clear()
        assert [(SET, CALLBACK, "")] == [said(each) for each in wakers_of(event).foreign]
        assert [(PUT, CALLBACK)] == [said(each)[:2] for each in wakers_of(queue).foreign]
        assert "queue.put_nowait(1)" in said(wakers_of(queue).all[0])[2]

    run(program)


def test_when_a_callback_acts_after_a_task_that_is_gone() -> None:
    """A mark that leads to nobody is not taken for the callback's."""

    async def program() -> None:
        event = asyncio.Event()

        async def act() -> None:
            event.set()
            event.clear()

        task = asyncio.create_task(act(), name="gone")
        await finished(task)
        del task
        gc.collect()
        asyncio.get_running_loop().call_soon(event.set)
        await event.wait()
        assert ["gone", CALLBACK] == [each.name for each in wakers_of(event).all]

    run(program)


def test_when_a_thread_acts_without_the_loop() -> None:
    """It is foreign and has the thread's name; a thread unknown to Python stays unknown."""

    async def program() -> None:
        queue: asyncio.Queue[int] = asyncio.Queue()
        thread = threading.Thread(target=queue.put_nowait, args=(1,), name="pump")
        known = set(threading.enumerate())
        thread.start()
        thread.join()
        assert [(PUT, "thread pump")] == [said(each)[:2] for each in wakers_of(queue).foreign]
        assert known == set(threading.enumerate())

    run(program)


@pytest.mark.parametrize(("make", "act"), [(asyncio.Event, "set"), (asyncio.LifoQueue, "task_done")])
def test_when_a_task_acts_after_a_thread(make: Callable[[], Any], act: str) -> None:
    """It does not take the thread's place, though it has just acted elsewhere and is known."""

    async def program() -> None:
        asyncio.Event().set()
        primitive = make()
        if act == "task_done":
            primitive.put_nowait(1)
            primitive.put_nowait(1)
        thread = threading.Thread(target=getattr(primitive, act), name="pump")
        thread.start()
        thread.join()
        if act == "set":
            primitive.clear()
        getattr(primitive, act)()
        acts = wakers_of(primitive, SET, DONE)
        assert ["thread pump"] == [each.name for each in acts.foreign]
        assert [asyncio.current_task()] == [each.task for each in acts.all if each.task]

    run(program)


@pytest.mark.parametrize("act", [act_on_event, act_on_queue, act_on_signal])
def test_when_one_task_acts_on_one_primitive_after_another(act: Callable[[], Any]) -> None:
    """It is noted on each of them, with the place."""

    async def program() -> None:
        for _ in range(3):
            primitive, code = await act()
            (first, *_) = wakers_of(primitive).all
            assert asyncio.current_task() is first.task
            assert code == said(first)[2]

    run(program)


def test_when_a_task_acts_in_its_eager_step() -> None:
    """Its creation has not been seen yet: it counts as foreign."""
    if not hasattr(asyncio, "eager_task_factory"):
        pytest.skip("since 3.12")

    async def program() -> None:
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined]
        queue: asyncio.Queue[int] = asyncio.Queue()
        await asyncio.create_task(put_one(queue))
        assert 1 == len(wakers_of(queue).foreign)

    run(program)


# -- how it ended ------------------------------------------------------------------------------------------


def end_of(feed: Callable[[asyncio.Queue[int]], Any], cancel: bool = False) -> Waker:
    async def program() -> Waker:
        queue: asyncio.Queue[int] = asyncio.Queue()
        task = asyncio.create_task(feed(queue), name="feeder")
        await queue.get()
        assert ["feeder"] == [each.name for each in wakers_of(queue, PUT).living]
        if cancel:
            task.cancel()
        await finished(task)
        with contextlib.suppress(ValueError, asyncio.CancelledError):
            task.result()
        del task
        gc.collect()
        (waker,) = wakers_of(queue, PUT).ended
        assert waker.task is None
        return waker

    return run(program)  # type: ignore[no-any-return]


async def feed_and_return(queue: asyncio.Queue[int]) -> None:
    await queue.put(1)
    await asyncio.sleep(0)
    await asyncio.sleep(0)


async def feed_and_raise(queue: asyncio.Queue[int]) -> None:
    await feed_and_return(queue)
    int("nine")


async def feed_and_wait(queue: asyncio.Queue[int]) -> None:
    await feed_and_return(queue)
    await asyncio.Event().wait()


class Odd(ValueError):
    def __str__(self) -> str:
        raise AssertionError("code of the program ran")


async def feed_and_raise_odd(queue: asyncio.Queue[int]) -> None:
    await feed_and_return(queue)
    raise Odd


def test_when_a_waker_returned() -> None:
    """Its obituary says so; the task itself may be gone."""
    end = end_of(feed_and_return).end
    assert end is not None
    assert ("feeder", "returned", "", None) == (end.name, end.how, end.error, end.place)


def test_when_a_waker_failed() -> None:
    """With what, and where."""
    end = end_of(feed_and_raise).end
    assert end is not None
    assert ("raised", "ValueError: invalid literal for int() with base 10: 'nine'") == (end.how, end.error)
    assert end.place is not None
    assert __file__ == end.place[0]
    assert inspect.getsource(feed_and_raise).splitlines()[2].strip() == 'int("nine")'
    assert inspect.getsourcelines(feed_and_raise)[1] + 2 == end.place[1]


def test_when_a_waker_was_cancelled() -> None:
    """Neither returned nor raised."""
    end = end_of(feed_and_wait, cancel=True).end
    assert end is not None
    assert "cancelled" == end.how


def test_when_the_error_has_words_of_its_own() -> None:
    """They are not asked for: no code of the program runs."""
    end = end_of(feed_and_raise_odd).end
    assert end is not None
    assert "Odd" == end.error


def test_when_a_waker_fails_and_nobody_asks() -> None:
    """asyncio's own complaint about an exception never retrieved comes as before."""
    complaints: list[str] = []

    async def program() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, said: complaints.append(said["message"]))
        queue: asyncio.Queue[int] = asyncio.Queue()
        task = asyncio.create_task(feed_and_raise(queue))
        await finished(task)
        del task
        gc.collect()

    run(program)
    assert ["Task exception was never retrieved"] == complaints


# -- who comes and goes ------------------------------------------------------------------------------------


def producers(count: int, at_once: bool) -> Wakers:
    async def program() -> Wakers:
        queue: asyncio.Queue[int] = asyncio.Queue()
        tasks = []
        for _ in range(count):
            tasks.append(asyncio.create_task(put_one(queue)))
            if not at_once:
                await finished(tasks[-1])
        for task in tasks:
            await finished(task)
        return wakers_of(queue, PUT)

    return run(program)  # type: ignore[no-any-return]


def test_when_producers_come_and_go() -> None:
    """Several from one place, one after the other: there will be more."""
    assert producers(4, at_once=False).many


def test_when_producers_were_started_together() -> None:
    """A fixed crew is no flow."""
    crew = producers(4, at_once=True)
    assert not crew.many
    assert 4 == len(crew.ended)


def test_when_there_are_too_many_to_list() -> None:
    """The list is bounded."""
    assert producers(17, at_once=True).many


def test_when_tasks_come_by_the_dozen_from_one_place() -> None:
    """After some, they get no callback of ours any more, on whatever primitive they act."""

    async def program() -> None:
        async def act(event: asyncio.Event) -> int:
            event.set()
            return len(asyncio.current_task()._callbacks or ())  # type: ignore[union-attr]

        counts = []
        for _ in range(100):
            event = asyncio.Event()
            counts.append(await asyncio.create_task(act(event)))
        assert counts[0] == counts[-1] + 1
        assert wakers_of(event).many

    run(program)


# -- the program does not notice ---------------------------------------------------------------------------


def test_when_switched_off_no_callback_is_left_on_a_waker() -> None:
    """Its done-callbacks are what they were, and no note is on what it acted on."""

    async def program() -> None:
        queue: asyncio.Queue[int] = asyncio.Queue()
        task = asyncio.create_task(feed_and_wait(queue))
        await queue.get()
        assert 1 == len(task._callbacks or ())  # type: ignore[attr-defined]
        unstuck.uninstall()
        assert not task._callbacks  # type: ignore[attr-defined]
        assert [] == [name for name in vars(queue) if "unstuck" in name]
        assert [] == [name for name in vars(asyncio.Queue) if "unstuck" in name]
        queue.put_nowait(2)
        assert [] == [name for name in vars(queue) if "unstuck" in name]
        task.cancel()

    run(program)


def test_when_a_primitive_was_made_before_the_agent_came() -> None:
    """Its wakers are noted from then on, and known to be incomplete."""

    async def program() -> None:
        unstuck.uninstall()
        queue, event = asyncio.Queue[int](), asyncio.Event()
        unstuck.install(harness.settings())
        await put_one(queue)
        event.set()
        for primitive in (queue, event):
            wakers = wakers_of(primitive)
            assert 1 == len(wakers.all)
            assert not wakers.complete

    run(program)


def test_when_a_waker_has_ended_nothing_keeps_it() -> None:
    """Neither the task, nor its exception, nor what it refers to."""

    class Payload:
        pass

    async def program() -> None:
        queue: asyncio.Queue[int] = asyncio.Queue()
        payload = Payload()

        async def feed(payload: Payload) -> None:
            queue.put_nowait(1)
            raise ValueError(payload)

        task = asyncio.create_task(feed(payload))
        kept = [weakref.ref(task), weakref.ref(payload)]
        await finished(task)
        assert task.exception()
        del task, payload
        gc.collect()
        assert [None, None] == [each() for each in kept]
        assert ["ValueError"] == [each.end.error for each in wakers_of(queue, PUT).ended if each.end]

    run(program)


def test_when_the_context_of_a_waker_is_large() -> None:
    """Our callback runs in an empty context, not in a copy of the task's."""

    async def program() -> None:
        queue: asyncio.Queue[int] = asyncio.Queue()
        task = asyncio.create_task(feed_and_wait(queue))
        await queue.get()
        ((_callback, context),) = task._callbacks  # type: ignore[attr-defined]
        assert 0 == len(context)
        task.cancel()

    run(program)


class Shelf(asyncio.Queue[int]):
    """A queue with an order, and a way of putting, of its own."""

    def _init(self, maxsize: int) -> None:
        self.kept: dict[int, int] = {}

    def _put(self, item: int) -> None:
        self.kept[item] = item

    def _get(self) -> int:
        return self.kept.pop(min(self.kept))

    def qsize(self) -> int:
        return len(self.kept)

    def empty(self) -> bool:
        return not self.kept

    def put_nowait(self, item: int) -> None:
        super().put_nowait(-item)

    def __getattr__(self, name: str) -> Any:
        assert not name.startswith("_unstuck"), name
        raise AttributeError(name)


def test_when_a_queue_has_methods_of_its_own() -> None:
    """They are called as ever, and who puts through ``super()`` is noted."""

    async def program() -> None:
        shelf = Shelf()
        for item in (1, 3, 2):
            await shelf.put(item)
        assert [-3, -2, -1] == [await shelf.get() for _ in range(3)]
        assert ["super().put_nowait(-item)"] == [said(each)[2] for each in wakers_of(shelf, PUT).all]

    run(program)


@pytest.mark.parametrize("make", [asyncio.Queue, asyncio.LifoQueue, asyncio.PriorityQueue])
def test_when_a_queue_is_bounded(make: Callable[[int], asyncio.Queue[int]]) -> None:
    """Full and empty are what they were, and putters are woken."""

    async def program() -> None:
        queue = make(1)
        with pytest.raises(asyncio.QueueEmpty):
            queue.get_nowait()
        queue.put_nowait(1)
        with pytest.raises(asyncio.QueueFull):
            queue.put_nowait(2)
        putting = asyncio.create_task(queue.put(2))
        await asyncio.sleep(0)
        joining = asyncio.create_task(queue.join())
        assert 1 == await queue.get()
        await putting
        assert 2 == await queue.get()
        for _ in range(2):
            assert not joining.done()
            queue.task_done()
        await joining
        with pytest.raises(ValueError, match="called too many times"):
            queue.task_done()

    run(program)


def test_when_a_primitive_with_notes_is_copied() -> None:
    """The notes stay behind."""
    event = asyncio.Event()
    event.set()
    for copied in (copy.copy(event), copy.deepcopy(event), pickle.loads(pickle.dumps(event))):
        assert copied.is_set()
        assert [] == [name for name in vars(copied) if "unstuck" in name]


def test_when_somebody_else_has_replaced_put_nowait() -> None:
    """His function is called, and the note made after it."""
    unstuck.uninstall()
    stock, calls = asyncio.Queue.put_nowait, []

    def put_nowait(self: Any, item: Any) -> None:
        calls.append(item)
        stock(self, item)

    asyncio.Queue.put_nowait = put_nowait  # type: ignore[method-assign]
    try:
        unstuck.install(harness.settings())

        async def program() -> None:
            queue: asyncio.Queue[int] = asyncio.Queue()
            await asyncio.create_task(put_one(queue), name="feeder")
            assert ["feeder"] == [each.name for each in wakers_of(queue, PUT).all]

        run(program)
        unstuck.uninstall()
        assert asyncio.Queue.put_nowait is put_nowait
    finally:
        asyncio.Queue.put_nowait = stock  # type: ignore[method-assign]
    assert [1] == calls
