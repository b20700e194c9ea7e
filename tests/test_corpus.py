"""The corpus: every buggy program is found for what it is, no healthy twin yields anything."""

from __future__ import annotations

import os

import pytest

from .corpus import Case, cases, run
from .corpus.pending import BRIEF, TWINS, reason

RUNS = int(os.environ.get("UNSTUCK_TEST_RUNS", "50"))


def expected(case: Case, why: str) -> object:
    return pytest.param(case, marks=[pytest.mark.xfail(reason=why)] if why else [], id=case.name)


@pytest.mark.parametrize("case", [expected(case, reason(case)) for case in cases() if case.kinds])
def test_when_a_program_has_a_bug(case: Case) -> None:
    """The right kind and verdict, the core tasks with their lines; nothing else proven, nothing retracted."""
    outcome = run.run_buggy(case, BRIEF if reason(case) else run.PATIENCE)
    if outcome.state == run.SKIPPED:
        pytest.skip(outcome.detail)
    assert (run.FOUND, outcome.detail) == (outcome.state, outcome.detail)


@pytest.mark.parametrize("case", [expected(case, TWINS.get(case.name, "")) for case in cases()])
def test_when_the_bug_is_mended(case: Case) -> None:
    """Not a word, in many runs."""
    outcome = run.run_twin(case, RUNS)
    if outcome.state == run.SKIPPED:
        pytest.skip(outcome.detail)
    assert (run.SILENT, "") == (outcome.state, outcome.detail)


def test_when_counted() -> None:
    """A corpus is worth its name from 60 programs on."""
    assert len([case for case in cases() if case.kinds]) >= 60
