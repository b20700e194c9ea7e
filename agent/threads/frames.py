"""Variables of running frames, read from another thread without disturbing them.

Laws:
- Since 3.13 ``f_locals`` is a view and harmless. Before, it leaves a dict on the frame: it is asked of the
  standard library's frames only, and emptied again; not of frames that a debugger traces, whose variables Python
  writes back from that dict. Coverage's tracer in C goes past it.
- Before 3.13 a variable of the program's own running frame is known where the caller is the standard library and
  knows what it called: the arguments and the closure of a thread's target, of an executor's job, of a callback and
  of a task's coroutine function. Elsewhere only globals are known.
- No code of the program runs: instance dictionaries and slots are read directly.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import inspect
import sys
from collections.abc import Callable, Iterator
from types import CodeType, FrameType, FunctionType, MethodType
from typing import Any

from ..attributes import content, instance_attributes
from ..bytecode import Path, instructions

MOST_FRAMES = 1_000
_C_TRACER = ("coverage", "CTracer")
_STDLIB = ("threading", "queue", "logging")


def outwards(frame: FrameType | None) -> Iterator[FrameType]:
    """The frame and those that called it, innermost first; bounded."""
    for _ in range(MOST_FRAMES):
        if frame is None:
            return
        yield frame
        frame = frame.f_back


def stdlib_local(frame: FrameType, name: str) -> Any:
    """A local variable of a frame of the standard library, or None."""
    if sys.version_info < (3, 13) and _is_debugged(frame):
        return None
    found = frame.f_locals
    value = found.get(name)
    if type(found) is dict:  # up to 3.12: keep nothing alive
        found.clear()
    return value


def lookup(frame: FrameType, path: Path) -> Any:
    """What an expression of a running frame stands for now, or None where that is not known."""
    if path.kind == "global" or (path.kind == "name" and frame.f_code.co_name == "<module>"):
        return _follow(frame.f_globals.get(path.root), path.attributes)
    if path.kind == "name":
        return None
    return _follow(variables(frame).get(path.root), path.attributes)


def _follow(thing: Any, attributes: tuple[str, ...]) -> Any:
    """``follow``, and where an object has no such attribute itself, what its class has."""
    for name in attributes:
        own = instance_attributes(thing)
        if name in own:
            thing = own[name]
            continue
        classes = thing.__mro__ if isinstance(thing, type) else type(thing).__mro__
        thing = next((vars(each)[name] for each in classes if name in vars(each)), None)
        if hasattr(type(thing), "__get__"):  # a property or the like: who knows what it would give
            return None
    return thing


def variables(frame: FrameType) -> dict[str, Any]:
    """The local and closed-over variables that are known of a running frame."""
    if not frame.f_code.co_flags & inspect.CO_OPTIMIZED:
        return {}
    if sys.version_info >= (3, 13):
        return dict(frame.f_locals)
    if is_stdlib(frame):
        return {} if _is_debugged(frame) else _copied(frame)
    return _given(frame)


def is_stdlib(frame: FrameType) -> bool:
    """Whether this is a frame of the parts of the standard library that are read here."""
    name = module_of(frame)
    return name in _STDLIB or name.startswith(("asyncio.", "concurrent.futures."))


def module_of(frame: FrameType) -> str:
    """The name of the module whose code this is."""
    return str(frame.f_globals.get("__name__", ""))


def title_of(frame: FrameType) -> str:
    """What runs in the frame, as ``module:qualified.name``; no module is imported to compare."""
    return f"{module_of(frame)}:{frame.f_code.co_qualname}"


def _is_debugged(frame: FrameType) -> bool:
    """Whether a trace function written in Python may be at this frame."""
    tracer = type(frame.f_trace)
    return frame.f_trace is not None and (tracer.__module__, tracer.__name__) != _C_TRACER


def _copied(frame: FrameType) -> dict[str, Any]:
    found = frame.f_locals
    values = dict(found)
    found.clear()
    return values


def _given(frame: FrameType) -> dict[str, Any]:
    """Arguments and closure, as the standard library's frame that made the call knows them."""
    caller, code = frame.f_back, frame.f_code
    reader = _CALLERS.get(title_of(caller)) if caller is not None else None
    function, arguments = reader(stdlib_local(caller, "self"), code) if reader and caller else (None, ())
    function, arguments = _unfold(function, tuple(arguments))
    if not isinstance(function, FunctionType) or function.__code__ is not code:
        return {}
    names = code.co_varnames[: code.co_argcount]
    bound = _bound_anew(code)
    found = {name: value for name, value in zip(names, arguments, strict=False) if name not in bound}
    closure = zip(code.co_freevars, function.__closure__ or (), strict=False)
    return found | {name: content(cell) for name, cell in closure}


def _unfold(function: Any, arguments: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
    """Through partials, bound methods and ``Context.run``."""
    for _ in range(10):
        if isinstance(function, functools.partial):
            function, arguments = function.func, (*function.args, *arguments)
        elif isinstance(function, MethodType):
            function, arguments = function.__func__, (function.__self__, *arguments)
        elif getattr(function, "__name__", "") == "run" and type(getattr(function, "__self__", None)).__name__ == (
            "Context"
        ):
            function, arguments = (arguments or (None,))[0], arguments[1:]
        else:
            break
    return function, arguments


def _bound_anew(code: CodeType) -> set[str]:
    """Names that the code, or a function within it, may have bound to something else since the call."""
    stored = {str(each.argval) for each in instructions(code).values() if each.opname.startswith(("STORE_", "DELETE_"))}
    return stored | set(code.co_cellvars)


Caller = Callable[[Any, CodeType], tuple[Any, Any]]


def _of_thread(thread: Any, _code: CodeType) -> tuple[Any, Any]:
    return getattr(thread, "_target", None), getattr(thread, "_args", ())


def _of_job(item: Any, _code: CodeType) -> tuple[Any, Any]:
    return getattr(item, "fn", None), getattr(item, "args", ())


def _of_handle(handle: Any, code: CodeType) -> tuple[Any, Any]:
    """A callback; or the function of the coroutine whose task's step this is."""
    callback = getattr(handle, "_callback", None)
    task = getattr(callback, "__self__", None)
    if not isinstance(task, asyncio.Task):
        return callback, getattr(handle, "_args", ())
    functions = [each for each in gc.get_referents(task.get_coro()) if type(each) is FunctionType]
    return next((each for each in functions if each.__code__ is code), None), ()


_CALLERS: dict[str, Caller] = {
    "threading:Thread.run": _of_thread,
    "concurrent.futures.thread:_WorkItem.run": _of_job,
    "asyncio.events:Handle._run": _of_handle,
}
