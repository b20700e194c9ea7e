"""What the generated programs are made of, beside asyncio itself."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import contextvars
import queue
import sys
import types
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

Act = Callable[[], object]


class Boom(Exception):
    """Raised by programs."""


class Void:
    """What a weak reference gives when its object is gone: everything is done with it, nothing happens."""

    __slots__ = ("__weakref__",)
    f = task = next = keep = None

    def __getattr__(self, _name: str) -> Void:
        return self

    def __setattr__(self, _name: str, _value: object) -> None:
        pass

    def __call__(self, *_args: object) -> Void:
        return self

    def __await__(self) -> Iterator[None]:
        return iter(())

    async def __aenter__(self) -> None:
        pass

    async def __aexit__(self, *_exc: object) -> None:
        pass


VOID: Any = Void()
CV: contextvars.ContextVar[Act] = contextvars.ContextVar("CV", default=VOID)


class Obj:
    """Somebody's object: a service, a request, a cache."""

    def __init__(self, **attributes: Any) -> None:
        vars(self).update(attributes)


class Box(Obj):
    """Has a slot for a future (``f``) and may know other things."""

    f: Any = None
    next: Any = None
    keep: Any = None

    def finish(self) -> None:
        finish(self.f)


class Ref:
    """Knows a task."""

    task: Any = None


class Bomb:
    """Acts when it is finalized."""

    def __init__(self, act: Act) -> None:
        self.act = act

    def __del__(self) -> None:
        self.act()


class Promise:
    """Awaited by a generator of its own."""

    def __init__(self, future: Any) -> None:
        self.future = future

    def __await__(self) -> Iterator[Any]:
        yield from self.future.__await__()


class Steps:
    """Awaited by an iterator of its own, which no frame shows."""

    def __init__(self, future: Any) -> None:
        self.steps = future.__await__()

    def __await__(self) -> Steps:
        return self

    def __iter__(self) -> Steps:
        return self

    def __next__(self) -> Any:
        return next(self.steps)


class Slotted:
    """Without a dict."""

    __slots__ = ("thing",)

    def __init__(self, thing: Any) -> None:
        self.thing = thing


class Touchy:
    """Must be left alone, like a lazy proxy out of its context: whatever is asked of it fails."""

    def __init__(self, thing: Any) -> None:
        object.__setattr__(self, "thing", thing)

    def _fail(self, *_args: object) -> Any:
        caller = sys._getframe(1)
        raise RuntimeError(f"touched by {caller.f_code.co_qualname}:{caller.f_lineno}")

    __class__ = property(_fail)  # type: ignore[assignment]
    __getattr__ = __setattr__ = __delattr__ = __eq__ = __hash__ = __bool__ = __len__ = __iter__ = _fail  # type: ignore[assignment]
    __repr__ = __str__ = __call__ = __getitem__ = __contains__ = __lt__ = __index__ = _fail


class Channel:
    """A home-made queue on bare futures."""

    def __init__(self) -> None:
        self.items: collections.deque[Any] = collections.deque()
        self.readers: collections.deque[Any] = collections.deque()

    def send(self, item: Any) -> None:
        self.items.append(item)
        while self.readers:
            reader = self.readers.popleft()
            if not reader.done():
                reader.set_result(None)
                return

    async def recv(self) -> Any:
        while not self.items:
            reader = asyncio.get_running_loop().create_future()
            self.readers.append(reader)
            await reader
        return self.items.popleft()


class Mutex:
    """A home-made lock on bare futures."""

    def __init__(self) -> None:
        self.taken, self.queue = False, list[Any]()

    async def __aenter__(self) -> None:
        while self.taken:
            turn = asyncio.get_running_loop().create_future()
            self.queue.append(turn)
            await turn
        self.taken = True

    async def __aexit__(self, *_exc: object) -> None:
        self.release()

    def release(self) -> None:
        self.taken = False
        if self.queue:
            finish(self.queue.pop(0))


@contextlib.asynccontextmanager
async def held(resource: Any) -> AsyncIterator[None]:
    async with resource:
        yield


@contextlib.asynccontextmanager
async def held_by_hand(resource: Any) -> AsyncIterator[None]:
    await resource.acquire()
    try:
        yield
    finally:
        resource.release()


class Guard:
    """A manager of the program's own: takes a unit, gives it back."""

    def __init__(self, resource: Any) -> None:
        self.resource = resource

    async def __aenter__(self) -> Guard:
        await self.resource.acquire()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self.resource.release()


class Alarm:
    """A timeout made by hand."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __enter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.timer = asyncio.get_running_loop().call_later(self.seconds, task.cancel)

    def __exit__(self, *_exc: object) -> None:
        self.timer.cancel()


class Budget:
    """asyncio.timeout in a class of the program's own."""

    def __init__(self, seconds: float) -> None:
        self.inner = asyncio.timeout(seconds)

    async def __aenter__(self) -> None:
        await self.inner.__aenter__()

    async def __aexit__(self, *exc: Any) -> bool | None:
        return await self.inner.__aexit__(*exc)


def tasks(*coroutines: Any) -> list[Any]:
    """A task for each."""
    return [asyncio.create_task(each) for each in coroutines]


@types.coroutine
def old_style(event: Any) -> Any:
    """A coroutine that is a generator."""
    yield from event.wait().__await__()


def nothing(*_things: Any) -> None:
    """Is given something, and drops it."""


def nudge() -> None:
    """Act on what any task says about itself."""
    for task in asyncio.all_tasks():
        act_on_tag(getattr(task, "tag", None))


def act_on_tag(tag: Any) -> None:
    if isinstance(tag, asyncio.Event):
        tag.set()
    elif isinstance(tag, Box):
        tag.finish()
    else:
        finish(tag)


def simple_queue(thing: Any) -> Any:
    """A thing in a queue in C."""
    made = queue.SimpleQueue[Any]()
    made.put(thing)
    return made


def fail(future: Any, thing: Any) -> None:
    """Let a future fail, with an exception that knows a thing."""
    if isinstance(future, asyncio.Future) and not future.done():
        future.set_exception(Boom(thing))
        future.exception()


def finish(future: Any) -> None:
    """Set a future that nobody has set."""
    if isinstance(future, asyncio.Future) and not future.done():
        future.set_result(None)


def put(items: Any) -> None:
    """Put without waiting, if there is room."""
    with contextlib.suppress(asyncio.QueueFull):
        items.put_nowait(1)


def take(items: Any) -> None:
    """Get without waiting, if there is anything."""
    with contextlib.suppress(asyncio.QueueEmpty):
        items.get_nowait()


def done(items: Any) -> None:
    """Task done, if there was one."""
    with contextlib.suppress(ValueError):
        items.task_done()


def ignoring(act: Act) -> Callable[[Any], None]:
    """As a callback that is given something."""

    def callback(_thing: Any) -> None:
        act()

    return callback


def once(act: Act) -> Iterator[int]:
    """Acts when it is resumed, or closed."""
    try:
        yield 1
    finally:
        act()


async def stream(act: Act) -> AsyncIterator[int]:
    """Acts when it is resumed, or closed."""
    try:
        yield 1
        yield 2
    finally:
        act()


async def arrivals(event: Any) -> AsyncIterator[int]:
    """Suspended in its own await."""
    for number in range(2):
        yield number
        await event.wait()


def trip(_thing: Any) -> None:
    """Raises: the traceback keeps this frame, and what it was given."""
    raise Boom


def last(iterator: Any) -> None:
    """Resume a generator, if it is one."""
    if iterator is not None and iterator is not VOID:
        next(iterator, None)
