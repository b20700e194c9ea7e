"""Healthy applications, under load, idle and while they shut down: not a word. And with a bug in them: found.

Each test is a process of its own with the agent on. Servers that an application needs are started here, from Debian's
packages; where these are missing, the tests that need them are skipped.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import unstuck

from . import servers
from .children import environment

BUSY = float(os.environ.get("UNSTUCK_TEST_BUSY", "1.5"))
IDLE = float(os.environ.get("UNSTUCK_TEST_IDLE", "1.2"))
"""Seconds that each application is under load, and then at rest."""
PATIENCE = 30.0
ROOT = Path(__file__).parent.parent
AGENT = {
    "UNSTUCK": "1",
    "UNSTUCK_INTERVAL": "50ms",
    "UNSTUCK_STUCK_AFTER": "300ms",
    "UNSTUCK_SLOW_WAIT_AFTER": "20s",  # the machine may be a busy one
    "UNSTUCK_BLOCKED_LOOP_AFTER": "20s",
}


@dataclass(frozen=True)
class App:
    """An application: its module in tests/apps, what it needs to be there, how it ends and which loop it runs on."""

    name: str
    needs: tuple[str, ...] = ()
    ends: tuple[int, ...] = (0,)
    stop: int = signal.SIGTERM
    loop: str = "asyncio"

    def __str__(self) -> str:
        return self.name if self.loop == "asyncio" else f"{self.name}-{self.loop}"

    def on_uvloop(self) -> App:
        return App(self.name, (*self.needs, "uvloop"), self.ends, self.stop, "uvloop")


_UVICORN = (0, -signal.SIGTERM)
"""uvicorn, when it has shut down, gives itself the signal once more."""
AIOHTTP = App("aiohttp_app", ("aiohttp",))
STARLETTE = App("starlette_app", ("uvicorn", "starlette", "httpx", "websockets", "anyio"), _UVICORN)
FASTAPI = App("fastapi_app", ("uvicorn", "fastapi", "aiohttp"), stop=signal.SIGINT)
CHAT = App("chat_app")
WORKERS = App("workers_app")
REDIS = App("redis_app", ("redis", "server:redis"))
POSTGRES = App("postgres_app", ("asyncpg", "sqlalchemy", "greenlet", "server:postgres"))
APPS = [
    AIOHTTP,
    STARLETTE,
    FASTAPI,
    CHAT,
    REDIS,
    POSTGRES,
    App("grpc_app", ("grpc",)),
    App("gunicorn_app", ("gunicorn", "aiohttp")),
    App("httpx_app", ("httpx",)),
    App("websockets_app", ("websockets",)),
    App("sqlite_app", ("aiosqlite", "sqlalchemy", "greenlet")),
    WORKERS,
]
ON_UVLOOP = [AIOHTTP, STARLETTE, CHAT]


@contextlib.contextmanager
def running(app: App, folder: Path, **extra: str) -> Iterator[subprocess.Popen[str]]:
    """The application's process; what it says on stderr is in the folder."""
    source = Path(unstuck.__file__).parent.parent
    settings = {"PYTHONPATH": str(source), "APP_LOOP": app.loop, "APP_BUSY": str(BUSY), **AGENT, **extra}
    with open(folder / "stderr", "w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.apps.eager", app.name],
            env=environment(UNSTUCK_SINKS=f"jsonl:{folder}/{{pid}}.jsonl", **settings),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            process_group=0,
        )
        alarm = threading.Timer(PATIENCE, process.kill)
        alarm.start()
        with process:
            try:
                yield process
            finally:
                alarm.cancel()
                alarm.join()
                with contextlib.suppress(ProcessLookupError):  # its children may be there when it has gone
                    os.killpg(process.pid, signal.SIGKILL)


def records(folder: Path) -> list[dict[str, Any]]:
    """All that the agent told, in any process."""
    files = sorted(folder.glob("*.jsonl"))
    return [json.loads(line) for each in files for line in each.read_text().splitlines()]


def told(folder: Path) -> list[str]:
    """The same in brief."""
    return [f"{each['event']} {each['kind']} {each['verdict']}: {each['title']}" for each in records(folder)]


def until(condition: Callable[[], Any]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)


@pytest.fixture(scope="module")
def redis() -> Iterator[dict[str, str]]:
    with servers.redis() as url:
        yield given("APP_REDIS", url, "redis-server")


@pytest.fixture(scope="module")
def postgres() -> Iterator[dict[str, str]]:
    with servers.postgres() as url:
        yield given("APP_POSTGRES", url, "postgresql")


def given(variable: str, url: str | None, package: str) -> dict[str, str]:
    if url is None:
        pytest.skip(f"there is no server: Debian's package {package} is not installed")
    return {variable: url}


@pytest.fixture
def needed(request: pytest.FixtureRequest) -> dict[str, str]:
    """What the application asks for is there, or the test is skipped; the addresses of its servers."""
    found = {}
    asked = request.node.callspec.params
    app = asked["app"] if "app" in asked else asked["bug"].app
    for need in app.needs:
        if need.startswith("server:"):
            found |= request.getfixturevalue(need.removeprefix("server:"))
        elif importlib.util.find_spec(need) is None:
            pytest.skip(f"{need} is not installed for this Python")
    return found


@pytest.mark.parametrize("app", [*APPS, *(each.on_uvloop() for each in ON_UVLOOP)], ids=str)
def test_when_healthy(app: App, needed: dict[str, str], tmp_path: Path) -> None:
    """Nothing is found, from the start to the end of the process, and the agent has no trouble of its own."""
    with running(app, tmp_path, **needed) as process:
        assert process.stdout is not None
        assert "idle\n" == process.stdout.readline(), said(tmp_path)
        time.sleep(IDLE)
        process.send_signal(app.stop)
        ended = process.wait()
    assert [] == told(tmp_path)
    assert [] == [line for line in said(tmp_path).splitlines() if "unstuck" in line]
    assert ended in app.ends, said(tmp_path)


@dataclass(frozen=True)
class Bug:
    """What must be told of an application with its bug: of which kind, how sure, and a function of the core tasks."""

    app: App
    kind: str
    where: str
    verdicts: tuple[str, ...] = ("proven",)
    also: str = ""
    """A kind that may be told besides, and rightly so."""

    def __str__(self) -> str:
        return str(self.app)


BUGS = [
    # aiohttp's keep-alive timers know the connection's task: they might be meant to end it.
    Bug(AIOHTTP, "deadlock", "transfer", ("suspected", "proven"), also="lock-order"),
    Bug(FASTAPI, "deadlock", "session"),
    Bug(REDIS, "stuck", "Relay.work"),
    Bug(WORKERS, "stuck", "Pipeline.batch"),
]


@pytest.mark.parametrize("bug", BUGS, ids=str)
def test_when_it_has_a_bug(bug: Bug, needed: dict[str, str], tmp_path: Path) -> None:
    """It is found, in the function where it is, and nothing else is."""
    with running(bug.app, tmp_path, APP_BUG="1", **needed) as process:
        until(lambda: told(tmp_path) or process.poll() is not None)
        time.sleep(IDLE / 2)
        found = records(tmp_path)
    assert {bug.kind} == {each["kind"] for each in found} - {bug.also}, said(tmp_path)
    assert set(bug.verdicts) >= {each["verdict"] for each in found if each["kind"] == bug.kind}
    assert bug.where in {frame["function"] for each in found for task in each["tasks"] for frame in task["stack"]}
    assert {"opened", "updated"} >= {each["event"] for each in found}


def said(folder: Path) -> str:
    return (folder / "stderr").read_text()
