"""A recording as one object for scripts: docs/report.md describes it.

Law: fields are only added. Times are RFC 3339 in UTC, durations seconds.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

from ...agent.findings import Event
from ..history import Case, History, Life, Process
from ..recorded import Reading, Trouble
from .words import tallies


def object_of(history: History, reading: Reading, files: tuple[str, ...]) -> dict[str, Any]:
    """The whole account."""
    return {
        "v": 1,
        "files": list(files),
        "unreadable": [_trouble(each) for each in reading.unreadable],
        "skipped": reading.skipped,
        "troubles": [_trouble(each) for each in reading.troubles],
        "began": _time(history.began),
        "ended": _time(history.ended),
        "records": history.records,
        "processes": [_process(each) for each in history.processes],
        "totals": [
            {name: getattr(each, name) for name in ("kind", "verdict", "cases", "times", "open", "retracted")}
            for each in tallies(history)
        ],
        "cases": [_case(each) for each in history.cases],
        "left_out": history.left_out,
    }


def _case(case: Case) -> dict[str, Any]:
    event = case.event()
    return {
        "id": case.id,
        "kind": case.kind,
        "verdict": case.verdict,
        "title": case.title,
        "happened": case.happened,
        "times": case.times,
        "open": case.open,
        "retracted": case.retracted,
        "first": _time(case.first),
        "last": _time(case.last),
        "lives": [_life(each) for each in case.lives],
        "record": _record(event) if event is not None else None,
    }


def _record(event: Event) -> dict[str, Any]:
    """The finding record; JSON has no word for a deadline without a time."""
    record = event.as_record()
    for task in record["tasks"]:
        if task["deadline_s"] is not None and not math.isfinite(task["deadline_s"]):
            task["deadline_s"] = None
    return record


def _life(life: Life) -> dict[str, Any]:
    return {
        "pid": life.pid,
        "id": life.id,
        "verdict": life.verdict,
        "since": _time(life.since),
        "opened": _time(life.opened),
        "last": _time(life.last),
        "age_s": round(life.age_s, 3),
        "outcome": life.outcome,
        "whole": life.whole,
        "verdicts": [{"time": _time(time), "verdict": verdict} for time, verdict in life.verdicts],
        "updates": life.updates,
        "victims": life.victims,
        "note": life.note,
        "tasks": list(life.who),
        "trace_ids": list(life.traces),
    }


def _process(process: Process) -> dict[str, Any]:
    return {
        "pid": process.pid,
        "first": _time(process.first),
        "last": _time(process.last),
        "records": process.records,
        "findings": process.findings,
    }


def _trouble(trouble: Trouble) -> dict[str, Any]:
    return {"file": trouble.file, "line": trouble.line or None, "text": trouble.text}


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
