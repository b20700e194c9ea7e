"""A finding record reads back as the finding that it was written from."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings

from unstuck.agent.config import KINDS
from unstuck.agent.findings import Event
from unstuck.agent.sinks.jsonl import encode
from unstuck.agent.sinks.stderr import render
from unstuck.tui.records import NoRecord, event_of, finding_of, moment

from . import builders, recordings

SHAPES = [
    builders.two_locks(),
    builders.two_locks("closed", note="ended by cancel"),
    builders.lock_taken_twice(),
    builders.ring_with_gather(),
    builders.long_ring(30),
    builders.slow_wait(),
    builders.blocked_loop(happened=True),
]


def reread(event: Event) -> Event:
    return event_of(json.loads(encode(event.as_record())))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("event", SHAPES, ids=lambda event: str(event.finding.title[:12]))
def test_what_was_written_is_read(event: Event, kind: str) -> None:
    """The very same event, except for its subject, which never leaves the process; so it also prints alike."""
    event = replace(event, finding=replace(event.finding, kind=kind))
    assert event == reread(event)


@settings(max_examples=100, deadline=None)
@given(recordings.events)
def test_any_finding_comes_back(event: Event) -> None:
    """Nothing of a finding is lost, whatever its texts hold."""
    assert event == reread(event)
    assert event.as_record() == reread(event).as_record()


def test_a_deadline_without_a_time() -> None:
    """A timeout that cannot be read is infinite in the process, and null in JSON."""
    (task, *_) = builders.two_locks().finding.tasks
    event = builders.event(tasks=(replace(task, deadline_s=math.inf),))
    assert math.inf == event_of(event.as_record()).finding.tasks[0].deadline_s
    assert None is reread(event).finding.tasks[0].deadline_s


def test_a_field_that_was_added() -> None:
    """A later writer of this version may say more, at every level."""
    record = builders.two_locks().as_record() | {"mood": "bad"}
    record["tasks"][0]["colour"] = record["resources"][0]["colour"] = record["edges"][0]["colour"] = "red"
    record["tasks"][0]["stack"][0]["column"] = 12
    assert builders.two_locks() == event_of(record)


def test_an_event_kind_verdict_and_relation_that_are_not_known() -> None:
    """They are accepted, as the schema asks for."""
    record = builders.two_locks().as_record() | {"event": "mended", "kind": "new-kind", "verdict": "certain"}
    record["edges"][0]["relation"] = "envies"
    event = event_of(record)
    assert ("mended", "new-kind", "certain") == (event.event, event.finding.kind, event.finding.verdict)
    assert "new-kind [certain]" in render(replace(event, event="opened"), False, 80)


def with_task(**changes: Any) -> dict[str, Any]:
    record = builders.two_locks().as_record()
    record["tasks"][1] |= changes
    return record


@pytest.mark.parametrize(
    ("record", "text"),
    [
        (None, "no finding record"),
        ([], "no finding record"),
        ({"level": "info"}, "no finding record"),
        ({"v": 2}, "a record of version 2; this unstuck reads version 1"),
        ({"v": ["1"]}, "a record of version unknown; this unstuck reads version 1"),
        ({"v": 1}, "no finding record: Object missing required field time"),
        (with_task(name=3), "no finding record: Expected str, got int - at tasks[1].name"),
        (with_task(waiting_s=math.nan), "no finding record: waiting_s of a task is no number"),
        (with_task(deadline_s=math.nan), "no finding record: deadline_s of a task is no number"),
        (builders.two_locks().as_record() | {"age_s": math.inf}, "no finding record: age_s is no number"),
        (builders.two_locks().as_record() | {"time": "noon"}, "no finding record: its time is none"),
        (
            builders.two_locks().as_record() | {"time": "0001-01-01T00:00:00+09:00"},
            "no finding record: its time is none of ours",
        ),
        (builders.two_locks().as_record() | {"kind": "\x1b[2J"}, "no finding record: its kind is no plain word"),
        (builders.two_locks().as_record() | {"verdict": ""}, "no finding record: its verdict is no plain word"),
        (builders.two_locks().as_record() | {"id": "../x"}, "no finding record: its id is no plain word"),
        (builders.two_locks().as_record() | {"event": "a b"}, "no finding record: its event is no plain word"),
    ],
)
def test_what_is_no_record(record: object, text: str) -> None:
    """It is refused with the reason, on one line."""
    with pytest.raises(NoRecord) as refused:
        event_of(record)
    assert text == str(refused.value)
    assert f"cannot be shown: {text}" == finding_of(record).note


def test_showing_what_can_hardly_be_read() -> None:
    """What it is called is shown, where that is a word."""
    record = {"v": 2, "kind": "new", "verdict": 3, "id": "\x1b", "title": "of a later version"}
    finding = finding_of(record)
    assert ("new", "unknown", "", "of a later version") == (finding.kind, finding.verdict, finding.id, finding.title)
    assert "new [unknown]  of a later version" in render(Event("opened", 0.0, finding), False, 80)


def test_the_moment_of_a_record() -> None:
    """Seconds since the epoch, and 0 for what does not say."""
    assert [builders.TIME, 0.0, 0.0, 0.0] == [
        moment(record) for record in (builders.two_locks().as_record(), {}, {"time": 3}, None)
    ]


@settings(max_examples=40, deadline=None)
@given(recordings.events)
def test_any_finding_can_be_shown(event: Event) -> None:
    """Rendering never fails, whatever the kind, and sends nothing to a terminal but printable text."""
    for kind in KINDS:
        shown = render(replace(event, event="opened", finding=replace(event.finding, kind=kind)), False, 80)
        assert all(part.isprintable() for part in shown.split("\n"))
