"""The standard loops' ``call_soon`` and ``create_task`` do under the agent what they do without it."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import sys
import traceback
from collections.abc import Callable
from typing import Any

import pytest

from . import harness

LOOP = asyncio.SelectorEventLoop


def with_and_without(observe: Callable[[], Any]) -> tuple[Any, Any]:
    """What is observed under the agent and without it."""
    without = observe()
    with harness.agent():
        assert hasattr(asyncio.BaseEventLoop.call_soon, "__wrapped__"), "the method was not replaced"
        return observe(), without


def noted(loop: Any, debug: bool) -> Any:
    """What a handle bears: its order among the ready, its arguments, its context, where it was made."""
    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable")
    context = contextvars.copy_context()
    context.run(variable.set, 7)
    seen: list[object] = []
    loop.set_debug(debug)
    try:
        loop.call_soon(seen.append, 1)
        handle = loop.call_soon(lambda: seen.append(variable.get()), context=context)
        loop.call_soon(loop.stop).cancel()
        loop.call_soon(functools.partial(loop.stop))
        loop.run_forever()
        return seen, [frame.name for frame in handle._source_traceback or ()][-2:], handle.cancelled()
    finally:
        loop.close()


@pytest.mark.parametrize("debug", [False, True])
def test_a_handle_is_what_it_is_without(debug: bool) -> None:
    """Also the stack that debug mode keeps: it ends where the program called."""
    under, without = with_and_without(lambda: noted(LOOP(), debug))
    assert under == without == ([1, 7], ["<lambda>", "noted"] if debug else [], False)


@pytest.mark.parametrize("debug", [False, True])
def test_a_closed_loop_says_so(debug: bool) -> None:
    """The message, and what is left behind."""

    def observe() -> Any:
        loop = LOOP()
        loop.set_debug(debug)
        loop.close()
        with pytest.raises(RuntimeError) as caught:
            loop.call_soon(print)
        return str(caught.value), len(loop._ready)  # type: ignore[attr-defined]

    under, without = with_and_without(observe)
    assert under == without == ("Event loop is closed", 0)


class Overriding(LOOP):
    """A loop that counts what becomes ready."""

    count = 0

    def _call_soon(self, *args: Any) -> Any:
        self.count += 1
        return super()._call_soon(*args)  # type: ignore[misc]


def test_a_loop_that_overrides_a_part_of_it_is_asked() -> None:
    """Its own ``_call_soon`` sees every callback, once."""

    def observe() -> int:
        loop = Overriding()
        loop.call_soon(print)
        loop.call_soon(print)
        loop.close()
        return loop.count

    assert with_and_without(observe) == (2, 2)


def test_somebody_who_wraps_it_later_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another tool that comes after the agent and wraps the method of all loops."""
    seen: list[object] = []
    with harness.agent():
        original = asyncio.BaseEventLoop._call_soon  # type: ignore[attr-defined]

        def wrapper(self: Any, callback: Any, *args: Any) -> Any:
            seen.append(callback)
            return original(self, callback, *args)

        monkeypatch.setattr(asyncio.BaseEventLoop, "_call_soon", wrapper)
        loop = LOOP()
        loop.call_soon(print)
        loop.close()
        assert seen == [print]
        monkeypatch.undo()


def test_a_method_that_reads_otherwise_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tool was there before, or CPython has changed: nothing is replaced."""

    def call_soon(self: Any, callback: Any, *args: Any, context: Any = None) -> Any:
        return None

    def create_task(self: Any, coro: Any, *, name: Any = None, context: Any = None) -> Any:
        return None

    monkeypatch.setattr(asyncio.BaseEventLoop, "call_soon", call_soon)
    monkeypatch.setattr(asyncio.BaseEventLoop, "create_task", create_task)
    with harness.agent():
        assert asyncio.BaseEventLoop.call_soon is call_soon
        if sys.version_info < (3, 14):  # later it is where tasks are noted, and the one before is called
            assert asyncio.BaseEventLoop.create_task is create_task


def test_an_error_of_the_check_shows_where_it_arose() -> None:
    """In debug mode a coroutine is no callback; the message is CPython's."""

    def observe() -> str:
        loop = LOOP()
        loop.set_debug(True)
        try:
            loop.call_soon(asyncio.sleep)  # type: ignore[arg-type]
        except TypeError as error:
            return traceback.format_exception_only(error)[0]
        finally:
            loop.close()
        return ""

    under, without = with_and_without(observe)
    assert under == without != ""
