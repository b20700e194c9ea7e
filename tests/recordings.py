"""Findings of any shape, and recordings made of them."""

from __future__ import annotations

import json
import string
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from unstuck.agent.config import KINDS
from unstuck.agent.findings import Event, Finding
from unstuck.agent.sinks.jsonl import encode
from unstuck.agent.snapshot import Edge, Held, Place, ResourceView, TaskView

from . import builders

HOSTILE = (
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    "\x1b]0;owned\x07\x1b[2J\x1b[31m",
    "'\"><svg/onload=alert(1)>&lt;&amp;",
    "\u202egnp.exe\u2066\ufeff\u2028\x85\x00",
    "lone \udc80 surrogate",
    "]]><!--{%raw%}${7*7}{{7*7}}javascript:alert(1)",
    "名前 in 两 columns 🦀" * 40,
    "a" * 5000,
    "\n\n\r\n\t ",
    "",
)
texts = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=30))
ids = st.sampled_from(["task-1", "task-2", "task-3", "lock-1", "lock-2", "thread-1", "<id>", ""])
spans = st.floats(min_value=0, max_value=1e12).map(lambda number: round(number, 3))
words = st.text(string.ascii_lowercase + "-0123456789", min_size=1, max_size=20).map("x".__add__)
places = st.builds(Place, file=texts, line=st.integers(0, 10**6), function=texts, code=texts)
held = st.builds(Held, resource=ids, taken_at=st.none() | places)


def _agreeing(task: TaskView) -> TaskView:
    """A record has one place for each held resource."""
    taken = {each.resource: each.taken_at for each in task.holds}
    return replace(task, holds=tuple(Held(each.resource, taken[each.resource]) for each in task.holds))


tasks = st.builds(
    TaskView,
    id=ids,
    name=texts,
    coro=texts,
    role=st.sampled_from(["core", "victim", "something new"]),
    waits_for=st.none() | ids,
    waiting_s=spans,
    deadline_s=st.none() | spans,
    holds=st.lists(held, max_size=3).map(tuple),
    stack=st.lists(places, max_size=4).map(tuple),
    created_at=st.none() | places,
    trace_id=st.none() | texts,
    span_id=st.none() | texts,
    error=st.none() | texts,
).map(_agreeing)
resources = st.builds(
    ResourceView,
    id=ids,
    type=texts,
    name=texts,
    created_at=st.none() | places,
    holders=st.lists(ids, max_size=4).map(tuple),
    waiters=st.integers(0, 10**6),
    units=st.none() | st.integers(1, 100),
)
edges = st.builds(Edge, ids, ids, st.sampled_from(["waits", "held_by", "joins", "something new"]))
findings = st.builds(
    Finding,
    kind=st.sampled_from(KINDS) | words,
    verdict=st.sampled_from(["proven", "suspected", "potential"]) | words,
    title=texts,
    id=st.sampled_from(["8c1f0a2b3d4e", "8c1f0a2b3d4e-2", "x1"]),
    age_s=spans,
    loop=texts,
    tasks=st.lists(tasks, max_size=4).map(tuple),
    resources=st.lists(resources, max_size=3).map(tuple),
    edges=st.lists(edges, max_size=8).map(tuple),
    victims=st.integers(0, 10**6),
    note=st.none() | texts,
    help=texts,
    happened=st.booleans(),
)
events = st.builds(
    Event,
    event=st.sampled_from(["opened", "updated", "closed", "retracted"]),
    time=st.integers(1_700_000_000_000, 1_700_000_900_000).map(lambda number: number / 1000),
    finding=findings,
    pid=st.integers(1, 3),
)


def moved(event: Event, seconds: float, name: str = "opened", pid: int = 4711, **changes: Any) -> Event:
    """The event so many seconds later, with another name, process, or finding."""
    finding = replace(event.finding, **({"age_s": event.finding.age_s + seconds} | changes))
    return replace(event, event=name, time=builders.TIME + seconds, pid=pid, finding=finding)


def written(path: Path, told: Iterable[Event], mode: str = "wb") -> str:
    """A recording of these events; gives its path."""
    with path.open(mode) as file:
        file.writelines(encode(event.as_record()) for event in told)
    return str(path)


def line(event: Event, **changes: Any) -> bytes:
    """One line of a recording, with some fields changed; ``...`` leaves a field out."""
    record = event.as_record() | changes
    return json.dumps({key: value for key, value in record.items() if value is not ...}).encode() + b"\n"
