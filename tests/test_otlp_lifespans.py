"""With UNSTUCK_SPANS=slow or all, tasks are spans: children of the span in which they were made."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider

from . import harness
from .programs.deadlocks import both
from .receiver import PATIENCE, Backend, attributes

TRACER = TracerProvider().get_tracer("test")


async def brief() -> None:
    await asyncio.sleep(0)


class Clock:
    """The time goes by when a task says so."""

    def __init__(self) -> None:
        self.now = 1e9

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("unstuck.agent.hooks.lifespans.time", clock)
    return clock


async def long(clock: Clock) -> None:
    for _ in range(5):  # the others have ended by then, and that has been noted
        await asyncio.sleep(0)
    clock.now += 0.5


async def failing() -> None:
    raise LookupError


async def tasks_of_a_request(clock: Clock) -> str:
    """What is made within a span, whose id is given back; and something that is cancelled outside of it."""
    with TRACER.start_as_current_span("request") as span:
        await asyncio.gather(brief(), long(clock), asyncio.create_task(failing()), return_exceptions=True)
    other = asyncio.create_task(long(clock))
    await asyncio.sleep(0)
    other.cancel()
    await asyncio.wait([other])
    return f"{span.get_span_context().span_id:016x}"


def lasted(span: Any) -> float:
    return float((span.end_time_unix_nano - span.start_time_unix_nano) / 1e9)


def outcomes(backend: Backend) -> dict[str, Any]:
    return {span.name: attributes(span)["unstuck.task.outcome"] for span in backend.spans}


def test_when_all_tasks_are_wanted(backend: Backend, clock: Clock) -> None:
    """Each is a span with its name, its time and how it ended."""
    with harness.agent(sinks=("otlp",), spans="all"):
        request = asyncio.run(tasks_of_a_request(clock))
    spans = backend.wait(lambda: len(backend.spans) >= 5 and backend.spans)
    of_request = {span.name: span for span in spans if span.parent_span_id.hex() == request}
    assert {"task brief", "task long", "task failing"} == set(of_request)
    told = {name: attributes(span)["unstuck.task.outcome"] for name, span in of_request.items()}
    assert {"task brief": "returned", "task long": "returned", "task failing": "LookupError"} == told
    assert (0.0, 0.5) == (lasted(of_request["task brief"]), lasted(of_request["task long"]))
    assert 2 == of_request["task failing"].status.code
    (cancelled,) = (span for span in spans if span.name == "task long" and not span.parent_span_id)
    assert "cancelled" == attributes(cancelled)["unstuck.task.outcome"]


def test_when_slow_tasks_are_wanted(backend: Backend, clock: Clock) -> None:
    """Only those that lived as long as a slow wait."""
    with harness.agent(sinks=("otlp",), spans="slow", slow_wait_after=0.5):
        request = asyncio.run(tasks_of_a_request(clock))
    spans = backend.wait(lambda: backend.spans)
    assert "task brief" not in outcomes(backend)
    assert ["task long"] == [span.name for span in spans if span.parent_span_id.hex() == request]


@pytest.mark.parametrize("mode", ["off", "findings"])
def test_when_tasks_are_not_wanted(backend: Backend, mode: str, clock: Clock) -> None:
    """Nothing is hooked for it."""
    with harness.agent(sinks=("otlp",), spans=mode):
        asyncio.run(tasks_of_a_request(clock))
        assert "lifespans" not in asyncio.BaseEventLoop.create_task.__code__.co_filename
    assert [] == backend.spans


def test_when_a_deadlock_is_found_meanwhile(backend: Backend) -> None:
    """It is proven as ever, told with where its tasks were made, and everything is taken back."""
    before = asyncio.BaseEventLoop.create_task

    async def program() -> None:
        a, b = asyncio.Lock(), asyncio.Lock()
        await asyncio.gather(asyncio.create_task(both(a, b)), asyncio.create_task(both(b, a)))

    with harness.agent(sinks=("otlp",), spans="all") as ear:
        (finding,) = harness.run_until_found(program, ear, "deadlock", PATIENCE)
    assert "proven" == finding.verdict
    assert all(task.created_at is not None and __file__ == task.created_at.file for task in finding.core)
    assert before is asyncio.BaseEventLoop.create_task
