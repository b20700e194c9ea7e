"""A backend that is down, slow, refuses or comes back: the agent never waits, and says what was lost."""

from __future__ import annotations

import logging
import os
import re
import socket
import threading
from dataclasses import replace
from types import SimpleNamespace

import pytest

from unstuck.agent.findings import Event
from unstuck.agent.snapshot import Lifespan
from unstuck.exporters import choosing, names
from unstuck.exporters.engine import Engine
from unstuck.exporters.hush import Hush
from unstuck.exporters.outlet import Outlet
from unstuck.exporters.sink import OtlpSink

from . import builders, receiver
from .receiver import PATIENCE, Backend, attributes
from .test_otlp_metrics import series, vitals


def numbered(number: int, event: str = "opened") -> Event:
    """A finding of its own."""
    whole = builders.two_locks(event)
    return replace(whole, finding=replace(whole.finding, id=f"{number:012x}"))


def told(backend: Backend) -> set[str]:
    """The ids of the findings whose opening has arrived."""
    return {attributes(record)["unstuck.finding.id"] for record in backend.events("opened")}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries are short, and soon made again."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.3")
    monkeypatch.setattr("unstuck.exporters.outlet._FIRST_PAUSE", 0.05)
    monkeypatch.setattr("unstuck.exporters.outlet._LONGEST_PAUSE", 0.2)
    client = "opentelemetry.exporter.otlp.common.http._OTLPHTTPClient._compute_backoff"
    monkeypatch.setattr(client, lambda *_: 0.01, raising=False)


def test_when_the_backend_is_down(monkeypatch: pytest.MonkeyPatch, hasty: None, said: list[str]) -> None:
    """It is said once, with the address and the reason; it arrives when the backend comes up, and that is said too."""
    port = free_port()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "none")
    sink = OtlpSink("findings", said.append)
    sink.write(builders.two_locks())
    receiver.until(lambda: said)
    assert said[0].startswith(f"logs cannot be exported to http://127.0.0.1:{port}/v1/logs: ")
    assert "refused" in said[0]
    with receiver.http(port) as backend:
        backend.wait(lambda: backend.events("opened"))
        receiver.until(lambda: len(said) == 2)
        assert f"logs are exported again to http://127.0.0.1:{port}/v1/logs; none were dropped meanwhile" == said[1]
        sink.close()


def test_when_the_backend_comes_back(backend: Backend, hasty: None, said: list[str], sink: OtlpSink) -> None:
    """The findings that are still open are told again, and marked; those that are over are not."""
    backend.status = 503
    for number in range(3):
        sink.write(numbered(number))
    sink.write(numbered(1, "closed"))
    receiver.until(lambda: said)
    backend.status = 200
    again = backend.wait(
        lambda: [each for each in backend.events("opened") if attributes(each).get(names.FINDING_RESENT)]
    )
    assert 3 == len(told(backend))
    backend.wait(lambda: len(backend.events("opened")) >= 5)
    ids = {attributes(each)["unstuck.finding.id"] for each in backend.events("opened") if "resent" in str(each)}
    assert {f"{number:012x}" for number in (0, 2)} == ids
    assert again


def test_when_the_backend_refuses(
    backend: Backend, hasty: None, said: list[str], sink: OtlpSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it says is passed on, once, however often it says so."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", str(PATIENCE))
    backend.status = 401
    sink.write(builders.two_locks())
    backend.wait(lambda: backend.requests > 6)
    assert 2 == len(said)  # logs, and traces
    assert "401" in said[0]


def test_when_one_signal_is_not_taken(said: list[str]) -> None:
    """The others do not wait for its next try, which may take as long as a timeout."""
    sent: list[str] = []

    class Exporter:
        def __init__(self, signal: str) -> None:
            self.signal = signal

        def export(self, _batch: list[str]) -> SimpleNamespace:
            sent.append(self.signal)
            return SimpleNamespace(name="FAILURE" if self.signal == "logs" else "SUCCESS")

    def export() -> None:
        engine = Engine("findings", said.append, "0")
        engine._outlets = {signal: Outlet(signal, Exporter(signal), 10, 1, Hush()) for signal in ("logs", "traces")}
        for _ in range(2):
            for outlet in engine._open():
                outlet.put(["item"])
                outlet.retry_at = 0.0
            engine.send()

    exporting = threading.Thread(target=export)
    exporting.start()
    exporting.join()
    assert ["logs", "traces", "traces", "logs"] == sent


