"""A recording read back is the history of its findings, whatever state its files are in."""

from __future__ import annotations

import gzip
import io
import json
import random
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unstuck.agent.findings import Event
from unstuck.tui import growing, historian, recorded
from unstuck.tui.history import Case, Life

from . import builders, recordings
from .recordings import moved, written

TIME = builders.TIME


def cases(tmp_path: Path, *told: Event) -> tuple[Case, ...]:
    history, reading = recorded.read([written(tmp_path / "findings.jsonl", told)])
    assert ([], []) == (reading.troubles, reading.unreadable)
    return history.cases


def only_life(tmp_path: Path, *told: Event) -> Life:
    (case,) = cases(tmp_path, *told)
    (life,) = case.lives
    return life


def test_a_finding_that_was_closed(tmp_path: Path) -> None:
    """Opened, updated, closed: one life, with its age, its victims and why it ended."""
    event = builders.two_locks(age_s=1.0)
    life = only_life(
        tmp_path, event, moved(event, 60, "updated", victims=20), moved(event, 90, "closed", note="ended by cancel")
    )
    assert (TIME, TIME + 90, 91.0, "closed") == (life.opened, life.last, life.age_s, life.outcome)
    assert (1, 20, "ended by cancel", True) == (life.updates, life.victims, life.note, life.whole)
    assert TIME - 1 == life.since
    assert ("transfer-1", "transfer-2") == life.who


def test_a_finding_that_never_ended(tmp_path: Path) -> None:
    """It is open at the end of the recording; its picture is the latest one, with its age then."""
    event = builders.two_locks(age_s=1.0)
    (case,) = cases(tmp_path, event, moved(event, 60, "updated", victims=20))
    assert (1, "open") == (case.open, case.lives[0].outcome)
    shown = case.event()
    assert shown is not None
    assert ("opened", 20, 61.0) == (shown.event, shown.finding.victims, shown.finding.age_s)


def test_a_finding_that_was_retracted(tmp_path: Path) -> None:
    """It is counted as such, and stands for nothing."""
    event = builders.two_locks()
    (case,) = cases(tmp_path, event, moved(event, 3, "retracted"))
    assert (1, 1, 0, False) == (case.times, case.retracted, case.open, case.counts)
    assert "retracted" == case.lives[0].outcome


def test_a_finding_that_just_happened(tmp_path: Path) -> None:
    """It has no end: neither open nor closed, however its record ends."""
    event = builders.event(kind="lost-error", happened=True)
    for last in ("opened", "updated", "closed"):
        (case,) = cases(tmp_path, event, moved(event, 5, last))
        assert (0, True) == (case.open, case.happened)
        assert {"happened"} == {life.outcome for life in case.lives}


def test_a_verdict_that_grew(tmp_path: Path) -> None:
    """The strongest counts, and each is kept with its time."""
    event = builders.two_locks(verdict="suspected")
    life = only_life(tmp_path, event, moved(event, 60, "updated", verdict="proven"), moved(event, 70, "closed"))
    assert "proven" == life.verdict
    assert [(TIME, "suspected"), (TIME + 60, "proven"), (TIME + 70, "suspected")] == list(life.verdicts)


def test_the_same_bug_twice(tmp_path: Path) -> None:
    """In two processes, and twice at once in one of them: one case with three lives."""
    event = builders.two_locks()
    told = [event, moved(event, 1, pid=4712), moved(event, 2, pid=4712, id=f"{builders.ID}-2")]
    (case,) = cases(tmp_path, *told, moved(event, 9, "closed", pid=4712))
    assert (builders.ID, 3, 2) == (case.id, case.times, case.open)
    assert [4711, 4712, 4712] == [life.pid for life in case.lives]
    assert ["open", "closed", "open"] == [life.outcome for life in case.lives]


def test_one_life_of_a_case_that_was_retracted(tmp_path: Path) -> None:
    """The others still count, and the case shows one of them."""
    proven = builders.two_locks(age_s=50.0)
    suspected = moved(proven, 9, verdict="suspected", pid=4712, age_s=1.0, title="as it seems")
    (case,) = cases(tmp_path, proven, moved(proven, 3, "retracted"), suspected)
    assert ("suspected", True, "as it seems") == (case.verdict, case.counts, case.title)


def test_an_opening_before_the_recording(tmp_path: Path) -> None:
    """What is heard of first when it is updated or closed is a life that is not whole."""
    event = builders.two_locks("updated")
    assert not only_life(tmp_path, event).whole
    life = only_life(tmp_path, replace(event, event="closed"))
    assert (False, "closed", TIME - 1.2) == (life.whole, life.outcome, pytest.approx(life.since))


def test_a_process_id_that_came_back(tmp_path: Path) -> None:
    """As in containers, where it is always 1: opened while open means that the first process went without a word."""
    event = builders.two_locks()
    (case,) = cases(tmp_path, event, moved(event, 100), moved(event, 110, "closed"))
    assert ["gone", "closed"] == [life.outcome for life in case.lives]
    assert (2, 0) == (case.times, case.open)


