"""Many programs, one after the other.

Laws:
- Everything follows from the seed. hypothesis keeps no database.
- The collector runs where the programs say, and nowhere else; what is not theirs is frozen, or each of
  these collections would walk the whole heap.
"""

from __future__ import annotations

import contextlib
import contextvars
import gc
import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from typing import Any

import hypothesis

from .render import Program, programs
from .run import Run, blamed
from .watch import Watch, watching

_FREEZE_EVERY = 10
SETTINGS = hypothesis.settings(
    database=None,
    deadline=None,
    derandomize=False,
    print_blob=False,  # which hypothesis does where CI is set
    report_multiple_bugs=False,
    suppress_health_check=list(hypothesis.HealthCheck),
    phases=[hypothesis.Phase.generate, hypothesis.Phase.shrink],
)


def campaign(count: int, seed: int) -> Counter[str]:
    """Run ``count`` programs; return what was seen. AssertionError with the smallest program if one fails."""
    counts = Counter[str]()

    @hypothesis.seed(seed)
    @hypothesis.settings(SETTINGS, max_examples=count)
    @hypothesis.given(programs())
    def holds(program: Program) -> None:
        counts.update(run(program, watch))
        if counts["programs"] % _FREEZE_EVERY == 0:
            gc.freeze()

    with quiet(), watching() as watch:
        holds()
    return counts


def run(program: Program, watch: Watch) -> Counter[str]:
    """Run one program; AssertionError if a claim did not hold."""
    before = {id(each) for each in watch.agent.state.records}
    failures, notes = contextvars.copy_context().run(_live, program, watch)
    gc.collect()
    left = [each for each in watch.agent.state.records if id(each) not in before and each() is not None]
    if left:
        failures.append(f"kept alive: {left}")
    assert not failures, "\n".join(failures)
    return notes


def _live(program: Program, watch: Watch) -> tuple[list[str], Counter[str]]:
    """In a context of its own: a ``finally`` that the collector runs sets variables in whatever context it finds."""
    one = Run(program, watch)
    failures, notes = one.failures, one.notes
    with listening(failures):
        one.to_end()
        del one
        gc.collect()
        gc.collect()
    return failures, notes


@contextlib.contextmanager
def listening(failures: list[str]) -> Iterator[None]:
    """Exceptions that nobody can catch: they are a failure when the agent's code raised them."""

    def hook(unraisable: Any) -> None:
        error = unraisable.exc_value
        if error is not None and (where := blamed(error)):
            failures.append(f"broken: {error!r} at {where}")

    original, sys.unraisablehook = sys.unraisablehook, hook
    try:
        yield
    finally:
        sys.unraisablehook = original


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """No collection but on demand, no word about coroutines that a failed program never awaited."""
    enabled = gc.isenabled()
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        gc.unfreeze()
        gc.collect()  # or the next collection of all would be a long time off
        if enabled:
            gc.enable()
