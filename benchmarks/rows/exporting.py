"""What the sink ``otlp`` costs, with the values of UNSTUCK_SPANS: against a backend in a process of its own.

Laws:
- Measured is what goes on while it exports: it begins when opentelemetry has been loaded and has sent something.
- Without the agent the program exports a number by opentelemetry itself. To have that loaded and its thread costs as
  much with the agent as without, and up to 7 % of what makes many tasks: that is not the agent's price.
- A number is the loop's thread, as in all rows; ``-process`` the whole process, with the threads that watch and export.
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
from collections.abc import Awaitable, Callable, Iterator, Mapping

from benchmarks.model import AGENT, DIFFERENCE, NONE, Row, Sample, measurement
from benchmarks.modes import verify

from .primitives import event_round_trip, put_and_get, uncontended_lock, uncontended_semaphore
from .tasks import create_and_await, gather_a_hundred, trivial

Body = tuple[Callable[[int], Awaitable[None]], int]
"""What is done so many times, and how many times in a batch."""

BATCHES = 7
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
    if mode == NONE:
        _export_a_number()
    assert process.stdout is not None
    assert await asyncio.to_thread(process.stdout.readline) == "got\n"


def _export_a_number() -> None:
    """What a program does that exports telemetry of its own."""
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

    provider = MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())], shutdown_on_exit=False)
    provider.get_meter(__name__).create_counter("turns").add(1)


async def _as_fast_as_possible(
    mode: str, scale: float, process: subprocess.Popen[str], bodies: Mapping[str, Body]
) -> Sample:
    await _exporting(mode, process)
    sample: Sample = {}
    for name, (body, turns) in bodies.items():
        sample |= await _costs(name, body, max(1, round(turns * scale)))
    verify(mode)
    return sample


async def _costs(name: str, body: Callable[[int], Awaitable[None]], turns: int) -> Sample:
    await body(turns)
    thread, whole = [], []
    for _ in range(BATCHES):
        gc.collect()
        began, all_began = time.thread_time_ns(), time.process_time_ns()
        await body(turns)
        thread.append((time.thread_time_ns() - began) / turns)
        whole.append((time.process_time_ns() - all_began) / turns)
    return {name: statistics.median(thread), f"{name}-process": statistics.median(whole)}


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


def _register(spans: str, bodies: Mapping[str, Body], budgets: Mapping[str, float]) -> None:
    name, environment = f"otlp-{spans}", {"UNSTUCK_SINKS": "otlp", "UNSTUCK_SPANS": spans}
    rows = [
        Row(
            name if body == MAKING else f"{name}-{body}",
            f"{body}, sink otlp, UNSTUCK_SPANS={spans}" + ("" if body in budgets else " (informative)"),
            name,
            body,
            budget=budgets.get(body),
        )
        for body in bodies
    ]
    whole = Row(f"{name}-process", f"{MAKING}, the same, whole process (informative)", name, f"{MAKING}-process")

    @measurement(name, *rows, whole, modes=(NONE, AGENT), environment=environment)
    def run(mode: str, scale: float) -> Sample:
        with backend() as process:
            return asyncio.run(_as_fast_as_possible(mode, scale, process, bodies))


MAKING = "create-await"
_MAKING: dict[str, Body] = {MAKING: (create_and_await, 20_000)}
_ALL: dict[str, Body] = _MAKING | {
    "gather-100": (gather_a_hundred, 250),
    "lock": (uncontended_lock, 200_000),
    "semaphore": (uncontended_semaphore, 100_000),
    "queue": (put_and_get, 100_000),
    "event": (event_round_trip, 20_000),
}
_register("findings", _ALL, {body: 1.00 if body == "lock" else 1.05 for body in _ALL})
_register("slow", _MAKING, {})
_register("all", _MAKING, {})


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
