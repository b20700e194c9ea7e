"""What holds for the whole run, in all its processes."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from unstuck.exporters.sink import OtlpSink

    from .receiver import Backend

SEED = "UNSTUCK_FUZZ_SEED"


def pytest_report_header() -> str:
    """The seed of the random programs, to run the very same again."""
    return f"fuzz: {SEED}={os.environ[SEED]}"


def pytest_configure() -> None:
    """Choose the seed before the processes that run the tests inherit it."""
    os.environ.setdefault(SEED, str(random.randrange(10**9)))
    if "PYTEST_XDIST_WORKER" in os.environ:
        _pass_over_the_runner()


def _pass_over_the_runner() -> None:
    """Side by side, tests run beside a thread that listens for the next one: it is none of the program's."""
    from .harness import pass_over

    pass_over("execnet.gateway_base")


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> Iterator[Backend]:
    """An OTLP backend over HTTP to which everything is sent; at exit too, however long that takes."""
    from . import receiver

    monkeypatch.setattr("unstuck.exporters.sink._PATIENCE", receiver.PATIENCE)

    for name in list(os.environ):
        if name.startswith("OTEL_"):
            monkeypatch.delenv(name)
    with receiver.http() as backend:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", backend.url)
        monkeypatch.setenv("OTEL_SERVICE_NAME", "bank")
        yield backend


@pytest.fixture
def said() -> list[str]:
    """What the sink has complained of."""
    return []


@pytest.fixture
def sink(backend: Backend, said: list[str]) -> Iterator[OtlpSink]:
    """The sink otlp as by default, without the agent."""
    from unstuck.exporters.sink import OtlpSink

    sink = OtlpSink("findings", said.append)
    yield sink
    sink.close()
