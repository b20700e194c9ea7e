"""What a finding is called."""

from __future__ import annotations

import dataclasses

from unstuck.agent.findings import Finding
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
