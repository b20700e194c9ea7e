"""Mutexes made of ``asyncio.Lock``: judged by the lock within, and by the blocks that give it back."""

from __future__ import annotations

import os

import pytest

from . import harness
from .programs import Pair, Program
from .programs.own_locks import HEALTHY, PAIRS, reachable

RUNS = int(os.environ.get("UNSTUCK_TEST_RUNS", "50"))


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_when_a_program_deadlocks(pair: Pair) -> None:
    """Proven wherever a block is sure to give back, though anybody could reach the locks."""
    with harness.agent() as ear:
        findings = harness.run_until_found(pair.buggy, ear, "deadlock", linger=0.05)
    reachable.clear()
    assert [(f.verdict, {t.name for t in f.core}) for f in findings] == [(pair.verdict, set(pair.core))]
    assert ear.named("retracted") == []


@pytest.mark.parametrize("program", [*(pair.healthy for pair in PAIRS), *HEALTHY], ids=lambda each: each.__name__)
def test_when_the_healthy_twin_runs(program: Program) -> None:
    """Not a word, in many runs."""
    with harness.agent(slow_wait_after=1.0, stuck_after=1.0) as ear:
        for _ in range(RUNS):
            harness.run_to_end(program)
    reachable.clear()
    assert ear.events == []