def test_when_the_program_ends_and_one_signal_is_not_taken(
    backend: Backend, said: list[str], sink: OtlpSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others are sent: an alert on a metric must end."""
    has_failed, is_shut = threading.Event(), threading.Event()

    class Stuck:
        def export(self, _batch: object) -> SimpleNamespace:
            if has_failed.is_set():
                is_shut.wait(PATIENCE)
            has_failed.set()
            return SimpleNamespace(name="FAILURE")

        def shutdown(self) -> None:
            is_shut.set()

    make = choosing.exporter
    monkeypatch.setattr(choosing, "exporter", lambda signal: Stuck() if signal == "logs" else make(signal))
    monkeypatch.setattr("unstuck.exporters.outlet._FIRST_PAUSE", 0.0)
    sink.offer(vitals())
    sink.write(builders.two_locks())
    assert has_failed.wait(PATIENCE)
    sink.offer(vitals(findings={}))
    sink.close()
    by = (names.FINDING_KIND, names.FINDING_VERDICT)
    assert {("deadlock", "proven"): 0} == series(backend, names.FINDINGS, *by)
    assert "1 logs" in said[-1]


def test_when_the_backend_is_slow(backend: Backend, sink: OtlpSink, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever tells does not wait for its answer, nor does the program's end."""
    monkeypatch.setattr("unstuck.exporters.sink._PATIENCE", 0.1)
    backend.answers.clear()
    sink.write(numbered(0))
    backend.wait(lambda: backend.requests)
    for number in range(1, 100):
        sink.write(numbered(number))
        sink.offer(vitals())
    sink.close()
    assert not backend.answers.is_set()


def test_when_thousands_are_found_in_a_second(
    backend: Backend, said: list[str], sink: OtlpSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory stays bounded while the backend does not keep up, and each is delivered, or counted and said."""
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "none")
    backend.answers.clear()
    sink.write(numbered(0))
    backend.wait(lambda: backend.requests)
    for number in range(1, 10_000):
        sink.write(numbered(number))
    assert (2_048, 1_000) == (len(sink._inbox), len(sink._open))
    backend.answers.set()
    backend.wait(lambda: len(told(backend)) > 1)
    sink.close()
    arrived = len(told(backend))
    (sentence,) = said
    assert sentence.startswith("not exported, for the backend was slow or gone: ")
    counts = {
        what: int(count.replace(",", "")) for count, what in re.findall(r"([\d,]+) (logs|findings' events)", sentence)
    }
    assert 10_000 <= arrived + sum(counts.values()) <= 10_100  # those in hand at the very end may be counted twice
    assert arrived


def test_when_thousands_of_tasks_end_and_the_backend_is_slow(
    backend: Backend, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is to become spans is bounded too; each that is not exported is counted, and said."""
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "none")
    monkeypatch.setattr("unstuck.exporters.sink._PATIENCE", 0.1)
    backend.answers.clear()
    sink = OtlpSink("all", said.append)
    sink.write(numbered(0))
    backend.wait(lambda: backend.requests)
    life = Lifespan("task-1", "Task-1", "work", 0.0, 1.0, "returned")
    for _ in range(10):
        sink.offer(vitals(lifespans=(life,) * 10_000))
    assert 20_000 == sum(len(each.lifespans) for each in sink._numbers)
    sink.close()
    assert any("100,000 tasks" in sentence for sentence in said)


def test_when_something_was_dropped(
    backend: Backend, hasty: None, sink: OtlpSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That is a metric, by signal."""
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "100")
    monkeypatch.setenv("OTEL_BLRP_MAX_QUEUE_SIZE", "5")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    for number in range(20):
        sink.write(numbered(number))
    receiver.until(lambda: sink._engine is not None and sink._engine.dropped().get("logs") == 15)
    sink.offer(vitals())
    backend.wait(lambda: series(backend, names.DROPPED, names.SIGNAL).get("logs") == 15)


def test_when_the_program_logs(hasty: None, said: list[str], caplog: pytest.LogCaptureFixture) -> None:
    """What the exporting libraries have to say stays out of it, other threads' words do not."""
    os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"http://127.0.0.1:{free_port()}"
    try:
        sink = OtlpSink("findings", said.append)
        sink.write(builders.two_locks())
        receiver.until(lambda: said)
        theirs = logging.getLogger("opentelemetry.exporter.otlp.proto.http._log_exporter")
        theirs.warning("of the program's own exporting")
        engine = sink._engine
        sink.close()
    finally:
        del os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"]
    assert ["of the program's own exporting"] == [record.message for record in caplog.records]
    assert engine is not None and engine._hush not in theirs.filters


def test_when_a_program_has_no_finding(backend: Backend) -> None:
    """No thread, and nothing of opentelemetry."""
    sink = OtlpSink("findings", pytest.fail)
    before = threading.active_count()
    sink.close()
    assert (None, before) == (sink._worker, threading.active_count())


def test_when_opentelemetry_cannot_be_used(
    backend: Backend, said: list[str], sink: OtlpSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is one sentence, and the agent goes on."""

    def broken(*_: object) -> None:
        raise ImportError("no module named opentelemetry")

    monkeypatch.setattr("unstuck.exporters.engine.Engine.__init__", broken)
    sink.write(builders.two_locks())
    receiver.until(lambda: said)
    for number in range(10):
        sink.write(numbered(number))
        sink.offer(vitals())
    sink.close()
    assert [
        "nothing is exported: opentelemetry cannot be used here: ImportError('no module named opentelemetry')"
    ] == said


def test_when_the_sink_is_paused(backend: Backend, sink: OtlpSink) -> None:
    """As around a fork: the thread ends, and the next event begins a new one."""
    sink.write(numbered(1))
    backend.wait(lambda: told(backend) == {f"{1:012x}"})
    worker = sink._worker
    sink.pause()
    assert worker is not None
    receiver.until(lambda: worker.has_ended)
    assert not os.path.exists(f"/proc/self/task/{worker._native}")
    sink.write(numbered(2))
    backend.wait(lambda: told(backend) == {f"{1:012x}", f"{2:012x}"})
    assert worker is not sink._worker
