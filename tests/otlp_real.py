"""Exporting to backends that others have made: ``make otlp-real``.

rotel, an OpenTelemetry collector that PyPI has as a binary, gets all three signals, over HTTP and over gRPC, and prints
what it got. VictoriaMetrics, where there is one of at least 1.92 (Debian's package victoria-metrics; the variable
VICTORIA_METRICS may name its file), gets the metrics and is asked in PromQL how many findings are open.

The wheel of rotel is for CPython 3.11; its binary needs no Python. ROTEL_AGENT may name its file.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

from .children import environment
from .test_otlp_delivery import free_port
from .test_otlp_processes import DEADLOCK, FOREVER

PATIENCE = 30.0
WANTED = (
    "unstuck.finding.opened",
    "unstuck.finding.kind",
    "wait for asyncio.Lock",
    "unstuck.wait.ended",
    "unstuck.findings",
    "unstuck.loop.delay",
    "ExponentialHistogram",
)


@contextlib.contextmanager
def running(*command: str, **environ: str) -> Iterator[Path]:
    """A process, and the file that it writes to."""
    with tempfile.NamedTemporaryFile("w", suffix=".log", delete=False) as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment(**environ))
    try:
        yield Path(log.name)
    finally:
        process.terminate()
        process.wait(PATIENCE)
        os.unlink(log.name)


def until(what: str, condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(f"FAILED: {what}")
        time.sleep(0.2)
    print(f"ok: {what}")


def program(protocol: str, endpoint: str, **more: str) -> contextlib.AbstractContextManager[Path]:
    """Something that deadlocks, and exports it."""
    environ = {
        "UNSTUCK": "1",
        "UNSTUCK_SINKS": "otlp",
        "OTEL_SERVICE_NAME": "bank",
        "OTEL_METRIC_EXPORT_INTERVAL": "500",
        "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
    }
    return running(sys.executable, "-c", DEADLOCK + FOREVER, **(environ | more))


def rotel(agent: str) -> None:
    """All three signals over both protocols, with event names and attributes."""
    for protocol in ("http/protobuf", "grpc"):
        grpc, http = free_port(), free_port()
        ports = ("--otlp-grpc-endpoint", f"127.0.0.1:{grpc}", "--otlp-http-endpoint", f"127.0.0.1:{http}")
        signals = [word for signal in ("logs", "traces", "metrics") for word in ("--debug-log", signal)]
        command = (agent, "start", "--exporter", "blackhole", *signals, "--debug-log-verbosity", "detailed", *ports)
        with running(*command) as log:
            until("rotel has started", lambda: "Starting Rotel" in log.read_text())
            with program(protocol, f"http://127.0.0.1:{grpc if protocol == 'grpc' else http}"):
                for name in WANTED:
                    until(f"rotel got {name} over {protocol}", lambda name=name: name in log.read_text())


def victoria(binary: str) -> None:
    """PromQL tells how many findings are open."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"

    def ask() -> float:
        query = urllib.parse.quote('sum(unstuck_findings{unstuck_finding_verdict="proven"})')
        try:
            with urllib.request.urlopen(f"{url}/api/v1/query?query={query}&latency_offset=1ms", timeout=5) as answer:
                found = json.load(answer)["data"]["result"]
        except OSError:
            return -1.0
        return float(found[0]["value"][1]) if found else 0.0

    folder = tempfile.mkdtemp()
    listening = (f"-httpListenAddr=127.0.0.1:{port}", f"-storageDataPath={folder}")
    try:
        with running(binary, *listening, "-opentelemetry.usePrometheusNaming"):
            until("VictoriaMetrics knows of no finding", lambda: ask() == 0.0)
            metrics = {"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": f"{url}/opentelemetry/v1/metrics"}
            only = {"OTEL_LOGS_EXPORTER": "none", "OTEL_TRACES_EXPORTER": "none"}
            with program("http/protobuf", url, **metrics, **only):
                until("PromQL: one proven finding is open", lambda: ask() == 1.0)
            until("PromQL: it is closed when the program ends", lambda: ask() == 0.0)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    agent = os.environ.get("ROTEL_AGENT") or _packaged()
    rotel(agent)
    binary = os.environ.get("VICTORIA_METRICS") or shutil.which("victoria-metrics")
    if binary is None:
        print("left out: there is no victoria-metrics here")
    else:
        victoria(binary)


def _packaged() -> str:
    """rotel's binary out of its wheel, whatever this Python is."""
    folder = tempfile.mkdtemp()
    wheel = ("--python-version", "3.11", "--only-binary=:all:", "--no-deps", "--target", folder)
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", *wheel, "rotel"], check=True)
    return str(Path(folder) / "rotel" / "rotel-agent")


if __name__ == "__main__":
    main()
