"""How exporting fares with the life of processes: ends, signals, forks, workers, the application's own providers."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .children import environment
from .receiver import PATIENCE, Backend, attributes, until
from .test_otlp_delivery import free_port

DEADLOCK = """
import asyncio, os, signal, sys
from unstuck.exporters import sink

sink._PATIENCE = float(os.environ.get("PATIENCE", "120"))  # the machine that runs the tests may be busy

async def both(first, second):
    async with first:
        await asyncio.sleep(0.01)
        async with second:
            pass

async def deadlock():
    a, b = asyncio.Lock(), asyncio.Lock()
    return [asyncio.create_task(both(a, b)), asyncio.create_task(both(b, a))]

async def found(is_found=True):
    from unstuck.agent import api
    while bool(api.current().pipeline.ledger.open_findings()) != is_found:
        await asyncio.sleep(0.01)
"""
FOREVER = """
async def main():
    tasks = await deadlock()
    await asyncio.sleep(600)
asyncio.run(main())
"""


def variables(backend: Backend, **more: str) -> dict[str, str]:
    ours = {"UNSTUCK": "1", "UNSTUCK_SINKS": "otlp", "UNSTUCK_INTERVAL": "50ms", "UNSTUCK_DETECT": "deadlock"}
    return environment(**(ours | {"OTEL_EXPORTER_OTLP_ENDPOINT": backend.url} | more))


@contextmanager
def program(backend: Backend, code: str, *command: str, **more: str) -> Iterator[subprocess.Popen[str]]:
    """Runs code, or a command, in a process of its own."""
    words = command or ("-c", DEADLOCK + textwrap.dedent(code))
    process = subprocess.Popen(
        [sys.executable, *words],
        env=variables(backend, **more),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """The exit code, and what was said on stderr."""
    _, errors = process.communicate(timeout=PATIENCE)
    return process.returncode, errors


def test_when_sigterm_ends_the_program(backend: Backend) -> None:
    """What is open is closed in the backend too, and the process ends by the signal, as it would have."""
    with program(backend, FOREVER) as process:
        backend.wait(lambda: backend.events("opened"))
        process.terminate()
        assert (-signal.SIGTERM, "") == ended(process)
    (record,) = backend.events("closed")
    assert "still so when the agent was switched off" == attributes(record)["unstuck.finding.note"]
    assert [False, False, False, True, True, True] == [
        attributes(span).get("unstuck.wait.ended", index > 2) for index, span in enumerate(backend.spans)
    ]


def test_when_sigterm_comes_and_the_backend_is_gone(backend: Backend) -> None:
    """The end waits for a moment only, and what was lost is said."""
    with program(backend, FOREVER, PATIENCE="0.2") as process:
        backend.wait(lambda: backend.events("opened"))
        backend.status = 503
        backend.answers.clear()
        process.terminate()
        code, errors = ended(process)
    assert -signal.SIGTERM == code
    assert "not exported, for the backend was slow or gone: " in errors


def test_when_sigterm_comes_in_the_middle_of_an_export(backend: Backend) -> None:
    """The same, where the backend has not answered yet: the finding's opening is in hand, its end comes after it."""
    backend.answers.clear()
    only = {"OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none"}
    with program(backend, FOREVER, PATIENCE="0.2", **only) as process:
        backend.wait(lambda: backend.requests)
        process.terminate()
        code, errors = ended(process)
        assert not backend.answers.is_set()
    assert -signal.SIGTERM == code
    assert errors.startswith("unstuck: not exported, for the backend was slow or gone: ")
    assert sum(int(number) for number in re.findall(r" (\d+) ", errors)) in (2, 3)  # in hand may be counted twice


def test_when_the_program_has_a_handler_of_its_own(backend: Backend) -> None:
    """It is the only one that runs, even if it calls the one before it; exit functions do the rest."""
    code = """
    def stop(number, frame):
        if callable(before):
            before(number, frame)
        sys.exit(3)
    before = signal.signal(signal.SIGTERM, stop)
    """
    with program(backend, textwrap.dedent(code) + FOREVER) as process:
        backend.wait(lambda: backend.events("opened"))
        process.terminate()
        assert 3 == ended(process)[0]
    assert 1 == len(backend.events("closed"))


def test_when_the_program_ends_by_itself(backend: Backend) -> None:
    """What is found in its last moment is exported."""
    code = """
    async def main():
        while not hasattr(sys.modules.get("unstuck.exporters.engine"), "Engine"):
            await asyncio.sleep(0.01)
        tasks = await deadlock()
        await found()
    asyncio.run(main())
    """
    with program(backend, textwrap.dedent(code)) as process:
        assert (0, "") == ended(process)
    assert ["opened", "closed"] == [name.rpartition(".")[2] for name in backend.names()]


def test_when_the_program_ends_too_soon(backend: Backend) -> None:
    """Opentelemetry cannot be loaded any more when the interpreter goes down: that is said, unless it was in time."""
    late = "unstuck: nothing was exported: the program ended before opentelemetry was loaded\n"
    slow = "unstuck: not exported, for the backend was slow or gone: "
    code = """
    async def main():
        tasks = await deadlock()
        await asyncio.sleep(0.06)
    asyncio.run(main())
    """
    with program(backend, code, UNSTUCK_INTERVAL="1s") as process:
        code, errors = ended(process)
    assert 0 == code
    assert errors == late or errors.startswith(slow) or ("" == errors and 2 == len(backend.logs))


