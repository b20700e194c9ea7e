"""What a finding is called, and what stays of it."""

from __future__ import annotations

import dataclasses

from unstuck.agent.findings import Finding, Ledger
from unstuck.agent.snapshot import Place, ResourceView, TaskView


def finding(folder: str, line: int = 4) -> Finding:
    """One task that waits for one lock, of a program in that folder."""
    place = Place(f"{folder}/app/bank.py", line, "transfer", "await lock.acquire()")
    task = TaskView("task-1", "one", "transfer", "core", "lock-1", 1.0, None, (), (place,), None)
    lock = ResourceView("lock-1", "asyncio.Lock", "lock", dataclasses.replace(place, line=1), (), 1)
    return Finding("stuck", "proven", "a title", tasks=(task,), resources=(lock,))


def test_when_a_program_is_installed_elsewhere() -> None:
    """The same bug has the same id; another line has another."""
    assert finding("/srv/release-1").fingerprint() == finding("/home/someone/work").fingerprint()
    assert finding("/srv").fingerprint() != finding("/srv", line=5).fingerprint()


def traced(name: str, trace_id: str | None, span_id: str | None) -> Finding:
    """The same finding, whose task works for that request."""
    whole = finding("/srv")
    task = dataclasses.replace(whole.tasks[0], name=name, trace_id=trace_id, span_id=span_id)
    return dataclasses.replace(whole, tasks=(task,), subject="lock-1")


def test_when_a_task_leaves_its_spans() -> None:
    """Cancelled, it has left them before the finding is over: its end is told in the trace of its beginning."""
    ledger = Ledger()
    ledger.report([traced("one", "a", "inner")], 1.0)
    for later in (traced("one", "a", "outer"), traced("one", None, None)):
        ledger.report([later], 2.0)
        (task,) = ledger.open_findings()[0].tasks
        assert ("a", "inner") == (task.trace_id, task.span_id)
    (over,) = ledger.end("lock-1", 3.0)
    assert ("a", "inner") == (over.finding.tasks[0].trace_id, over.finding.tasks[0].span_id)


def test_when_another_task_takes_its_place() -> None:
    """Though it was made at the same address: it has its own trace, or none."""
    ledger = Ledger()
    ledger.report([traced("one", "a", "inner")], 1.0)
    ledger.report([traced("two", None, None)], 2.0)
    assert ledger.open_findings()[0].tasks[0].trace_id is None
    ledger.report([traced("two", "b", "inner")], 3.0)
    assert "b" == ledger.open_findings()[0].tasks[0].trace_id
