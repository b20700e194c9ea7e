"""Exporting to backends that others have made: ``make otlp-real``.

rotel, an OpenTelemetry collector that PyPI has as a binary, gets all three signals, over HTTP and over gRPC, and prints
what it got. VictoriaMetrics gets the metrics: it is asked in PromQL how many findings are open, and everything that the
dashboard and the alert rules of ``docs/`` ask; its vmalert runs the rules.

Neither has to be installed. The wheel of rotel is for CPython 3.11, its binary needs no Python; ROTEL_AGENT may name a
file. VictoriaMetrics is looked for on the PATH, and VICTORIA_METRICS may name the file; it has to be 1.92 or later.
Where there is none and the system is a Debian, its package is fetched from Debian forky and unpacked, not installed.
Both are kept in ``build/otlp-real``.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from .children import environment
from .test_otlp_delivery import free_port
from .test_otlp_processes import DEADLOCK, FOREVER

ROOT = Path(__file__).parents[1]
KEPT = ROOT / "build" / "otlp-real"
PATIENCE = 30.0
ARRIVES = (
    "-> service.name: Str(bank)",
    "EventName: unstuck.finding.opened",
    "SeverityNumber: SEVERITY_NUMBER_ERROR(17)",
    "-> unstuck.finding.kind: Str(deadlock)",
    "-> unstuck.finding.victims: Int(0)",
    "-> unstuck.finding.age: Double(",
    '-> unstuck.finding.record: Str({"v":1,',
    "-> unstuck.wait.held_by: Slice(Str(Task-",
    "-> code.function.name: Str(both)",
    "Name           : wait for asyncio.Lock",
    "Status message : 2 tasks wait for each other",
    "-> unstuck.wait.ended: Bool(false)",
    "-> unstuck.link: Str(waits_for)",
    "-> Name: unstuck.findings\n",
    "-> Name: unstuck.tasks\n",
    "-> unstuck.finding.verdict: Str(proven)",
    "-> unstuck.task.state: Str(waiting)",
    "-> DataType: ExponentialHistogram",
)
"""What rotel prints, types included, while the tasks are stuck."""
ARRIVES_AT_THE_END = ("EventName: unstuck.finding.closed", "-> unstuck.wait.ended: Bool(true)")
BUSY = """
async def fails():
    raise LookupError("nobody asks")

async def queue(lock):
    async with lock:
        await asyncio.sleep(0.2)

async def main():
    tasks = await deadlock()
    lock = asyncio.Lock()
    lost = asyncio.create_task(fails())
    await asyncio.sleep(0)
    del lost
    while True:
        await asyncio.gather(*[queue(lock) for _ in range(3)])
asyncio.run(main())
"""
"""A program that gives each metric something to say."""


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


def program(protocol: str, endpoint: str, code: str, **more: str) -> contextlib.AbstractContextManager[Path]:
    """Something that deadlocks, and exports it."""
    environ = {
        "UNSTUCK": "1",
        "UNSTUCK_SINKS": "otlp",
        "OTEL_SERVICE_NAME": "bank",
        "OTEL_METRIC_EXPORT_INTERVAL": "500",
        "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
    }
    return running(sys.executable, "-c", code, **(environ | more))


def rotel(agent: str) -> None:
    """All three signals over both protocols, with event names, attributes and their types."""
    for protocol in ("http/protobuf", "grpc"):
        grpc, http = free_port(), free_port()
        ports = ("--otlp-grpc-endpoint", f"127.0.0.1:{grpc}", "--otlp-http-endpoint", f"127.0.0.1:{http}")
        signals = [word for signal in ("logs", "traces", "metrics") for word in ("--debug-log", signal)]
        command = (agent, "start", "--exporter", "blackhole", *signals, "--debug-log-verbosity", "detailed", *ports)
        with running(*command) as log:
            until("rotel has started", lambda log=log: "Starting Rotel" in log.read_text())
            with program(protocol, f"http://127.0.0.1:{grpc if protocol == 'grpc' else http}", DEADLOCK + FOREVER):
                for line in ARRIVES:
                    until(f"rotel, over {protocol}: {line.strip()}", lambda it=line, log=log: it in log.read_text())
            for line in ARRIVES_AT_THE_END:
                until(f"rotel, over {protocol}: {line}", lambda it=line, log=log: it in log.read_text())


class Prometheus:
    """Asks what answers as Prometheus does."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, query: str) -> list[Any] | None:
        """The series of an answer; None when there is none."""
        words = urllib.parse.urlencode({"query": query})
        found = self._get(f"query?{words}")
        return found["result"] if found is not None else None

    def number(self, query: str) -> float:
        """The one number that a query is about; 0 where there are no series."""
        found = self.ask(query)
        return -1.0 if found is None else float(found[0]["value"][1]) if found else 0.0

    def names(self) -> set[str]:
        """Of metrics and labels. What Prometheus takes as a native histogram has buckets here."""
        found = [series["metric"] for series in self.ask('{__name__=~"unstuck_.+"}') or []]
        metrics = {labels["__name__"] for labels in found}
        return metrics.union(*found, (name.removesuffix("_bucket") for name in metrics))

    def firing(self) -> set[str]:
        """The alerts that fire, asked of vmalert."""
        found = self._get("alerts") or {"alerts": []}
        return {alert["name"] for alert in found["alerts"] if alert["state"] == "firing"}

    def _get(self, path: str) -> Any:
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/{path}", timeout=5) as answer:
                return json.load(answer)["data"]
        except OSError:
            return None


