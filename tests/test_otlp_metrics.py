"""The process's numbers arrive as metrics, and cost nothing where nobody exports."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

import unstuck
from unstuck.agent import api
from unstuck.agent.snapshot import EndedWait, Vitals
from unstuck.exporters import names
from unstuck.exporters.sink import OtlpSink

from . import builders, harness
from .programs.deadlocks import both
from .receiver import PATIENCE, Backend, attributes

SOON = "100"
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def vitals(**more: Any) -> Vitals:
    values: dict[str, Any] = {
        "time": time.time(),
        "tasks": {"running": 1, "ready": 2, "waiting": 30},
        "waiters": {"asyncio.Lock": 4},
        "ended_waits": (EndedWait("asyncio.Lock", 1.5, TRACE, SPAN), EndedWait("asyncio.Lock", 0.5)),
        "delays": {"loop-1": (0.001, 0.002, 0.4)},
        "findings": {("deadlock", "proven"): 2},
        "retracted": 3,
        "agent_cpu": 0.25,
    }
    return Vitals(**(values | more))


def series(backend: Backend, name: str, *keys: str) -> dict[Any, Any]:
    """The last value of each series of a metric, by these attributes."""
    found = {}
    for point in backend.metric(name):
        known = attributes(point)
        number = point.as_int if point.HasField("as_int") else point.as_double
        found[tuple(known[key] for key in keys) if len(keys) != 1 else known[keys[0]]] = number
    return found


@pytest.fixture(autouse=True)
def often(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", SOON)


def test_when_numbers_are_offered(backend: Backend, sink: OtlpSink, said: list[str]) -> None:
    """Each arrives under its name, with few attributes."""
    sink.offer(vitals())
    backend.wait(lambda: backend.metric(names.AGENT_CPU))
    assert {"running": 1, "ready": 2, "waiting": 30} == series(backend, names.TASKS, names.TASK_STATE)
    assert {"asyncio.Lock": 4} == series(backend, names.WAITERS, names.RESOURCE_TYPE)
    by = (names.FINDING_KIND, names.FINDING_VERDICT)
    assert {("deadlock", "proven"): 2} == series(backend, names.FINDINGS, *by)
    assert {(): 3} == series(backend, names.FINDINGS_RETRACTED)
    assert 0.25 == series(backend, names.AGENT_CPU, names.AGENT_PART)["watch"]
    assert {"watch", "export"} == set(series(backend, names.AGENT_CPU, names.AGENT_PART))
    assert [] == said


def test_when_durations_are_measured(backend: Backend, sink: OtlpSink) -> None:
    """They are exponential histograms in seconds, with the request that waited as an exemplar."""
    sink.offer(vitals())
    (waits,) = backend.wait(lambda: backend.metric(names.WAIT_DURATION))
    assert (2, 2.0, 1.5) == (waits.count, waits.sum, waits.max)
    assert {"unstuck.resource.type": "asyncio.Lock"} == attributes(waits)
    assert waits.HasField("positive")
    assert [(TRACE, SPAN, 1.5)] == [(e.trace_id.hex(), e.span_id.hex(), e.as_double) for e in waits.exemplars]
    (delays,) = backend.metric(names.LOOP_DELAY)
    assert (3, 0.4) == (delays.count, delays.max)
    assert {"s"} == {each.unit for each in backend.metrics if each.name in (names.LOOP_DELAY, names.WAIT_DURATION)}


def test_when_another_aggregation_is_asked_for(
    backend: Backend, sink: OtlpSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The standard variable decides; the boundaries are in seconds then."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", "explicit_bucket_histogram")
    sink.offer(vitals())
    (waits,) = backend.wait(lambda: backend.metric(names.WAIT_DURATION))
    assert 0.05 == next(iter(waits.explicit_bounds))


def test_when_a_finding_is_over(backend: Backend, sink: OtlpSink) -> None:
    """Its series says zero, so that an alert can end; how many there ever were stays."""
    sink.write(builders.two_locks())
    sink.offer(vitals())
    by = (names.FINDING_KIND, names.FINDING_VERDICT)
    backend.wait(lambda: series(backend, names.FINDINGS, *by) == {("deadlock", "proven"): 2})
    sink.write(builders.two_locks("closed"))
    sink.offer(vitals(findings={}))
    backend.wait(lambda: series(backend, names.FINDINGS, *by) == {("deadlock", "proven"): 0})
    assert {("deadlock", "proven"): 1} == series(backend, names.FINDINGS_OPENED, *by)


def test_when_the_program_ends(backend: Backend, sink: OtlpSink, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was measured last is sent."""
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "60000")
    sink.offer(vitals())
    sink.offer(vitals(tasks={"running": 0, "ready": 0, "waiting": 77}))
    sink.close()
    assert 77 == series(backend, names.TASKS, names.TASK_STATE)["waiting"]


def test_when_metrics_are_switched_off(backend: Backend, sink: OtlpSink, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even a thread is started for them."""
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "none")
    sink.offer(vitals())
    assert sink._worker is None
    sink.write(builders.two_locks())
    backend.wait(lambda: backend.logs)
    sink.offer(vitals())
    sink.close()
    assert [] == backend.metrics


def test_when_a_program_runs(backend: Backend) -> None:
    """The whole way: tasks, waits that ended, open findings and the loop's delay, from a running program."""

    async def program() -> None:
        lock = asyncio.Lock()

        async def wait_for_it() -> None:
            async with lock:
                pass

        async with lock:
            waiters = [asyncio.create_task(wait_for_it()) for _ in range(3)]
            while series(backend, names.WAITERS, names.RESOURCE_TYPE) != {"asyncio.Lock": 3}:
                await asyncio.sleep(0.02)
        await asyncio.gather(*waiters)
        while not backend.metric(names.WAIT_DURATION):
            await asyncio.sleep(0.02)
        a, b = asyncio.Lock(), asyncio.Lock()
        tasks = [asyncio.create_task(both(a, b)), asyncio.create_task(both(b, a))]
        by = (names.FINDING_KIND, names.FINDING_VERDICT)
        while series(backend, names.FINDINGS, *by).get(("deadlock", "proven")) != 1:
            await asyncio.sleep(0.02)
        for task in tasks:
            task.cancel()

    with harness.agent(sinks=("otlp",)):
        asyncio.run(asyncio.wait_for(program(), PATIENCE))
    waits = backend.metric(names.WAIT_DURATION)
    assert 3 <= max(point.count for point in waits)
    assert all(number >= 1 for number in series(backend, names.TASKS, names.TASK_STATE).values() if number)
    assert backend.metric(names.LOOP_DELAY)


def test_when_nobody_exports() -> None:
    """Nothing is measured."""
    with harness.agent():
        assert api.current().pipeline.exports._signs is None
    assert not unstuck.installed()
