"""Hooks: what the program tells us as it runs. They note facts and decide nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable

from ..imports import after_import
from ..libraries import ANYIO
from ..patching import Patches
from ..state import State


def install(patches: Patches, state: State, on_loop: Callable[[], None], wanted: frozenset[str]) -> None:
    """Put the hooks in place; those that serve one kind of finding only if it is ``wanted``."""
    from . import coroutines, errors, factories, gathers, groups, locks, loops, orphans, semaphores, sites, wakers
    from .tasks import pass_on_anyio

    if sys.version_info >= (3, 14):
        from . import tasks_loop as tasks
    else:
        from . import tasks_weakset as tasks

    sites.install(patches)
    locks.install(patches, state, wanted)
    semaphores.install(patches, state, wakers.install(patches, state))
    loops.install(patches, state, on_loop)
    tasks.install(patches, state)
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
    if ANYIO in sys.modules:
        pass_on_anyio()
    else:
        after_import(ANYIO, pass_on_anyio)


def leave(state: State) -> None:
    """Take off what hooks have put on living tasks."""
    from . import obituaries

    obituaries.unwatch(state)
