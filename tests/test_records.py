"""Finding records read back."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from unstuck.agent.findings import Event
from unstuck.agent.sinks.stderr import render
from unstuck.tui.records import event_of, finding_of

from . import builders

EVENTS = [
    builders.two_locks(),
    builders.lock_taken_twice(),
    builders.ring_with_gather(),
    builders.slow_wait(),
    builders.blocked_loop(),
    builders.two_locks("closed", note="cancelled"),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.finding.kind)
def test_what_was_written_is_read_back(event: Event) -> None:
    """Through JSON and back, a terminal shows the same."""
    back = event_of(json.loads(json.dumps(event.as_record())))
    assert replace(event, time=round(event.time, 3)) == replace(back, time=round(back.time, 3))
    assert render(event, False, 100) == render(back, False, 100)


def test_when_most_is_missing() -> None:
    """A record of another version is read as far as it goes."""
    finding = finding_of({"v": 2, "kind": "new", "tasks": [{"id": "t"}], "resources": [{}], "age_s": None})
    assert ("new", "", 0.0) == (finding.kind, finding.verdict, finding.age_s)
    assert ["t"] == [task.id for task in finding.tasks]