def test_an_event_that_is_not_known(tmp_path: Path) -> None:
    """It changes nothing but when the finding was last heard of."""
    event = builders.two_locks()
    life = only_life(tmp_path, event, moved(event, 5, "mended"))
    assert ("open", TIME + 5) == (life.outcome, life.last)


def test_the_order_of_cases(tmp_path: Path) -> None:
    """The heaviest verdict first, what was taken back last, else by time."""
    event = builders.two_locks
    told = [
        moved(event(id="a", verdict="potential"), 1),
        moved(event(id="b"), 2),
        moved(event(id="b"), 3, "retracted"),
        moved(event(id="c", verdict="suspected"), 4),
        moved(event(id="d"), 6),
        moved(event(id="e"), 7),
    ]
    assert ["d", "e", "c", "a", "b"] == [case.id for case in cases(tmp_path, *told)]


def test_processes(tmp_path: Path) -> None:
    """Each process with its period, its records and its findings."""
    event = builders.two_locks()
    path = written(tmp_path / "f", [event, moved(event, 2, pid=1), moved(event, 7, "closed", pid=1)])
    history, _ = recorded.read([path])
    assert [(4711, TIME, TIME, 1, 1), (1, TIME + 2, TIME + 7, 2, 1)] == [
        (each.pid, each.first, each.last, each.records, each.findings) for each in history.processes
    ]
    assert (TIME, TIME + 7, 3) == (history.began, history.ended, history.records)


# -- files ---------------------------------------------------------------------------------------------


def test_several_files_in_any_order(tmp_path: Path) -> None:
    """The parts of a rotated log, one of them compressed, are merged by time."""
    event = builders.two_locks()
    old = gzip.compress(recordings.line(event))
    (tmp_path / "findings.jsonl.1").write_bytes(old)
    new = written(tmp_path / "findings.jsonl", [moved(event, 9, "closed")])
    history, reading = recorded.read([new, str(tmp_path / "findings.jsonl.1")])
    ((life,),) = [case.lives for case in history.cases]
    assert ("closed", True, 0) == (life.outcome, life.whole, reading.skipped)


def test_an_empty_file(tmp_path: Path) -> None:
    """The agent had nothing to say: that is a recording too."""
    history, reading = recorded.read([written(tmp_path / "empty", [])])
    assert ((), None, 0, []) == (history.cases, history.began, history.records, reading.unreadable)


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dash."""
    source = io.TextIOWrapper(io.BytesIO(recordings.line(builders.two_locks())))
    monkeypatch.setattr(sys, "stdin", source)
    history, _ = recorded.read(["-"])
    assert 1 == len(history.cases)


GOOD = recordings.line(builders.two_locks())


@pytest.mark.parametrize(
    ("bad", "text"),
    [
        (GOOD[:200] + b"\n", "cut off before its end"),
        (GOOD[:-2] + b"\n", "cut off before its end"),
        (b"hello\n", "not JSON"),
        (b"\0" * 4096 + b"\n", "not JSON"),
        (b"\xff\xfe\n", "not UTF-8"),
        (b"[" * 200_000 + b"\n", "not JSON that can be read"),
        (b'{"v":' + b"9" * 5000 + b"}\n", "not JSON that can be read"),
        (b"[]\n", "no finding record"),
        (b'{"v":2,"time":3}\n', "a record of version 2; this unstuck reads version 1"),
        (recordings.line(builders.two_locks(), tasks=...), "no finding record: Object missing required field tasks"),
    ],
)
def test_a_line_that_is_no_record(tmp_path: Path, bad: bytes, text: str) -> None:
    """It is skipped with one message that names file and line, and the rest is used."""
    path = tmp_path / "findings.jsonl"
    path.write_bytes(GOOD + b"\n" + bad + recordings.line(moved(builders.two_locks(), 5, "closed")))
    history, reading = recorded.read([str(path)])
    assert [f"{path}:3: {text}"] == [str(each) for each in reading.troubles]
    assert (2, 1, []) == (history.records, reading.skipped, reading.unreadable)
    assert "closed" == history.cases[0].lives[0].outcome


def test_a_last_line_cut_off_by_a_crash(tmp_path: Path) -> None:
    """Without a newline, too."""
    path = tmp_path / "findings.jsonl"
    path.write_bytes(GOOD + GOOD[:333])
    history, reading = recorded.read([str(path)])
    assert [f"{path}:2: cut off before its end"] == [str(each) for each in reading.troubles]
    assert 1 == history.records


def test_a_line_that_is_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its beginning is looked at, its rest passed over."""
    monkeypatch.setattr(recorded, "LONGEST_LINE", 5000)
    path = tmp_path / "findings.jsonl"
    path.write_bytes(b"x" * 17_500 + b"\n" + GOOD + b"y" * 5001)
    history, reading = recorded.read([str(path)])
    assert [f"{path}:{n}: longer than 5,000 bytes" for n in (1, 3)] == [str(each) for each in reading.troubles]
    assert 1 == history.records


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (None, "no such file or directory"),
        (b"#!/bin/sh\necho hello\n", "no line of it is a finding record"),
        (gzip.compress(GOOD * 500)[:-300], "its compressed data is cut off"),
        (b"\x1f\x8b, but no gzip", "cannot be decompressed: Unknown compression method"),
    ],
)
def test_a_file_that_cannot_be_read(tmp_path: Path, content: bytes | None, text: str) -> None:
    """It is said so, and the other files are used."""
    path, good = tmp_path / "bad", tmp_path / "good"
    if content is not None:
        path.write_bytes(content)
    good.write_bytes(GOOD)
    history, reading = recorded.read([str(path), str(good)])
    assert [f"{path}: {text}"] == [str(each) for each in reading.unreadable]
    assert 1 <= history.records


