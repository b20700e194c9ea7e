"""A real OTLP backend, as small as it can be: takes all three signals over HTTP, and over gRPC if that is there."""

from __future__ import annotations

import concurrent.futures
import contextlib
import gzip
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces

_REQUESTS: dict[str, Any] = {
    "/v1/logs": logs.ExportLogsServiceRequest,
    "/v1/traces": traces.ExportTraceServiceRequest,
    "/v1/metrics": metrics.ExportMetricsServiceRequest,
}
PATIENCE = 120.0
"""Seconds that nobody waits but a test that fails: a busy machine may take long to load what exports."""


class Backend:
    """What has arrived, and how the backend behaves."""

    def __init__(self) -> None:
        self.arrived = threading.Condition()
        self.logs: list[Any] = []
        self.spans: list[Any] = []
        self.metrics: list[Any] = []
        self.resources: list[dict[str, Any]] = []
        self.requests = 0
        self.headers: list[dict[str, str]] = []
        """Of each request, in lower case."""
        self.status = 200
        self.answers = threading.Event()
        """While this is not set, requests wait."""
        self.answers.set()
        self.url = ""

    def take(self, request: Any) -> None:
        """A request of one of the three signals."""
        with self.arrived:
            for each in getattr(request, "resource_logs", ()):
                self.resources.append(attributes(each.resource))
                self.logs += [record for scope in each.scope_logs for record in scope.log_records]
            for each in getattr(request, "resource_spans", ()):
                self.resources.append(attributes(each.resource))
                self.spans += [span for scope in each.scope_spans for span in scope.spans]
            for each in getattr(request, "resource_metrics", ()):
                self.resources.append(attributes(each.resource))
                self.metrics += [metric for scope in each.scope_metrics for metric in scope.metrics]
            self.arrived.notify_all()

    def wait(self, condition: Callable[[], Any], patience: float = PATIENCE) -> Any:
        """Until something has arrived; what the condition gives."""
        with self.arrived:
            assert self.arrived.wait_for(condition, patience), f"did not arrive: {self.names()}"
            return condition()

    def names(self) -> list[str]:
        """The events that have arrived."""
        return [record.event_name for record in self.logs]

    def events(self, name: str) -> list[Any]:
        """The log records of that event."""
        return [record for record in self.logs if record.event_name == f"unstuck.finding.{name}"]

    def metric(self, name: str) -> list[Any]:
        """The data points of a metric in the order of their arrival."""
        found = [each for each in self.metrics if each.name == name]
        kinds = ("gauge", "sum", "histogram", "exponential_histogram")
        return [
            point
            for each in found
            for kind in kinds
            if each.HasField(kind)
            for point in getattr(each, kind).data_points
        ]


def attributes(bearer: Any) -> dict[str, Any]:
    """The attributes of a record, span, link, data point or resource."""
    return {each.key: value(each.value) for each in bearer.attributes}


def value(any_value: Any) -> Any:
    """A value in Python's words."""
    kind = any_value.WhichOneof("value")
    if kind == "array_value":
        return [value(each) for each in any_value.array_value.values]
    return None if kind is None else getattr(any_value, kind)


@contextlib.contextmanager
def http(port: int = 0, tls: ssl.SSLContext | None = None) -> Iterator[Backend]:
    """A backend over HTTP while the context lasts; ``port`` 0 is a free one."""
    backend = Backend()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            with backend.arrived:
                backend.requests += 1
                backend.headers.append({name.lower(): value for name, value in self.headers.items()})
                backend.arrived.notify_all()
            backend.answers.wait()
            status = backend.status
            if status == 200:
                backend.take(_REQUESTS[self.path].FromString(body))
            with contextlib.suppress(OSError):
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, request: Any, client_address: Any) -> None:
            pass

    server = Server(("127.0.0.1", port), Handler)
    backend.url = f"http://127.0.0.1:{server.server_port}"
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        backend.url = backend.url.replace("http:", "https:")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield backend
    finally:
        backend.answers.set()
        server.shutdown()
        server.server_close()
        thread.join()


def until(condition: Callable[[], Any], patience: float = PATIENCE) -> None:
    """Until something is so."""
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end, "it does not come to that"
        time.sleep(0.01)


@contextlib.contextmanager
def grpc(tls: tuple[bytes, bytes] | None = None) -> Iterator[Backend]:
    """The same over gRPC; ``tls`` is a key and a certificate."""
    import grpc as library
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2_grpc import add_LogsServiceServicer_to_server
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2_grpc import add_MetricsServiceServicer_to_server
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import add_TraceServiceServicer_to_server

    backend = Backend()

    class Service:
        def __init__(self, response: type) -> None:
            self.response = response

        def Export(self, request: Any, context: Any) -> Any:
            backend.headers.append(dict(context.invocation_metadata()))
            backend.take(request)
            return self.response()

    server = library.server(concurrent.futures.ThreadPoolExecutor(2))
    add_LogsServiceServicer_to_server(Service(logs.ExportLogsServiceResponse), server)
    add_TraceServiceServicer_to_server(Service(traces.ExportTraceServiceResponse), server)
    add_MetricsServiceServicer_to_server(Service(metrics.ExportMetricsServiceResponse), server)
    if tls is None:
        backend.url = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    else:
        credentials = library.ssl_server_credentials([tls])
        backend.url = f"https://127.0.0.1:{server.add_secure_port('127.0.0.1:0', credentials)}"
    server.start()
    try:
        yield backend
    finally:
        server.stop(0).wait()
