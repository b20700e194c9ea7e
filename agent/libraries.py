"""Libraries that the program may have imported: their classes, by the names that this version has.

Laws:
- Nothing is imported from here. A library exists once its module stands in ``sys.modules``, loaded to its end.
- A name that this version lacks matches nothing.
"""

from __future__ import annotations

import sys
from types import CodeType, FunctionType
from typing import Any

ANYIO = "anyio._backends._asyncio"
"""anyio's module for asyncio; it is loaded with the first ``anyio.run``, lock, task group or cancel scope."""
_SPAWNING = ("start_soon", "create_task", "start", "_spawn")


class Anyio:
    """What there is of anyio on asyncio. Tuples of classes are for ``isinstance``; they may be empty."""

    def __init__(self, backend: Any) -> None:
        core = sys.modules.get("anyio._core._synchronization")
        tasks = sys.modules.get("anyio._core._tasks")
        self.locks = _classes(backend, "Lock") or _classes(core, "Lock")  # up to 4.4 one for all backends
        self.limiters = _classes(backend, "CapacityLimiter")
        self.resources = self.locks + self.limiters
        self.semaphores = _classes(backend, "Semaphore") or _classes(core, "Semaphore")
        self.events = _classes(backend, "Event")
        self.conditions = _classes(core, "Condition")
        self.groups = _classes(backend, "TaskGroup")
        self.scopes = _classes(backend, "CancelScope")
        streams = sys.modules.get("anyio.streams.memory")
        self.streams = _classes(streams, "MemoryObjectReceiveStream") + _classes(streams, "MemoryObjectSendStream")
        self.handles = _classes(tasks, "TaskHandle")
        self.inner = {
            **{cls: "_lock" for cls in self.conditions},
            **{cls: "_internal_lock" for cls in _classes(core, "LockAdapter")},
            **{cls: "_internal_semaphore" for cls in _classes(core, "SemaphoreAdapter")},
            **{cls: "_internal_limiter" for cls in _classes(core, "CapacityLimiterAdapter")},
        }
        """Classes of objects that stand for another one, and the attribute that it is."""
        self.states: Any = getattr(backend, "_task_states", None)
        """By task, weakly: the innermost cancel scope that it is in."""
        self.spawning = [
            code for cls in self.groups for base in cls.__mro__ for name in _SPAWNING if (code := _code(base, name))
        ]
        """The methods of a task group that pass on the creation of a task."""
        self.setting = _codes_of((*self.events, *self.limiters))
        """The methods that set an event of asyncio's: one that is set once and for all, or made for a single wait."""
        self._wrappers = [code for cls in self.handles if (code := _code(cls, "_run_coro"))]

    def is_wrapper(self, coroutine: Any) -> bool:
        """Whether it is the coroutine that anyio, since 4.14, puts around that of a task."""
        return getattr(coroutine, "cr_code", None) in self._wrappers


def _classes(module: Any, name: str) -> tuple[type, ...]:
    found = getattr(module, name, None)
    return (found,) if isinstance(found, type) and found.__module__.partition(".")[0] == "anyio" else ()


def _code(cls: type, name: str) -> CodeType | None:
    return getattr(vars(cls).get(name), "__code__", None)


def _codes_of(classes: tuple[type, ...]) -> list[CodeType]:
    members = [member for cls in classes for member in vars(cls).values()]
    setters = [member.fset for member in members if isinstance(member, property)]
    return [each.__code__ for each in (*members, *setters) if isinstance(each, FunctionType)]


_anyio: Anyio | None = None


def is_loaded(name: str) -> bool:
    """Whether the program has imported the module, to its end."""
    module = sys.modules.get(name)
    return module is not None and not getattr(module.__spec__, "_initializing", False)


def anyio(executed: bool = False) -> Anyio | None:
    """anyio, if this program runs it on asyncio; ``executed`` says that its module has just run to the end."""
    global _anyio
    if _anyio is None:
        module = sys.modules.get(ANYIO)
        if module is not None and (executed or not getattr(module.__spec__, "_initializing", False)):
            _anyio = Anyio(module)
    return _anyio
