"""The standard variables decide what goes where; what cannot be had is one clear sentence."""

from __future__ import annotations

import builtins
import shutil
import ssl
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import requests
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

from unstuck.exporters import names
from unstuck.exporters.sink import OtlpSink

from . import builders, receiver
from .receiver import PATIENCE, Backend, attributes
from .test_otlp_metrics import vitals
from .test_otlp_processes import DEADLOCK, FOREVER, ended, program, variables


def test_when_grpc_is_asked_for(monkeypatch: pytest.MonkeyPatch, said: list[str]) -> None:
    """All three signals arrive that way, attributes and event names intact."""
    pytest.importorskip("grpc")
    pytest.importorskip("opentelemetry.exporter.otlp.proto.grpc")
    with receiver.grpc() as backend:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", backend.url)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
        monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "100")
        sink = OtlpSink("findings", said.append)
        sink.write(builders.two_locks())
        sink.offer(vitals())
        (record,) = backend.wait(lambda: backend.logs)
        assert "unstuck.finding.opened" == record.event_name
        assert builders.ID == attributes(record)["unstuck.finding.id"]
        backend.wait(lambda: len(backend.spans) == 3 and backend.metric(names.WAIT_DURATION))
        sink.close()
    assert [] == said


def without(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    """As where a package is not installed."""
    load = builtins.__import__

    def refuse(name: str, *more: Any) -> Any:
        if name.startswith(package):
            raise ModuleNotFoundError(f"No module named {package!r}")
        return load(name, *more)

    for module in [each for each in sys.modules if each.startswith(package)]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setattr(builtins, "__import__", refuse)


def test_when_grpc_is_not_installed(backend: Backend, said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence a signal, that names the variable and the package; the other signals go on."""
    without(monkeypatch, "opentelemetry.exporter.otlp.proto.grpc")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "grpc")
    sink = OtlpSink("findings", said.append)
    for _ in range(3):
        sink.write(builders.two_locks())
    backend.wait(lambda: backend.spans)
    sink.close()
    (sentence,) = said
    assert sentence.startswith("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL=grpc needs opentelemetry-exporter-otlp-proto-grpc (")
    assert sentence.endswith("pip install opentelemetry-exporter-otlp-proto-grpc; no logs are exported")


def test_when_a_value_cannot_be_used(
    backend: Backend, said: list[str], sink: OtlpSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is named as the library names it, once; the other signals go on."""
    pytest.importorskip("opentelemetry.exporter.otlp.proto.grpc")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "grpc")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", "soon")
    for _ in range(3):
        sink.write(builders.two_locks())
    backend.wait(lambda: backend.spans)
    sink.close()
    (sentence,) = said
    assert sentence.startswith("a variable OTEL_EXPORTER_OTLP_… has a value that cannot be used: ")
    assert "soon" in sentence and sentence.endswith("; no logs are exported")


def test_when_exporting_fails(
    backend: Backend, said: list[str], sink: OtlpSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a mistake of ours or of a library's: it is one sentence, and the agent goes on."""

    def broken(*_: object) -> None:
        raise LookupError("a mistake")

    monkeypatch.setattr("unstuck.exporters.telling.Telling.tell", broken)
    sink.write(builders.two_locks())
    receiver.until(lambda: said)
    for _ in range(3):
        sink.write(builders.two_locks())
        sink.offer(vitals())
    sink.close()
    assert ["nothing is exported any more, for that has failed: LookupError('a mistake')"] == said


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        (
            "OTEL_EXPORTER_OTLP_PROTOCOL",
            "http/json",
            "OTEL_EXPORTER_OTLP_PROTOCOL='http/json': unstuck knows http/protobuf and grpc; no logs are exported",
        ),
        (
            "OTEL_LOGS_EXPORTER",
            "zipkin",
            "OTEL_LOGS_EXPORTER='zipkin': unstuck knows otlp, console and none; no logs are exported",
        ),
    ],
)
def test_when_a_value_is_not_known(
    backend: Backend, said: list[str], monkeypatch: pytest.MonkeyPatch, variable: str, value: str, sentence: str
) -> None:
    """It is named, with what is."""
    monkeypatch.setenv(variable, value)
    sink = OtlpSink("off", said.append)
    sink.write(builders.two_locks())
    sink.close()
    assert [sentence] == said


