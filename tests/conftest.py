"""What holds for the whole run, in all its processes."""

from __future__ import annotations

import os
import random

SEED = "UNSTUCK_FUZZ_SEED"


def pytest_report_header() -> str:
    """The seed of the random programs, to run the very same again."""
    return f"fuzz: {SEED}={os.environ[SEED]}"


def pytest_configure() -> None:
    """Choose the seed before the processes that run the tests inherit it."""
    os.environ.setdefault(SEED, str(random.randrange(10**9)))
    if "PYTEST_XDIST_WORKER" in os.environ:
        _pass_over_the_runner()


def _pass_over_the_runner() -> None:
    """Side by side, tests run beside a thread that listens for the next one: it is none of the program's."""
    from .harness import pass_over

    pass_over("execnet.gateway_base")
