"""How soon a deadlock is told.

Two tasks take two locks in opposite order. The clock starts where the second task asks for its second
lock, the wait that closes the cycle, and stops at the time written in the finding's ``opened`` record.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.model import VALUE, Row, Sample, measurement
from benchmarks.modes import verify

PATIENCE = 10.0
_CLOSED: list[float] = []


@measurement(
    "deadlock-latency",
    Row(
        "deadlock-latency",
        "lock deadlock, from closing the cycle to `opened`",
        "deadlock-latency",
        number="ms",
        unit="ms",
        compare=VALUE,
        budget=50,
    ),
    environment={"UNSTUCK_SINKS": "jsonl:{folder}/findings.jsonl"},
)
def from_closing_to_opened(mode: str, scale: float) -> Sample:
    """Milliseconds; the record's time is cut to whole ones."""
    path = Path(os.environ["UNSTUCK_SINKS"].removeprefix("jsonl:"))
    return {"ms": asyncio.run(_deadlock(mode, path))}


async def _deadlock(mode: str, path: Path) -> float:
    verify(mode)
    left, right = asyncio.Lock(), asyncio.Lock()
    await asyncio.sleep(0.2)  # a program in its stride, not one that is starting
    tasks = [asyncio.create_task(_take(left, right)), asyncio.create_task(_take(right, left))]
    try:
        opened = await _first_opened(path)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    return max(0.0, (opened - _CLOSED[-1]) * 1e3)


async def _take(first: asyncio.Lock, second: asyncio.Lock) -> None:
    async with first:
        await asyncio.sleep(0.01)
        _CLOSED.append(time.time())
        async with second:
            raise AssertionError("there was no deadlock")


async def _first_opened(path: Path) -> float:
    patience = time.monotonic() + PATIENCE
    while time.monotonic() < patience:
        await asyncio.sleep(0.02)
        for record in _records(path):
            if record["event"] == "opened" and record["kind"] == "deadlock":
                return datetime.fromisoformat(record["time"]).timestamp()
    raise TimeoutError(f"no deadlock was told within {PATIENCE:g} s")


def _records(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]