def test_when_headers_and_resource_are_set(backend: Backend, sink: OtlpSink, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are used as opentelemetry uses them, for all signals or for one; and so is the compression."""
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.version=1.2,deployment.environment=test")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20all")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "authorization=Bearer%20traces")
    sink.write(builders.two_locks())
    backend.wait(lambda: backend.logs and backend.spans)
    (resource, *_) = backend.resources
    assert ("bank", "1.2", "test") == tuple(
        resource[name] for name in ("service.name", "service.version", "deployment.environment")
    )
    assert {"Bearer all", "Bearer traces"} == {headers["authorization"] for headers in backend.headers}
    assert {"gzip"} == {headers["content-encoding"] for headers in backend.headers}


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A key of its own, and the certificate that says so."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("there is no openssl here, which makes the certificate")
    key, found = tmp_path / "key.pem", tmp_path / "certificate.pem"
    kind = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    whose = ("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1")
    command = (openssl, "req", "-x509", *kind, *whose, "-keyout", str(key), "-out", str(found))
    subprocess.run(command, check=True, capture_output=True)
    return key, found


def test_when_the_backend_has_a_certificate(
    certificate: tuple[Path, Path], said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over TLS it is trusted if the variable names it."""
    key, known = certificate
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(known, key)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", str(known))
    with receiver.http(tls=tls) as backend:
        deliver_to(backend, said, monkeypatch)
    assert [] == said


def test_when_the_backend_has_a_certificate_over_grpc(
    certificate: tuple[Path, Path], said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same, and headers are sent too."""
    pytest.importorskip("grpc")
    pytest.importorskip("opentelemetry.exporter.otlp.proto.grpc")
    key, known = certificate
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", str(known))
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20all")
    with receiver.grpc((key.read_bytes(), known.read_bytes())) as backend:
        deliver_to(backend, said, monkeypatch)
    assert {"Bearer all"} == {headers["authorization"] for headers in backend.headers}
    assert [] == said


def test_when_the_backend_has_a_certificate_that_nobody_trusts(
    certificate: tuple[Path, Path], said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is sent to it, and the reason is said."""
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(*reversed(certificate))
    with receiver.http(tls=tls) as backend:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", backend.url)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
        monkeypatch.setenv("OTEL_TRACES_EXPORTER", "none")
        sink = OtlpSink("findings", said.append)
        sink.write(builders.two_locks())
        receiver.until(lambda: said)
        sink.close()
    assert 0 == backend.requests
    assert "certificate" in said[0].lower()


def deliver_to(backend: Backend, said: list[str], monkeypatch: pytest.MonkeyPatch, *signals: str) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", backend.url)
    sink = OtlpSink("findings", said.append)
    sink.write(builders.two_locks())
    backend.wait(lambda: all(getattr(backend, signal) for signal in signals or ("logs", "spans")))
    sink.close()


def test_when_a_timeout_is_set(
    backend: Backend, said: list[str], sink: OtlpSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So long an answer is waited for, and no longer; for one signal it may be another time."""
    backend.answers.clear()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", str(PATIENCE))
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", "0.2")
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "none")
    sink.write(builders.two_locks())
    receiver.until(lambda: said)
    assert "timed out" in said[0]


INSTRUMENTED = [
    ("http/protobuf", "opentelemetry.instrumentation.requests", "RequestsInstrumentor"),
    ("http/protobuf", "opentelemetry.instrumentation.urllib3", "URLLib3Instrumentor"),
    ("grpc", "opentelemetry.instrumentation.grpc", "GrpcInstrumentorClient"),
]


@pytest.mark.parametrize(("protocol", "package", "kind"), INSTRUMENTED, ids=[each[2] for each in INSTRUMENTED])
def test_when_what_exports_is_instrumented(
    said: list[str], monkeypatch: pytest.MonkeyPatch, protocol: str, package: str, kind: str
) -> None:
    """There are no spans of our own exporting, while those of the program's requests are made as ever."""
    instrumentation = pytest.importorskip(package)
    traced: list[str] = []
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(Collector(traced)))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    instrumentor = getattr(instrumentation, kind)()
    instrumentor.instrument()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "none")
    try:
        with receiver.grpc() if protocol == "grpc" else receiver.http() as backend:
            deliver_to(backend, said, monkeypatch, "logs")
            assert [] == traced
            export(protocol, backend.url)
            assert 1 == len(traced)
    finally:
        instrumentor.uninstrument()
    assert [] == said


class Collector(SpanExporter):
    """Collects the names of spans."""

    def __init__(self, names: list[str]) -> None:
        self.names = names

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.names += [span.name for span in spans]
        return SpanExportResult.SUCCESS


def export(protocol: str, url: str) -> None:
    """As the program itself might send something, by the same means."""
    if protocol != "grpc":
        requests.post(f"{url}/v1/logs", data=b"", timeout=PATIENCE)
        return
    import grpc
    from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2_grpc import LogsServiceStub

    with grpc.insecure_channel(url.removeprefix("http://")) as channel:
        LogsServiceStub(channel).Export(logs.ExportLogsServiceRequest(), timeout=PATIENCE)


def test_when_a_program_is_run_by_opentelemetry_instrument(backend: Backend, tmp_path: Path) -> None:
    """The agent is on, and what it finds goes through the providers that were set up."""
    pytest.importorskip("opentelemetry.distro")
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    ((name, entry),) = project["entry-points"]["opentelemetry_instrumentor"].items()
    metadata = tmp_path / "installed-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: installed\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text(f"[opentelemetry_instrumentor]\n{name} = {entry}\n")
    (tmp_path / "app.py").write_text(DEADLOCK + FOREVER)
    more = {"PYTHONPATH": str(tmp_path), "OTEL_SERVICE_NAME": "auto", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}
    environ = variables(backend, **more)
    del environ["UNSTUCK"], environ["UNSTUCK_SINKS"]
    run = "from opentelemetry.instrumentation.auto_instrumentation import run; run()"
    process = subprocess.Popen(
        [sys.executable, "-c", run, sys.executable, str(tmp_path / "app.py")],
        env=environ,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        backend.wait(lambda: backend.events("opened"))
        process.terminate()
        _, errors = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    assert {"auto"} == {each["service.name"] for each in backend.resources}
    assert "deadlock [proven]" in errors
    assert "telemetry.auto.version" in backend.resources[0]


def test_when_the_instrumentor_is_called_by_hand(backend: Backend) -> None:
    """It switches on and off; UNSTUCK=0 has the last word."""
    pytest.importorskip("opentelemetry.instrumentation.instrumentor")
    code = """
from unstuck.exporters.instrumentor import UnstuckInstrumentor
import unstuck
instrumentor = UnstuckInstrumentor()
instrumentor.instrument()
assert unstuck.installed() is (os.environ["UNSTUCK"] != "0")
assert os.environ["UNSTUCK_SINKS"] == "otlp"
instrumentor.uninstrument()
assert not unstuck.installed()
"""
    for switch in ("1", "0"):
        with program(backend, code, UNSTUCK=switch) as process:
            assert (0, "") == ended(process)
