"""Does the count of a task's keepers come out right on this interpreter? Tried on tasks of our own.

Laws:
- Tried once, in the watcher's thread, on a loop that is none: no descriptor, no selector, nothing that the
  program could meet. The probes have names of their own, so the program's count of names goes on as ever.
- Tasks that somebody keeps must all come out as kept, those that nobody keeps as not; else no verdict is given.
"""

from __future__ import annotations

import asyncio
import functools
import weakref
from collections.abc import Callable, Iterator
from typing import Any

from .keepers import is_unkept

_verdict: list[bool] = []


def trusted() -> bool:
    """Whether all probes come out right."""
    if not _verdict:
        probes = _Probes()
        try:
            answer = _answers_right(probes)
            probes.finish()
        except Exception:  # noqa: BLE001 - an asyncio that is not as we know it
            answer = False
        _verdict.append(answer)
    return _verdict[0]


class _Loop:
    """As much of a loop as it takes to bring a task to its first wait."""

    def __init__(self) -> None:
        self.calls: list[Callable[[], object]] = []

    def call_soon(self, callback: Any, *args: Any, context: Any = None) -> None:
        run = callback if context is None else functools.partial(context.run, callback)
        self.calls.append(functools.partial(run, *args))

    def get_debug(self) -> bool:
        return False

    def is_closed(self) -> bool:
        return True

    def is_running(self) -> bool:
        return True

    def call_soon_threadsafe(self, *args: Any, **kwargs: Any) -> None:
        raise RuntimeError("no loop that anybody else could use")

    def call_exception_handler(self, context: Any) -> None: ...


class _Probes:
    """Tasks suspended on futures that are never done."""

    def __init__(self) -> None:
        self.loop: Any = _Loop()
        self.futures: list[Any] = []

    def start(self, coroutine: Any) -> Any:
        """A task in its first wait."""
        task: Any = asyncio.Task(coroutine, loop=self.loop, name="unstuck-probe")
        task._log_destroy_pending = False
        self._run()
        return task

    def finish(self) -> None:
        """Let all tasks come to their end."""
        for future in self.futures:
            future.set_result(None)
        self._run()

    def _run(self) -> None:
        former = asyncio._get_running_loop()
        asyncio._set_running_loop(self.loop)
        try:
            while self.loop.calls:
                self.loop.calls.pop(0)()
        finally:
            asyncio._set_running_loop(former)

    def future(self) -> Any:
        """A future to wait on; somebody else knows it too."""
        self.futures.append(asyncio.Future(loop=self.loop))
        return self.futures[-1]

    async def wait(self) -> None:
        await self.future()

    async def wait_and_know_itself(self) -> None:
        me = asyncio.current_task(self.loop)
        await self.future()
        del me

    async def wait_for_two(self) -> None:
        await asyncio.gather(self.future(), self.future())


def _answers_right(probes: _Probes) -> bool:
    waits = (probes.wait, probes.wait_and_know_itself, probes.wait_for_two)
    free = [weakref.ref(probes.start(wait())) for wait in waits]
    if not all(map(is_unkept, free)):
        return False
    for keep in (_in_a_list, _in_a_set, _in_an_attribute, _in_a_closure, _in_a_generator, _in_c, _awaited):
        task = probes.start(probes.wait())
        reference, keeper = weakref.ref(task), keep(task, probes)
        del task
        if is_unkept(reference) or keeper is None:
            return False
    return True


def _in_a_list(task: Any, _probes: _Probes) -> Any:
    return [task]


def _in_a_set(task: Any, _probes: _Probes) -> Any:
    return {task}


def _in_an_attribute(task: Any, _probes: _Probes) -> Any:
    owner = _Loop()
    owner.task = task  # type: ignore[attr-defined]
    return owner


def _in_a_closure(task: Any, _probes: _Probes) -> Any:
    return lambda: task


def _in_a_generator(task: Any, _probes: _Probes) -> Any:
    def keep() -> Iterator[Any]:
        yield
        yield task

    generator = keep()
    next(generator)
    return generator


def _in_c(task: Any, _probes: _Probes) -> Any:
    return functools.partial(id, task)


def _awaited(task: Any, probes: _Probes) -> Any:
    async def wait() -> None:
        await task

    return probes.start(wait())
