"""The examples end by themselves, and the agent says of each exactly what its docstring promises."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from .children import start

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
HEAVY = ("grpc", "networkx", "opentelemetry", "rich", "textual")


def records_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def run(name: str, folder: Path, **extra: str) -> tuple[subprocess.CompletedProcess[str], list[dict[str, Any]]]:
    """Run an example under the agent; give what it printed and the records of its findings."""
    told = folder / "findings.jsonl"
    extra = {"UNSTUCK_SINKS": f"jsonl:{told}", "PYTHONPATH": str(ROOT / "src")} | extra
    done = start("-m", "unstuck.agent", "run", str(EXAMPLES / name), **extra)
    assert (0, "") == (done.returncode, done.stderr)
    return done, records_of(told)


def source_line(name: str, text: str) -> int:
    lines = (EXAMPLES / name).read_text().splitlines()
    (number,) = [number for number, line in enumerate(lines, 1) if text in line]
    return number


def life_of(records: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return [(each["event"], each["kind"], each["verdict"]) for each in records]


def test_bank_transfer(tmp_path: Path) -> None:
    """One proven deadlock of both tasks over two locks, each with its name and the line that took it."""
    done, records = run("bank_transfer.py", tmp_path)
    assert [("opened", "deadlock", "proven"), ("closed", "deadlock", "proven")] == life_of(records)
    opened = records[0]
    core = {task["name"]: task for task in opened["tasks"] if task["role"] == "core"}
    names = {resource["id"]: resource["name"] for resource in opened["resources"]}
    assert {"transfer-1", "transfer-2"} == set(core)
    assert {"accounts['A'].lock", "accounts['B'].lock"} == set(names.values())
    waits = {name: names[task["waits_for"]] for name, task in core.items()}
    assert {"transfer-1": "accounts['B'].lock", "transfer-2": "accounts['A'].lock"} == waits
    holds = {name: [names[each] for each in task["holds"]] for name, task in core.items()}
    assert {"transfer-1": ["accounts['A'].lock"], "transfer-2": ["accounts['B'].lock"]} == holds
    taken = {place["line"] for task in core.values() for place in task["held_at"].values()}
    assert {source_line("bank_transfer.py", "async with accounts[source].lock")} == taken
    stuck_at = [each for task in core.values() for each in task["stack"] if each["file"].endswith("bank_transfer.py")]
    assert {source_line("bank_transfer.py", "async with accounts[target].lock")} == {each["line"] for each in stuck_at}
    assert "transfer-1: CancelledError" in done.stdout


@pytest.mark.parametrize(("how", "error"), [("raise", "DeadlockError"), ("cancel", "CancelledError")])
def test_bank_transfer_when_deadlocks_are_ended(tmp_path: Path, how: str, error: str) -> None:
    """One transfer fails, the other one is done, the program ends well."""
    done, records = run("bank_transfer.py", tmp_path, UNSTUCK_ON_DEADLOCK=how)
    assert [("opened", "deadlock", "proven"), ("closed", "deadlock", "proven")] == life_of(records)
    assert f"ended by {how}" == records[-1]["note"]
    assert 1 == done.stdout.count(": done")
    assert 1 == done.stdout.count(f": {error}")


def test_circular_enrichment(tmp_path: Path) -> None:
    """One proven deadlock without a lock: process-bob waits for his audit, his audit for process-bob."""
    _done, records = run("circular_enrichment.py", tmp_path, UNSTUCK_INTERVAL="100ms")
    assert [("opened", "deadlock", "proven"), ("closed", "deadlock", "proven")] == life_of(records)
    opened = records[0]
    core = {task["coro"]: task for task in opened["tasks"] if task["role"] == "core"}
    assert {"enrich_and_audit", "audit"} == set(core)
    assert "process-bob" == core["enrich_and_audit"]["name"]
    assert core["audit"]["waits_for"] == core["enrich_and_audit"]["id"]
    assert core["enrich_and_audit"]["waits_for"] == core["audit"]["id"]
    assert [] == opened["resources"]
    assert {"joins"} == {edge["relation"] for edge in opened["edges"]}


def test_circular_enrichment_has_victims(tmp_path: Path) -> None:
    """The request, process-ann and her audit wait behind the circle."""
    _done, records = run("circular_enrichment.py", tmp_path, UNSTUCK_INTERVAL="100ms")
    assert 3 == records[0]["victims"]
    victims = {task["name"] for task in records[0]["tasks"] if task["role"] == "victim"}
    assert {"request", "process-ann"} <= victims


def test_pool_inside_pool(tmp_path: Path) -> None:
    """One proven deadlock of as many tasks as the pool has permits, all for the pool's one semaphore."""
    done, records = run("pool_inside_pool.py", tmp_path)
    assert [("opened", "deadlock", "proven"), ("closed", "deadlock", "proven")] == life_of(records)
    opened = records[0]
    core = [task for task in opened["tasks"] if task["role"] == "core"]
    assert {"order-1", "order-2", "order-3"} == {task["name"] for task in core}
    (pool,) = opened["resources"]
    assert ("asyncio.Semaphore", "pool.permits", 3) == (pool["type"], pool["name"], pool["units"])
    assert {task["id"] for task in core} == set(pool["holders"])
    assert {pool["id"]} == {task["waits_for"] for task in core}
    assert "0 orders placed, 5 given up\n" == done.stdout


def test_pool_inside_pool_has_victims(tmp_path: Path) -> None:
    """The two orders that have no connection at all wait behind the three."""
    _done, records = run("pool_inside_pool.py", tmp_path)
    assert 2 == records[0]["victims"]
    assert {"order-4", "order-5"} == {task["name"] for task in records[0]["tasks"] if task["role"] == "victim"}


def test_frozen_loop(tmp_path: Path) -> None:
    """Blocked by the request whose stack ends in the synchronous call; over when that returns."""
    _done, records = run("frozen_loop.py", tmp_path)
    assert [("opened", "blocked-loop", "suspected"), ("closed", "blocked-loop", "suspected")] == life_of(records)
    (culprit,) = records[0]["tasks"]
    assert "request-17" == culprit["name"]
    assert ["handle_request", "render_invoice"] == [place["function"] for place in culprit["stack"]]
    assert source_line("frozen_loop.py", "time.sleep(0.8)") == culprit["stack"][-1]["line"]
    assert 0.25 <= records[0]["age_s"] <= records[1]["age_s"]


def test_healthy_server(tmp_path: Path) -> None:
    """Not a word, and nothing heavy is ever loaded."""
    told = tmp_path / "findings.jsonl"
    code = f"""
import runpy, sys, unstuck
unstuck.install()
runpy.run_path({str(EXAMPLES / "healthy_server.py")!r}, run_name="__main__")
print(sorted(name for name in {HEAVY} if name in sys.modules))
"""
    done = start("-c", code, UNSTUCK_SINKS=f"jsonl:{told}", PYTHONPATH=str(ROOT / "src"))
    assert (0, "") == (done.returncode, done.stderr)
    assert ["160 sold, 1840 left", "[]"] == done.stdout.splitlines()
    assert [] == records_of(told)


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.glob("*.py")))
def test_without_the_agent(name: str) -> None:
    """Each example runs to its end by itself, and says nothing of ours."""
    done = start(str(EXAMPLES / name))
    assert (0, "") == (done.returncode, done.stderr)
    assert "unstuck" not in done.stdout
