"""Connection pools of real libraries: who has the connections while others wait for one; busy ones are not told of."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from unstuck.agent.pools import LIBRARIES

from . import children, servers
from .programs.connection_pools import NEEDS, POOLS

ROOT = Path(__file__).parents[1]
Records = list[dict[str, Any]]
Run = Callable[[str, str], Records]
ALWAYS_TIMED = ("psycopg_pool", "sqlalchemy_engine", "sqlalchemy_session")
"""A wait for these always has a timeout: there is no deadlock."""
_PATH = os.pathsep.join((str(ROOT / "src"), str(ROOT)))


@pytest.fixture(scope="module")
def redis() -> Iterator[str | None]:
    """A server's address."""
    with servers.redis() as url:
        yield url


@pytest.fixture(scope="module")
def postgres() -> Iterator[str | None]:
    """A server's address."""
    with servers.postgres() as url:
        yield url


@pytest.fixture(params=POOLS)
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    """Runs one of the programs on one of the pools until something of that kind is told."""
    module, server = NEEDS[request.param]
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is not installed")
    address = {"folder": str(tmp_path), "http": ""}.get(server)
    if address is None and (address := request.getfixturevalue(server)) is None:
        pytest.skip(f"there is no server: {server}")

    def run(body: str, kind: str) -> Records:
        command = ("-m", "tests.programs.connection_pools", request.param, body, address, kind)
        done = children.start(*command, cwd=ROOT, PYTHONPATH=_PATH)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    return run


def core(record: dict[str, Any]) -> set[str]:
    """Names of the core tasks."""
    return {task["name"] for task in record["tasks"] if task["role"] == "core"}


def holders(record: dict[str, Any]) -> set[str]:
    """Names of the shown tasks that have a connection."""
    (pool,) = record["resources"]
    assert pool["type"] in {each.name for each in LIBRARIES}
    return {task["name"] for task in record["tasks"] if task["id"] in pool["holders"]}


def test_when_all_ask_for_a_second_connection(run: Run, request: pytest.FixtureRequest) -> None:
    """A deadlock: suspected, for who has what was only read; unless the arithmetic proves the same."""
    is_timed = request.node.callspec.params["run"] in ALWAYS_TIMED
    kind = "pool-exhausted" if is_timed else "deadlock"
    told = [each for each in run("all_ask_twice", kind) if each["kind"] in ("deadlock", "stuck")]
    if is_timed:
        assert [] == told
        return
    assert "opened" in {each["event"] for each in told}, told
    assert "retracted" not in {each["event"] for each in told}
    deadlocks = [each for each in told if each["kind"] == "deadlock"]
    assert deadlocks or told[0]["verdict"] == "proven"
    for each in deadlocks:
        assert {"twice-0", "twice-1"} == core(each) == holders(each)
        assert "do not ask a pool for a second" in each["help"]


def test_when_all_ask_and_a_timeout_will_end_it(run: Run) -> None:
    """No deadlock; but nobody is served until then."""
    told = run("all_ask_twice_with_a_timeout", "pool-exhausted")
    (found,) = [each for each in told if each["event"] == "opened"]
    assert ("pool-exhausted", "suspected") == (found["kind"], found["verdict"])
    assert {"twice-0", "twice-1"} == core(found) == holders(found)
    assert "times out" in found["note"]


def test_when_one_asks_for_a_second_connection(run: Run) -> None:
    """The one who waits is the core; the one who can still finish is shown."""
    told = run("one_asks_twice", "pool-exhausted")
    opened = [each for each in told if each["event"] == "opened" and each["kind"] == "pool-exhausted"]
    assert opened, told
    assert {"twice-0"} == core(opened[0])
    assert {"twice-0", "patient"} == holders(opened[0])


def test_when_a_holder_is_slow(run: Run) -> None:
    """A slow wait, with those who have the connections."""
    told = run("one_is_slow", "slow-wait")
    (found,) = [each for each in told if each["event"] == "opened"]
    assert "slow-wait" == found["kind"]
    assert {"waits"} == core(found)
    assert {"slow-0", "slow-1"} == holders(found)


def test_when_connections_are_not_given_back(run: Run) -> None:
    """No task has them: that is said, and how it comes to that."""
    told = run("connections_are_not_given_back", "pool-exhausted")
    (found,) = [each for each in told if each["event"] == "opened"]
    assert ("pool-exhausted", "suspected") == (found["kind"], found["verdict"])
    assert found["title"].startswith("2 of the 2 connections of a pool are in no task's hands")
    assert {"waits"} == core(found)


@pytest.mark.parametrize("body", ["enough_for_all", "busy"])
def test_when_the_pool_moves(run: Run, body: str) -> None:
    """Not a word of a pool that gives out and takes back; on a slow machine a wait may be called slow."""
    told = [each for each in run(body, "deadlock") if each["kind"] != "slow-wait"]
    assert [] == told


def test_when_somebody_looks_at_a_process_that_waits_for_its_pool(tmp_path: Path) -> None:
    """The pool, with what is taken of it and by whom, stands in the row of who waits."""
    database, sockets = tmp_path / "data", tmp_path / "sockets"
    database.mkdir()
    sockets.mkdir(mode=0o700)
    pytest.importorskip("aiosqlite")
    code = "import unstuck; unstuck.install(); from tests.programs.connection_pools import run; import asyncio; " + (
        f"asyncio.run(run('sqlalchemy_engine', 'all_ask_twice', {str(database)!r}))"
    )
    settings = {"UNSTUCK_SINKS": "socket", "UNSTUCK_SOCKET_DIR": str(sockets), "UNSTUCK_INTERVAL": "50ms"}
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, env=children.environment(PYTHONPATH=_PATH, **settings)
    ) as program:
        try:
            dump = ("-m", "unstuck.agent", "dump", "--format", "json", str(program.pid))
            found: list[dict[str, Any]] = []
            end = time.monotonic() + 30
            while not (found and found[0]["holders"]) and time.monotonic() < end:
                seen = children.start(*dump, PYTHONPATH=_PATH, **settings)
                resources = json.loads(seen.stdout)["resources"] if seen.returncode == 0 else []
                found = [each for each in resources if each["type"] == "sqlalchemy.QueuePool"]
        finally:
            program.kill()
    (pool,) = found
    assert (2, 2, 2) == (pool["used"], pool["total"], len(pool["holders"]))