def victoria(binary: str) -> None:
    """PromQL tells how many findings are open, dashboard and alerts have something to show."""
    port, folder = free_port(), tempfile.mkdtemp()
    url = f"http://127.0.0.1:{port}"
    metrics = {"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": f"{url}/opentelemetry/v1/metrics"}
    nowhere = {"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": f"http://127.0.0.1:{free_port()}", "OTEL_BLRP_MAX_QUEUE_SIZE": "1"}
    only = {"OTEL_TRACES_EXPORTER": "none", **nowhere}
    listening = (f"-httpListenAddr=127.0.0.1:{port}", f"-storageDataPath={folder}")
    open_now, backend = 'sum(unstuck_findings{unstuck_finding_verdict="proven"})', Prometheus(url)
    try:
        with running(binary, *listening, "-opentelemetry.usePrometheusNaming", "-search.latencyOffset=1ms"):
            until("PromQL: no finding", lambda: backend.ask(open_now) == [])
            with program("http/protobuf", url, DEADLOCK + BUSY, **metrics, **only):
                until("PromQL: one proven finding is open", lambda: backend.number(open_now) == 1.0)
                for name in named():
                    until(f"PromQL knows {name}", lambda it=name: it in backend.names())
                for query in shown():
                    until(f"PromQL answers {query}", lambda it=query: bool(backend.ask(it)))
                alert(str(Path(binary).with_name("vmalert")), url)
            until("PromQL: it is closed when the program ends", lambda: backend.number(open_now) == 0.0)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def alert(binary: str, url: str) -> None:
    """The rules of ``docs/`` fire."""
    if shutil.which(binary) is None:
        return print("left out: there is no vmalert beside it")
    port = free_port()
    words = (f"-rule={ROOT}/docs/alerts.yml", f"-datasource.url={url}", "-notifier.blackhole", "-evaluationInterval=1s")
    with running(binary, *words, f"-httpListenAddr=127.0.0.1:{port}", "-rule.evalDelay=0s"):
        for name in ("TasksProvenStuck", "ErrorsLost", "FindingsNotExported"):
            until(f"vmalert: {name}", lambda it=name: it in Prometheus(f"http://127.0.0.1:{port}").firing())


def named() -> list[str]:
    """The metrics and labels that dashboard and rules use."""
    text = " ".join((ROOT / "docs" / name).read_text("utf-8") for name in ("grafana-dashboard.json", "alerts.yml"))
    return sorted({*re.findall(r"\bunstuck_\w+", text), "service_name"})


def shown() -> list[str]:
    """What the dashboard asks, but for what is not there: suspicions."""
    panels = json.loads((ROOT / "docs" / "grafana-dashboard.json").read_text("utf-8"))["panels"]
    queries = [target["expr"].removesuffix(" or vector(0)") for panel in panels for target in panel["targets"]]
    filled = [re.sub(r"\$__\w+", "1m", query.replace("$service", "bank")) for query in queries]
    return [query for query in filled if '"suspected"' not in query]


def main() -> None:
    rotel(os.environ.get("ROTEL_AGENT") or kept("rotel", "rotel/rotel-agent", wheel))
    binary = os.environ.get("VICTORIA_METRICS") or shutil.which("victoria-metrics")
    if binary is None and shutil.which("apt-get") is None:
        print("left out: there is no victoria-metrics here")
    else:
        victoria(binary or kept("victoria-metrics", "usr/bin/victoria-metrics", package))


def kept(name: str, path: str, fetch: Callable[[str, Path], None]) -> str:
    """A file of something that is fetched once."""
    folder = KEPT / name
    if not (folder / path).exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        fetch(name, folder)
    return str(folder / path)


def wheel(name: str, folder: Path) -> None:
    """A wheel with a binary in it, whatever this Python is."""
    which = ("--python-version", "3.11", "--only-binary=:all:", "--no-deps", "--target", str(folder))
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", *which, name], check=True)


def package(name: str, folder: Path) -> None:
    """A package of Debian forky, unpacked into a folder; the system's own lists of packages are left alone."""
    (folder / "sources.list").write_text("deb http://deb.debian.org/debian forky main\n")
    (folder / "lists" / "partial").mkdir(parents=True)
    settings = {
        "Dir::Etc::sourcelist": f"{folder}/sources.list",
        "Dir::Etc::sourceparts": "-",
        "Dir::State::lists": f"{folder}/lists",
        "Dir::Cache": str(folder),
        "APT::Sandbox::User": "",
    }
    apt = ["apt-get", "--quiet=2", *(word for each in settings.items() for word in ("--option", "=".join(each)))]
    subprocess.run([*apt, "update"], check=True, cwd=folder)
    subprocess.run([*apt, "download", name], check=True, cwd=folder)
    for found in folder.glob("*.deb"):
        subprocess.run(["dpkg", "--extract", found, folder], check=True)
        found.unlink()
    shutil.rmtree(folder / "lists")


if __name__ == "__main__":
    main()
