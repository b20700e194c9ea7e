"""Which exporter each signal goes through: what the standard ``OTEL_*`` variables say.

Laws:
- No variable of our own: who exports with opentelemetry already has set these.
- What cannot be had is one sentence that names the variable and what to do; the other signals go on.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from typing import Any

LOGS, TRACES, METRICS = "logs", "traces", "metrics"
SIGNALS = (LOGS, TRACES, METRICS)
_HTTP, _GRPC = "http/protobuf", "grpc"
_OTLP = "opentelemetry.exporter.otlp.proto"
_MODULES = {LOGS: ("_log_exporter", "OTLPLogExporter"), TRACES: ("trace_exporter", "OTLPSpanExporter")}
_MODULES[METRICS] = ("metric_exporter", "OTLPMetricExporter")
_CONSOLE = {LOGS: ("_logs", "ConsoleLogRecordExporter", "ConsoleLogExporter"), TRACES: ("trace", "ConsoleSpanExporter")}
_CONSOLE[METRICS] = ("metrics", "ConsoleMetricExporter")


class Unavailable(Exception):
    """There is no such exporter here; the text says why, and what to do."""


def is_disabled(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether opentelemetry is switched off in this process."""
    return environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"


def is_wanted(signal: str, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the signal is to be exported at all."""
    return not is_disabled(environ) and _chosen(signal, environ) != "none"


def exporter(signal: str, environ: Mapping[str, str] = os.environ) -> Any:
    """A fresh exporter of the signal. Raises Unavailable."""
    name = _chosen(signal, environ)
    if name == "console":
        return _console(signal)
    if name != "otlp":
        variable = f"OTEL_{signal.upper()}_EXPORTER"
        raise Unavailable(f"{variable}={environ[variable]!r}: unstuck knows otlp, console and none")
    variable, protocol = _protocol(signal, environ)
    if protocol not in (_HTTP, _GRPC):
        raise Unavailable(f"{variable}={protocol!r}: unstuck knows {_HTTP} and {_GRPC}")
    package = "grpc" if protocol == _GRPC else "http"
    module, kind = _MODULES[signal]
    try:
        make = getattr(importlib.import_module(f"{_OTLP}.{package}.{module}"), kind)
        if package == "grpc" or _has_credentials(environ):
            return make()
        from .session import Session

        return make(session=Session())
    except ImportError as missing:
        raise Unavailable(
            f"{variable}={protocol} needs opentelemetry-exporter-otlp-proto-{package} ({missing}): "
            f"pip install opentelemetry-exporter-otlp-proto-{package}"
        ) from missing
    except Exception as failed:
        raise Unavailable(f"a variable OTEL_EXPORTER_OTLP_… has a value that cannot be used: {failed}") from failed


def number(variable: str, default: float, environ: Mapping[str, str] = os.environ) -> float:
    """The value of a standard variable; what is no number above zero counts as unset, as in the SDK."""
    try:
        value = float(environ.get(variable, ""))
    except ValueError:
        return default
    return value if value > 0 else default


def _has_credentials(environ: Mapping[str, str]) -> bool:
    """Whether somebody has a session made of his own, by a standard variable."""
    return any(name.startswith("OTEL_PYTHON_EXPORTER_OTLP_HTTP_") and "CREDENTIAL" in name for name in environ)


def _chosen(signal: str, environ: Mapping[str, str]) -> str:
    text = environ.get(f"OTEL_{signal.upper()}_EXPORTER", "").strip().lower()
    several = [word.strip() for word in text.split(",") if word.strip()]
    return "otlp" if not several or "otlp" in several else several[0]


def _protocol(signal: str, environ: Mapping[str, str]) -> tuple[str, str]:
    for variable in (f"OTEL_EXPORTER_OTLP_{signal.upper()}_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"):
        if environ.get(variable, "").strip():
            return variable, environ[variable].strip().lower()
    return "OTEL_EXPORTER_OTLP_PROTOCOL", _HTTP


def _console(signal: str) -> Any:
    module, *kinds = _CONSOLE[signal]
    found = importlib.import_module(f"opentelemetry.sdk.{module}.export")
    return next(getattr(found, kind) for kind in kinds if hasattr(found, kind))()