def test_many_bad_lines(tmp_path: Path) -> None:
    """All are counted, the first are kept."""
    path = tmp_path / "findings.jsonl"
    path.write_bytes(GOOD + b"garbage\n" * 1000)
    _, reading = recorded.read([str(path)])
    assert (recorded.MOST_TROUBLES, 1000) == (len(reading.troubles), reading.skipped)


@settings(max_examples=100, deadline=None)
@given(st.lists(recordings.events, max_size=6), st.binary(max_size=60), st.randoms(use_true_random=False))
def test_any_recording(
    tmp_path_factory: pytest.TempPathFactory, told: list[Event], junk: bytes, choice: random.Random
) -> None:
    """Events in any order, with bytes changed anywhere: it is read to its end, and what is counted adds up."""
    data = bytearray(b"".join(recordings.line(event) for event in told))
    for _ in range(choice.randrange(4)):
        at = choice.randrange(len(data) + 1)
        data[at : at + choice.randrange(30)] = junk
    path = tmp_path_factory.mktemp("any") / "findings.jsonl"
    path.write_bytes(data)
    history, reading = recorded.read([str(path)])
    assert history.records + reading.skipped == sum(1 for line in data.split(b"\n") if line.strip())
    for case in history.cases:
        assert case.times == len(case.lives) >= case.open + case.retracted
        assert case.event() is not None


# -- bounds --------------------------------------------------------------------------------------------


def test_many_lives(tmp_path: Path) -> None:
    """All are counted; the first and the last are kept."""
    event, number = builders.two_locks(), growing.MOST_LIVES + 50
    told = [moved(event, n, name, pid=n) for n in range(number) for name in ("opened", "closed")]
    (case,) = cases(tmp_path, *told)
    assert (number, 0, growing.MOST_LIVES) == (case.times, case.open, len(case.lives))
    assert (0, number - 1) == (case.lives[0].pid, case.lives[-1].pid)


def test_many_cases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stronger verdict makes room for itself, others are only counted."""
    monkeypatch.setattr(historian, "MOST_CASES", 10)
    told = [moved(builders.two_locks(id=f"p{n}", verdict="potential"), n) for n in range(20)]
    told += [moved(builders.two_locks(id=f"x{n}"), 30 + n) for n in range(3)]
    history, _ = recorded.read([written(tmp_path / "f", told)])
    assert ["proven"] * 3 + ["potential"] * 7 == [case.verdict for case in history.cases]
    assert 13 == history.left_out


def test_a_case_that_grew_heavy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is kept under its strongest verdict."""
    monkeypatch.setattr(historian, "MOST_CASES", 3)
    told = [moved(builders.two_locks(id=f"p{n}", verdict="potential"), n) for n in range(3)]
    told.append(moved(builders.two_locks(id="p0", verdict="proven"), 5, "updated"))
    told += [moved(builders.two_locks(id=f"s{n}", verdict="suspected"), 10 + n) for n in range(3)]
    history, _ = recorded.read([written(tmp_path / "f", told)])
    assert ["p0", "s0", "s1"] == [case.id for case in history.cases]


def test_pictures_that_are_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that no longer fit are left out; the lives are told all the same."""
    monkeypatch.setattr(historian, "MOST_PACKED", 1500)
    told = [moved(builders.two_locks(id=f"x{n}"), n) for n in range(5)]
    found = cases(tmp_path, *told)
    assert found[0].event() is not None
    assert (None, 1) == (found[-1].event(), found[-1].times)


def test_a_huge_recording(tmp_path: Path) -> None:
    """Memory stays far below the size of the file."""
    event = builders.long_ring(40)
    ids = [f"{n:012x}" for n in range(50)]
    opened = b"".join(recordings.line(moved(event, n, id=each)) for n, each in enumerate(ids))
    closed = b"".join(recordings.line(moved(event, 60 + n, "closed", id=each)) for n, each in enumerate(ids))
    path = tmp_path / "findings.jsonl"
    path.write_bytes((opened + closed) * 4)
    tracemalloc.start()
    try:
        history, _ = recorded.read([str(path)])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 200 == sum(case.times for case in history.cases)
    assert peak < path.stat().st_size / 5
    assert json.loads(opened.split(b"\n")[0])["title"] == history.cases[0].title
