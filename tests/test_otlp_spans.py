"""A wait that is stuck is a span in its request's trace while it is still stuck, and once more when it is over."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import Any

import pytest

from unstuck.agent.findings import Event
from unstuck.exporters.sink import OtlpSink

from . import builders, harness
from .programs.deadlocks import both
from .receiver import PATIENCE, Backend, attributes
from .test_otlp_logs import SPANS, TRACES, in_requests

REQUESTS = ((TRACES[0], SPANS[0]), (TRACES[1], SPANS[1]))


def after(event: Event, seconds: float) -> Event:
    """The same, later."""
    return replace(event, time=event.time + seconds)


def links(span: Any) -> dict[str, str]:
    """What a span is linked to, by the kind of link."""
    return {attributes(link)["unstuck.link"]: link.span_id.hex() for link in span.links}


def test_when_requests_deadlock(backend: Backend, sink: OtlpSink, said: list[str]) -> None:
    """Each wait is a child of its request's span, from its beginning until now, and linked to whom it waits for."""
    sink.write(in_requests(*REQUESTS))
    first, second = backend.wait(lambda: len(backend.spans) == 2 and backend.spans)
    assert ["wait for asyncio.Lock"] * 2 == [first.name, second.name]
    assert TRACES == [span.trace_id.hex() for span in (first, second)]
    assert SPANS == [span.parent_span_id.hex() for span in (first, second)]
    assert int((builders.TIME - 1.2) * 1e9) == first.start_time_unix_nano
    assert int(builders.TIME * 1e9) == first.end_time_unix_nano
    assert {"waits_for": second.span_id.hex()} == links(first)
    assert {"waits_for": first.span_id.hex()} == links(second)
    assert (2, "2 tasks wait for each other") == (first.status.code, first.status.message)
    known = attributes(first)
    assert (False, builders.ID, "transfer-1", "accounts['B'].lock") == tuple(
        known[f"unstuck.{name}"] for name in ("wait.ended", "finding.id", "task.name", "wait.for")
    )
    assert [] == said


def test_when_the_wait_is_over(backend: Backend, sink: OtlpSink) -> None:
    """A second span with the same beginning and the true end, linked to the first."""
    sink.write(in_requests(*REQUESTS))
    sink.write(after(in_requests(*REQUESTS, event="closed"), 60.0))
    spans = backend.wait(lambda: len(backend.spans) == 4 and backend.spans)
    for found, over in zip(spans[:2], spans[2:], strict=True):
        assert found.trace_id == over.trace_id and found.span_id != over.span_id
        assert found.start_time_unix_nano == over.start_time_unix_nano
        assert abs(60 * 10**9 - (over.end_time_unix_nano - found.end_time_unix_nano)) < 1000
        assert found.span_id.hex() == links(over)["same_wait"]
        assert (True, "closed") == (attributes(over)["unstuck.wait.ended"], attributes(over)["unstuck.task.outcome"])


def test_when_a_finding_is_retracted(backend: Backend, sink: OtlpSink) -> None:
    """The wait is no error after all."""
    sink.write(in_requests(*REQUESTS, event="retracted"))
    first, _ = backend.wait(lambda: len(backend.spans) == 2 and backend.spans)
    assert (0, "retracted") == (first.status.code, attributes(first)["unstuck.task.outcome"])


def test_when_who_is_waited_for_does_not_wait(backend: Backend, sink: OtlpSink) -> None:
    """The link leads to the request that he works for; a wait that may end is no error."""
    slow = builders.slow_wait()
    reader, holder = slow.finding.tasks
    tasks = (
        replace(reader, trace_id=TRACES[0], span_id=SPANS[0]),
        replace(holder, trace_id=TRACES[1], span_id=SPANS[1]),
    )
    edges = (builders.Edge(reader.id, "L", "waits"), builders.Edge("L", holder.id, "held_by"))
    sink.write(replace(slow, finding=replace(slow.finding, tasks=tasks, edges=edges)))
    (span,) = backend.wait(lambda: backend.spans)
    assert {"waits_for": SPANS[1]} == links(span)
    assert 0 == span.status.code


def test_when_nobody_traces(backend: Backend, sink: OtlpSink) -> None:
    """The waits of one finding are children of a span of the finding's own."""
    sink.write(builders.two_locks())
    spans = backend.wait(lambda: len(backend.spans) == 3 and backend.spans)
    (root,) = (span for span in spans if not span.parent_span_id)
    assert "deadlock found" == root.name
    assert {root.span_id} == {span.parent_span_id for span in spans if span is not root}
    assert 1 == len({span.trace_id for span in spans})


def test_when_the_loop_is_blocked(backend: Backend, sink: OtlpSink) -> None:
    """The block is a span of the request that blocks."""
    blocked = builders.blocked_loop()
    task = replace(blocked.finding.tasks[0], trace_id=TRACES[0], span_id=SPANS[0])
    sink.write(replace(blocked, finding=replace(blocked.finding, tasks=(task,))))
    (span,) = backend.wait(lambda: backend.spans)
    assert ("blocked loop", SPANS[0]) == (span.name, span.parent_span_id.hex())
    assert 350 == round((span.end_time_unix_nano - span.start_time_unix_nano) / 10**6)


def test_when_a_finding_is_about_no_wait(backend: Backend, sink: OtlpSink) -> None:
    """There is no span for it."""
    sink.write(builders.two_locks(kind="orphan-task"))
    backend.wait(lambda: backend.logs)
    sink.close()
    assert [] == backend.spans


@pytest.mark.parametrize("variable", ["UNSTUCK_SPANS=off", "OTEL_TRACES_EXPORTER=none"])
def test_when_spans_are_switched_off(backend: Backend, variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """There are log records only."""
    monkeypatch.setenv(*variable.split("="))
    sink = OtlpSink("off" if variable.startswith("UNSTUCK") else "findings", pytest.fail)
    sink.write(in_requests(*REQUESTS))
    sink.close()
    assert ([], 2) == (backend.spans, len(backend.logs))


def test_when_a_program_deadlocks_in_its_requests(backend: Backend) -> None:
    """The whole way: found while it is stuck, and over when it is cancelled."""
    from opentelemetry.sdk.trace import TracerProvider

    tracer = TracerProvider().get_tracer("test")
    requests: list[str] = []

    async def request(*locks: asyncio.Lock) -> None:
        with tracer.start_as_current_span("request") as span:
            requests.append(f"{span.get_span_context().span_id:016x}")
            await both(*locks)

    async def program() -> None:
        a, b = asyncio.Lock(), asyncio.Lock()
        await asyncio.gather(request(a, b), request(b, a))

    began = time.time()
    with harness.agent(sinks=("otlp",)) as ear:
        harness.run_until_found(program, ear, "deadlock", PATIENCE)
    spans = backend.wait(lambda: len(backend.spans) == 4 and backend.spans)
    assert sorted(requests * 2) == sorted(span.parent_span_id.hex() for span in spans)
    assert [False, False, True, True] == [attributes(span)["unstuck.wait.ended"] for span in spans]
    assert all(began * 10**9 <= span.start_time_unix_nano <= span.end_time_unix_nano for span in spans)
