"""Hooks: what the program tells us as it runs. They note facts and decide nothing."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable

from ..imports import after_import
from ..libraries import ANYIO, anyio
from ..patching import Patches
from ..state import State


def install(patches: Patches, state: State, on_loop: Callable[[], None], wanted: frozenset[str]) -> None:
    """Put the hooks in place; those that serve one kind of finding only if it is ``wanted``."""
    from . import (
        coroutines,
        errors,
        factories,
        gathers,
        groups,
        locks,
        loops,
        orphans,
        semaphores,
        shortcuts,
        sites,
        wakers,
    )

    if sys.version_info >= (3, 14):
        from . import tasks_loop as tasks
    else:
        from . import tasks_weakset as tasks

    sites.install(patches)
    locks.install(patches, state, wanted)
    semaphores.install(patches, state, wakers.install(patches, state))
    loops.install(patches, state, on_loop)
    tasks.install(patches, state)
    shortcuts.install(patches)
    factories.install(patches, state)
    if coroutines.KIND in wanted:
        coroutines.install(patches, state)
    listeners = [each.listener(state) for each in (errors, orphans) if each.KIND in wanted]
    if listeners:
        errors.install(patches, state, *listeners)
    if "ignored-cancel" in wanted:
        groups.install(patches, state)
    if errors.KIND in wanted:
        gathers.install(patches, state)
    if orphans.KIND in wanted:
        orphans.install(patches, state)
    if anyio() is not None:
        _hook_anyio(patches, state)
    else:
        after_import(ANYIO, functools.partial(_hook_anyio, patches, state))


def leave(state: State) -> None:
    """Take off what hooks have put on living tasks."""
    from . import obituaries

    obituaries.unwatch(state)


def _hook_anyio(patches: Patches, state: State) -> None:
    """anyio's task groups and primitives; called when its module has run to the end."""
    from . import anyio_sites, noting, tasks

    library = anyio(executed=True)
    if library is not None and state.on:
        tasks.PASSING.update(map(id, library.spawning))
        for known in (noting.PASSING, noting.UNNOTED):
            known.update({id(code): code for code in library.setting})
        anyio_sites.install(patches, library)
