"""Findings arrive in the backend as log records, in the trace of the request that is stuck."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from unstuck.agent.findings import Event
from unstuck.exporters.sink import OtlpSink

from . import builders, harness
from .programs.deadlocks import both
from .receiver import PATIENCE, Backend, attributes

TRACES = ["4bf92f3577b34da6a3ce929d0e0e4736", "0af7651916cd43dd8448eb211c80319c"]
SPANS = ["00f067aa0ba902b7", "b7ad6b7169203331"]


def in_requests(*requests: tuple[str, str] | None, event: str = "opened") -> Event:
    """Two transfers that wait for each other, each of which works for a request."""
    whole = builders.two_locks(event)
    tasks = tuple(
        task if request is None else replace(task, trace_id=request[0], span_id=request[1])
        for task, request in zip(whole.finding.tasks, requests, strict=True)
    )
    return replace(whole, finding=replace(whole.finding, tasks=tasks))


def test_when_a_finding_is_opened(backend: Backend, sink: OtlpSink, said: list[str]) -> None:
    """One log record with the event's name, severity by verdict, a line for people, and attributes to search by."""
    sink.write(builders.two_locks())
    (record,) = backend.wait(lambda: backend.logs)
    assert ("unstuck.finding.opened", "ERROR", 17) == (record.event_name, record.severity_text, record.severity_number)
    assert record.body.string_value.startswith(
        "deadlock [proven] 2 tasks wait for each other · transfer-1 at bank.py:21"
    )
    assert int(builders.TIME * 1e9) == record.time_unix_nano
    known = attributes(record)
    assert (builders.ID, "deadlock", "proven", 14) == tuple(
        known[f"unstuck.finding.{name}"] for name in ("id", "kind", "verdict", "victims")
    )
    assert ["transfer-1", "transfer-2"] == known["unstuck.finding.tasks"]
    assert ("bank.py", 21, "transfer") == (
        known["code.file.path"],
        known["code.line.number"],
        known["code.function.name"],
    )
    assert 'File "bank.py", line 21, in transfer' in known["code.stacktrace"]
    assert ("accounts['B'].lock", ["transfer-2"]) == (known["unstuck.wait.for"], known["unstuck.wait.held_by"])
    assert builders.two_locks().as_record() == json.loads(known["unstuck.finding.record"])
    assert "bank" == backend.resources[0]["service.name"]
    assert {"process.pid", "service.instance.id", "telemetry.sdk.name"} <= set(backend.resources[0])
    assert [] == said


@pytest.mark.parametrize(("verdict", "severity"), [("proven", "ERROR"), ("suspected", "WARN"), ("potential", "INFO")])
def test_when_a_verdict_is_not_sure(backend: Backend, sink: OtlpSink, verdict: str, severity: str) -> None:
    """The severity says so."""
    sink.write(builders.two_locks(verdict=verdict))
    (record,) = backend.wait(lambda: backend.logs)
    assert severity == record.severity_text


@pytest.mark.parametrize("event", ["updated", "closed", "retracted"])
def test_when_a_finding_lives_on(backend: Backend, sink: OtlpSink, event: str) -> None:
    """Its further events have names of their own, and the same id."""
    sink.write(builders.two_locks())
    sink.write(builders.two_locks(event))
    first, second = backend.wait(lambda: len(backend.logs) == 2 and backend.logs)
    assert f"unstuck.finding.{event}" == second.event_name
    assert attributes(first)["unstuck.finding.id"] == attributes(second)["unstuck.finding.id"]
    assert ("ERROR" if event == "updated" else "INFO") == second.severity_text


def test_when_several_requests_are_stuck(backend: Backend, sink: OtlpSink) -> None:
    """One record each, in the trace of each, linked by the finding's id and with that request's task."""
    sink.write(in_requests((TRACES[0], SPANS[0]), (TRACES[1], SPANS[1])))
    records = backend.wait(lambda: len(backend.logs) == 2 and backend.logs)
    assert TRACES == [record.trace_id.hex() for record in records]
    assert SPANS == [record.span_id.hex() for record in records]
    assert ["transfer-1", "transfer-2"] == [attributes(record)["unstuck.task.name"] for record in records]
    assert {builders.ID} == {attributes(record)["unstuck.finding.id"] for record in records}


def test_when_one_of_two_is_no_request(backend: Backend, sink: OtlpSink) -> None:
    """The record stands in the trace of the one that is."""
    sink.write(in_requests(None, (TRACES[1], SPANS[1])))
    sink.write(in_requests((TRACES[0], SPANS[0]), (TRACES[0], SPANS[0]), event="closed"))
    first, second = backend.wait(lambda: len(backend.logs) == 2 and backend.logs)
    assert [TRACES[1], TRACES[0]] == [first.trace_id.hex(), second.trace_id.hex()]


def test_when_nobody_traces(backend: Backend, sink: OtlpSink) -> None:
    """The record stands in no trace."""
    sink.write(builders.two_locks())
    (record,) = backend.wait(lambda: backend.logs)
    assert (b"", b"") == (record.trace_id.strip(b"\0"), record.span_id.strip(b"\0"))


def test_when_what_was_found_does_not_last(backend: Backend, sink: OtlpSink) -> None:
    """It is told once: the end of it means nothing."""
    lost = {"kind": "lost-error", "happened": True}
    task = replace(builders.two_locks().finding.tasks[0], error="ValueError: no such account", waits_for=None)
    sink.write(builders.two_locks(**lost, tasks=(task,)))
    sink.write(builders.two_locks("closed", **lost))
    sink.write(builders.two_locks("closed"))
    first, second = backend.wait(lambda: len(backend.logs) == 2 and backend.logs)
    assert ("unstuck.finding.opened", "unstuck.finding.closed") == (first.event_name, second.event_name)
    known = attributes(first)
    assert ("ValueError", "no such account") == (known["exception.type"], known["exception.message"])
    assert "unstuck.finding.age" not in known


@pytest.mark.parametrize("variable", ["OTEL_SDK_DISABLED=true", "OTEL_LOGS_EXPORTER=none"])
def test_when_logs_are_switched_off(
    backend: Backend, sink: OtlpSink, said: list[str], variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is sent, and nothing is said."""
    monkeypatch.setenv(*variable.split("="))
    sink.write(builders.two_locks())
    sink.close()
    assert ([], []) == (backend.logs, said)
    assert variable.startswith("OTEL_LOGS") or 0 == backend.requests


def test_when_a_program_deadlocks_in_its_requests(backend: Backend) -> None:
    """The whole way: two tasks, each with a span of its own, are found in these spans' traces."""
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider

    tracer = TracerProvider().get_tracer("test")
    spans: list[Any] = []

    async def request(*locks: asyncio.Lock) -> None:
        with tracer.start_as_current_span("request") as span:
            spans.append(span.get_span_context())
            await both(*locks)

    async def program() -> None:
        a, b = asyncio.Lock(), asyncio.Lock()
        await asyncio.gather(request(a, b), request(b, a))

    with harness.agent(sinks=("otlp",)) as ear:
        (finding,) = harness.run_until_found(program, ear, "deadlock", PATIENCE)
    expected = {(trace.format_trace_id(each.trace_id), trace.format_span_id(each.span_id)) for each in spans}
    assert expected == {(task.trace_id, task.span_id) for task in finding.core}
    opened = backend.wait(lambda: len(backend.events("opened")) == 2 and backend.events("opened"))
    assert expected == {(record.trace_id.hex(), record.span_id.hex()) for record in opened}
