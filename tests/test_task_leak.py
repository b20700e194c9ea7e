"""task-leak: what piles up is told, with how much, how fast and from where; what is many or rises is not."""

from __future__ import annotations

import asyncio
import os
import random

import pytest

from unstuck.agent.findings import Event, Finding
from unstuck.agent.sinks.stderr import render
from unstuck.agent.trend import LEAST, PATIENT, WINDOWS, Trend

from . import harness
from .programs import Program
from .programs.leaks import HEALTHY, LEAKS

RUNS = int(os.environ.get("UNSTUCK_TEST_RUNS", "50"))
KIND = "task-leak"
ONLY = frozenset({KIND})


def find(program: Program) -> Finding:
    """The finding of a leaking program."""
    with harness.agent(detect=ONLY) as ear:
        (finding,) = harness.run_until_found(program, ear, KIND, patience=30.0)
    return finding


@pytest.mark.parametrize(("program", "title"), LEAKS, ids=[program.__name__ for program, _ in LEAKS])
def test_when_something_piles_up(program: Program, title: str) -> None:
    """One finding, suspected, with its number and rate."""
    finding = find(program)
    assert (KIND, "suspected") == (finding.kind, finding.verdict)
    assert finding.title.startswith(title)
    assert "more a minute" in finding.title
    assert finding.core


def test_when_nothing_leaks() -> None:
    """Not a word."""

    async def all_of_them() -> None:
        await asyncio.gather(*(program() for program in HEALTHY))

    with harness.agent(detect=ONLY) as ear:
        for _ in range(min(RUNS, 2)):
            harness.run_to_end(all_of_them)
    assert [] == [finding.title for finding in ear.opened()]


def test_what_is_told_of_tasks() -> None:
    """Where they were made, what they wait for, and whether their maker is over."""
    by_name = {program.__name__: program for program, _ in LEAKS}
    finding = find(by_name["a_waiter_for_an_answer_that_never_comes"])
    assert {"lingerer"} == {task.name for task in finding.core}
    made = finding.core[0].created_at
    assert made is not None
    assert "kept.add(asyncio.create_task(answer()" in made.code
    assert finding.note is not None
    assert "wait in asyncio.Event" in finding.note
    assert "whoever made them is over" in finding.note


def test_what_is_told_of_callbacks() -> None:
    """Which function was added, and on what."""
    by_name = {program.__name__: program for program, _ in LEAKS}
    finding = find(by_name["a_callback_on_a_future_that_is_awaited"])
    assert "Session.on_close" == finding.core[0].name
    assert "def on_close" in finding.core[0].stack[-1].code


def test_how_it_is_printed() -> None:
    """Number and rate, the place, and what to do."""
    finding = find(LEAKS[0][0])
    text = render(Event("opened", 0.0, finding), colour=False, width=160)
    assert "task-leak [suspected]  tasks pile up" in text
    assert "makes  the task" in text
    assert "asyncio.timeout around their waits" in text


def trend(*counts: int, gone: int = 0) -> Trend:
    """A trend with these counts."""
    made = Trend()
    for count in counts:
        made.add(count, gone)
    return made


def test_a_trend_that_grows_in_each_window() -> None:
    """Five windows of growth, nothing gone."""
    assert trend(*range(LEAST, LEAST + WINDOWS + 1)).grows()
    assert not trend(*range(LEAST, LEAST + WINDOWS)).grows()
    assert not trend(*range(WINDOWS + 1)).grows()


def test_a_trend_with_turnover() -> None:
    """What comes and goes is no leak, though it rises."""
    assert not trend(*range(100, 200, 10), gone=5).grows()
    assert trend(*range(100, 2000, 100), gone=2).grows()


def test_a_trend_that_levels_off() -> None:
    """Slower and slower growth is a start-up."""
    assert not trend(20, 60, 90, 100, 105, 106).grows()
    assert not trend(20, 60, 90, 100, 100, 100).grows()


def test_a_trend_of_patience() -> None:
    """Three times as many windows where there is nothing else to go by."""
    assert not trend(*range(LEAST, LEAST + WINDOWS + 5)).grows(PATIENT)
    assert trend(*range(LEAST, LEAST + PATIENT + 1)).grows(PATIENT)


def test_a_rate() -> None:
    """A minute's growth."""
    assert 600.0 == trend(*range(0, 70, 10)).rate(1.0)


def test_random_turnover_is_no_leak() -> None:
    """Queues with arrivals that double over the time, and departures: never a leak, from many seeds."""
    for seed in range(200):
        rng, living, made = random.Random(seed), list[float](), Trend()
        for window in range(40):
            arrivals = int(50 * 2 ** (window / 20))
            before = len(living)
            living = [end for end in living if end > window]
            gone = before - len(living)
            living += [window + rng.expovariate(1 / 8) for _ in range(arrivals)]
            made.add(len(living), gone)
            assert not made.grows()
