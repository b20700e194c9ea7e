"""pool-exhausted: told while somebody can still finish; neither busy pools nor slow ones are."""

from __future__ import annotations

import asyncio
import os
import time

import pytest

from unstuck.agent.findings import Finding

from . import harness
from .programs import Program
from .programs.pools import BUSY, HEALTHY, Exhausted

RUNS = int(os.environ.get("UNSTUCK_TEST_RUNS", "50"))
AFTER = 0.05


def run(exhausted: Exhausted, ear: harness.Ear, kind: str = "pool-exhausted") -> list[Finding]:
    """Run the program until it was told, then let it end."""

    async def told() -> None:
        deadline = time.monotonic() + 5
        while not ear.opened(kind) and time.monotonic() < deadline:
            await asyncio.sleep(harness.TICK)

    async def program() -> None:
        await exhausted.program(told())
        await asyncio.sleep(5 * harness.TICK)

    asyncio.run(program())
    return ear.opened(kind)


@pytest.mark.parametrize("exhausted", BUSY, ids=str)
def test_when_a_pool_is_nearly_exhausted(exhausted: Exhausted) -> None:
    """Those who wait for the pool are the core, the others are shown; closed when it moves; nothing else is said."""
    with harness.agent(slow_wait_after=AFTER, stuck_after=30.0) as ear:
        (finding,) = run(exhausted, ear)
    assert ("pool-exhausted", "suspected") == (finding.kind, finding.verdict)
    assert exhausted.core == {task.name for task in finding.core}
    assert exhausted.others == {task.name for task in finding.tasks if task.role == "victim"}
    assert exhausted.victims == finding.victims
    assert ["opened", "closed"] == [event.event for event in ear.events]


@pytest.mark.parametrize("program", HEALTHY, ids=lambda each: each.__name__)
def test_when_a_pool_is_merely_busy(program: Program) -> None:
    """Not a word, in many runs."""
    with harness.agent(slow_wait_after=1.0, stuck_after=1.0) as ear:
        for _ in range(min(RUNS, 10)):
            harness.run_to_end(program)
    assert [] == ear.events


MOVING = [each for each in HEALTHY if not each.__name__.endswith("finishes_soon")]


@pytest.mark.parametrize("program", MOVING, ids=lambda each: each.__name__)
def test_when_nobody_waits_for_his_own_pool(program: Program) -> None:
    """However impatient the settings: what moves, or ends by itself, or waits for something else is not exhausted."""
    with harness.agent(slow_wait_after=0.02, stuck_after=30.0) as ear:
        for _ in range(min(RUNS, 5)):
            harness.run_to_end(program)
    assert [] == ear.opened("pool-exhausted")


def test_when_it_is_total_it_is_a_deadlock() -> None:
    """No pool-exhausted then."""

    async def program() -> None:
        pool = asyncio.Semaphore(2)

        async def twice() -> None:
            async with pool:
                await asyncio.sleep(0.01)
                async with pool:
                    pass

        await asyncio.gather(twice(), twice())

    with harness.agent(slow_wait_after=AFTER) as ear:
        (finding,) = harness.run_until_found(program, ear, "deadlock", linger=0.2)
    assert "proven" == finding.verdict
    assert [] == ear.opened("pool-exhausted")


def test_when_the_kind_is_left_out() -> None:
    """It is a slow wait then."""
    semaphore = next(each for each in BUSY if str(each) == "one_holder_asks_again")
    wanted = frozenset({"slow-wait"})
    with harness.agent(slow_wait_after=AFTER, detect=wanted) as ear:
        (finding,) = run(semaphore, ear, "slow-wait")
    assert "slow-wait" == finding.kind


def test_when_a_holder_asks_again_it_is_told_with_the_units() -> None:
    """The pool with its units and all who hold one; the title counts."""
    semaphore = next(each for each in BUSY if str(each) == "most_holders_ask_again")
    with harness.agent(slow_wait_after=AFTER) as ear:
        (finding,) = run(semaphore, ear)
    (pool,) = finding.resources
    assert (3, 3) == (pool.units, len(pool.holders))
    assert "2 of the 3 holders of a pool wait for another unit of it" == finding.title
    assert "take all that is needed at once" in finding.help
