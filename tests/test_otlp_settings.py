"""The standard variables decide what goes where; what cannot be had is one clear sentence."""

from __future__ import annotations

import builtins
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

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
    """They are used as opentelemetry uses them."""
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.version=1.2,deployment.environment=test")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
    sink.write(builders.two_locks())
    backend.wait(lambda: backend.logs)
    (resource, *_) = backend.resources
    assert ("bank", "1.2", "test") == tuple(
        resource[name] for name in ("service.name", "service.version", "deployment.environment")
    )


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