def test_when_the_application_has_providers(backend: Backend) -> None:
    """Everything goes through them, bears their resource, and is there before they end at exit."""
    code = """
    from opentelemetry import _logs, metrics, trace
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    resource = Resource.create({"service.name": "theirs"})
    async def main():
        await asyncio.sleep(0.2)
        trace.set_tracer_provider(TracerProvider(resource=resource))
        trace.get_tracer_provider().add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        _logs.set_logger_provider(LoggerProvider(resource=resource))
        _logs.get_logger_provider().add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
        metrics.set_meter_provider(MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())], resource))
        with trace.get_tracer("app").start_as_current_span("request"):
            tasks = await deadlock()
        await found()
    asyncio.run(main())
    """
    with program(backend, code, UNSTUCK_INTERVAL="100ms") as process:
        assert (0, "") == ended(process)
    assert ["opened", "closed"] == [name.rpartition(".")[2] for name in backend.names()]
    (request,) = (span for span in backend.spans if span.name == "request")
    waits = [span for span in backend.spans if span is not request]
    assert [request.span_id] * 4 == [span.parent_span_id for span in waits]
    assert {"theirs"} == {each["service.name"] for each in backend.resources}
    assert [1] * len(backend.metric("unstuck.findings.opened")) == [
        point.as_int for point in backend.metric("unstuck.findings.opened")
    ]
    assert backend.metric("unstuck.findings.opened")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_when_the_process_forks(backend: Backend) -> None:
    """Both go on, each with its own findings; nothing of the parent's is told twice."""
    code = """
    async def main():
        await found(False)
        tasks = await deadlock()
        await found()
    asyncio.run(main())
    child = os.fork()
    asyncio.run(main())
    if child:
        assert os.waitpid(child, 0)[1] == 0
    """
    with program(backend, code, PYTHONWARNINGS="default,ignore::DeprecationWarning") as process:
        assert (0, "") == ended(process)
    opened = Counter(record["process.pid"] for record in logged(backend, "opened"))
    assert [1, 2] == sorted(opened.values())
    assert opened == Counter(record["process.pid"] for record in logged(backend, "closed"))


def logged(backend: Backend, event: str) -> list[dict[str, object]]:
    """What the records of that event say of their process."""
    import json

    return [
        {"process.pid": json.loads(attributes(record)["unstuck.finding.record"])["pid"]}
        for record in backend.events(event)
    ]


WEB = """
import asyncio, os
from unstuck.exporters import sink

sink._PATIENCE = float(os.environ.get("PATIENCE", "120"))  # the machine that runs the tests may be busy
LOCK = asyncio.Lock()

async def stuck():
    async with LOCK:
        async with LOCK:
            pass

async def app(scope, receive, send):
    if scope["type"] == "lifespan" and "STUCK" in os.environ:
        app.task = asyncio.create_task(stuck())
    if scope["type"] != "http":
        return
    if scope["path"] == "/stuck":
        await stuck()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"connection", b"close")]})
    await send({"type": "http.response.body", "body": b"fine"})
"""


def ask(url: str, patience: float = 1.0) -> bool:
    """Whether the server answers."""
    try:
        with urllib.request.urlopen(url, timeout=patience) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def test_when_uvicorn_is_ended_by_sigterm(backend: Backend, tmp_path: Path) -> None:
    """It ends itself by the signal, without exit functions: the finding is closed nevertheless."""
    pytest.importorskip("uvicorn")
    (tmp_path / "web.py").write_text(WEB)
    port = free_port()
    command = ("-m", "uvicorn", "--app-dir", str(tmp_path), "--port", str(port), "--log-level", "error", "web:app")
    with program(backend, "", *command, "--timeout-graceful-shutdown", "1") as process:
        until(lambda: ask(f"http://127.0.0.1:{port}/"))
        ask(f"http://127.0.0.1:{port}/stuck", 0.5)
        backend.wait(lambda: backend.events("opened"))
        process.terminate()
        code, _ = ended(process)
    assert -signal.SIGTERM == code
    assert 1 == len(backend.events("closed"))


def test_when_gunicorn_forks_workers(backend: Backend, tmp_path: Path) -> None:
    """Each of four workers exports what it finds, under its own process id, and serves requests; none says anything."""
    pytest.importorskip("gunicorn")
    pytest.importorskip("uvicorn")
    pytest.importorskip("uvicorn_worker")
    (tmp_path / "web.py").write_text(WEB)
    port = free_port()
    command = ("-m", "gunicorn", "--chdir", str(tmp_path), "-w", "4", "-b", f"127.0.0.1:{port}", "--log-level", "error")
    worker = ("-k", "uvicorn_worker.UvicornWorker", "--graceful-timeout", "1", "--preload", "web:app")
    with program(backend, "", *command, *worker, STUCK="1") as process:
        backend.wait(lambda: len({each["process.pid"] for each in logged(backend, "opened")}) == 4)
        until(lambda: ask(f"http://127.0.0.1:{port}/"))
        process.terminate()
        code, errors = ended(process)
    assert 0 == code
    assert "unstuck" not in errors
    workers = {each["process.pid"] for each in logged(backend, "opened")}
    assert workers <= {each["process.pid"] for each in backend.resources}
