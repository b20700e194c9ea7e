"""Random programs: nothing that was proven moves, and the fuzzer would notice if it did."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from unstuck.agent import pipeline
from unstuck.agent.findings import PROVEN, Finding
from unstuck.agent.snapshot import TaskView
from unstuck.agent.views import task_id

from .conftest import SEED
from .fuzz.__main__ import report
from .fuzz.campaign import campaign, quiet, run
from .fuzz.regressions import PROGRAMS
from .fuzz.render import Program
from .fuzz.watch import watching

COUNT = int(os.environ.get("UNSTUCK_FUZZ", "5000"))
PARTS = 8  # for as many processes as there may be


@pytest.mark.parametrize("part", range(PARTS))
def test_when_programs_are_random(part: int) -> None:
    """No claim is broken; and enough hangs, and enough of that is proven, for this to mean something."""
    count, seed = COUNT // PARTS, int(os.environ[SEED]) + part
    counts = campaign(count, seed)
    print(f"fuzz: seed {seed}: {report(counts)}")
    assert counts["programs"] >= count
    if count >= 200:  # fewer vary too much
        assert counts["hung"] > 0.2 * count
        assert counts["ended"] > 0.2 * count
        assert counts["tasks told proven"] > 0.3 * counts["tasks hung"]


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_when_a_program_was_once_judged_wrongly(program: Program) -> None:
    """It is judged rightly now."""
    with quiet(), watching() as watch:
        assert run(program, watch)["programs"] == 1


class _Rash:
    """A detector that calls every wait for an event or a future eternal."""

    kind, lasting, often = "stuck", True, False

    def look(self, sight: Any) -> Iterator[Finding]:
        for task in sight.state.tasks():
            if not task.done() and task._fut_waiter is not None:
                view = TaskView(task_id(task), task.get_name(), "", "core", None, 0.0, None, (), (), None)
                yield Finding("stuck", PROVEN, "rash", tasks=(view,), subject=("rash", id(task), id(task._fut_waiter)))


def test_when_the_agent_claims_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fuzzer notices, and cuts the program down to a few lines."""
    looking = pipeline.looking
    monkeypatch.setattr(pipeline, "looking", lambda *args: [*looking(*args), _Rash()])
    with pytest.raises(AssertionError, match="moved in round") as failed:
        campaign(100, 1)
    (shown,) = failed.value.__notes__
    assert shown.count("async def") <= 3
