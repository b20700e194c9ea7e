"""What the sink ``otlp`` costs, with the values of UNSTUCK_SPANS: against a backend in a process of its own.

Laws:
- Measured is what goes on while it exports: it begins when opentelemetry has been loaded and has sent something.
- Without the agent there is a second thread too: who exports telemetry has one anyway.
- ``ns`` is the loop's thread, as in all rows; ``process_ns`` the whole process, with the threads that watch and export.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

from benchmarks.model import AGENT, DIFFERENCE, NONE, Row, Sample, measurement
from benchmarks.modes import verify

from .tasks import create_and_await, have_a_thread, trivial

BATCHES, TURNS = 7, 20_000
RATE, SECONDS = 5_000, 4.0
_BACKEND = """
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
        print("got", flush=True)

    def log_message(self, *arguments):
        pass

server = HTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"""


@contextlib.contextmanager
def backend() -> Iterator[subprocess.Popen[str]]:
    """Takes everything; prints a word for each request."""
    process = subprocess.Popen([sys.executable, "-S", "-c", _BACKEND], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"http://127.0.0.1:{process.stdout.readline().strip()}"
    os.environ["OTEL_METRIC_EXPORT_INTERVAL"] = "1000"
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


async def _exporting(mode: str, process: subprocess.Popen[str]) -> None:
    """Until something has arrived."""
    verify(mode)
    have_a_thread()
    if mode == AGENT:
        assert process.stdout is not None
        assert await asyncio.to_thread(process.stdout.readline) == "got\n"


async def _as_fast_as_possible(mode: str, scale: float, process: subprocess.Popen[str]) -> Sample:
    await _exporting(mode, process)
    turns = max(1, round(TURNS * scale))
    await create_and_await(turns)
    thread, whole = [], []
    for _ in range(BATCHES):
        gc.collect()
        began, all_began = time.thread_time_ns(), time.process_time_ns()
        await create_and_await(turns)
        thread.append((time.thread_time_ns() - began) / turns)
        whole.append((time.process_time_ns() - all_began) / turns)
    verify(mode)
    return {"ns": statistics.median(thread), "process_ns": statistics.median(whole)}


async def _at_a_rate(mode: str, scale: float, process: subprocess.Popen[str]) -> Sample:
    """RATE tasks a second, in a hundred portions: few enough for each to become a span."""
    await _exporting(mode, process)
    portions, began = max(1, round(SECONDS * 100 * scale)), time.monotonic()
    all_began = time.process_time_ns()
    for portion in range(1, portions + 1):
        for _ in range(RATE // 100):
            await asyncio.create_task(trivial())
        await asyncio.sleep(max(0.0, began + portion / 100 - time.monotonic()))
    await asyncio.sleep(2.0)  # the last of them are exported a second later
    return {"ns": (time.process_time_ns() - all_began) / (portions * RATE // 100)}


def _register(spans: str, budget: float | None) -> None:
    name, environment = f"otlp-{spans}", {"UNSTUCK_SINKS": "otlp", "UNSTUCK_SPANS": spans}
    what = f"create and await, sink otlp, UNSTUCK_SPANS={spans}"

    @measurement(
        name,
        Row(name, what + ("" if budget else " (informative)"), name, budget=budget),
        Row(f"{name}-process", "the same, whole process (informative)", name, "process_ns"),
        modes=(NONE, AGENT),
        environment=environment,
    )
    def run(mode: str, scale: float) -> Sample:
        with backend() as process:
            return asyncio.run(_as_fast_as_possible(mode, scale, process))


for _spans, _budget in (("findings", 1.05), ("slow", None), ("all", None)):
    _register(_spans, _budget)


@measurement(
    "otlp-span",
    Row("otlp-span", "a span exported, whole process (informative)", "otlp-span", compare=DIFFERENCE),
    modes=(NONE, AGENT),
    environment={"UNSTUCK_SINKS": "otlp", "UNSTUCK_SPANS": "all"},
)
def span(mode: str, scale: float) -> Sample:
    """Processor time of the process for each task, at a rate at which all become spans."""
    with backend() as process:
        return asyncio.run(_at_a_rate(mode, scale, process))
