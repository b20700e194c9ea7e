"""orphan-task: a task that nobody keeps is told; one that somebody keeps, however, is not."""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from unstuck.agent import calibration, keepers
from unstuck.agent.detectors import orphan_task
from unstuck.agent.findings import Event, Finding
from unstuck.agent.sinks.stderr import render

from . import harness
from .children import start
from .programs import Program
from .programs.orphans import (
    AWHILE,
    CUT_OFF,
    KEPT,
    LEFT_ON_PURPOSE,
    LONG,
    ORPHANS,
    collected_half_way,
    made_and_forgotten,
    work,
)

RUNS = int(os.environ.get("UNSTUCK_TEST_RUNS", "50"))
KIND = "orphan-task"
ONLY = frozenset({KIND})


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    """The collector runs when a test says so; asyncio's own log stays out of the output."""
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    gc.collect()
    gc.disable()
    yield
    gc.enable()
    logging.getLogger("asyncio").setLevel(logging.NOTSET)


def find(program: Program) -> list[Finding]:
    """What is found in one run."""
    with harness.agent(detect=ONLY) as ear:
        harness.run_to_end(program)
    return ear.opened()


def test_the_arithmetic_holds_here() -> None:
    """On every interpreter that the tests run on."""
    assert calibration.trusted()


@pytest.mark.parametrize("program", ORPHANS, ids=lambda each: each.__name__)
def test_when_nobody_keeps_a_task(program: Program) -> None:
    """One finding, suspected, with where the task was made."""
    with harness.agent(detect=ONLY) as ear:
        (finding,) = harness.run_until_found(program, ear, KIND)
    assert (KIND, "suspected") == (finding.kind, finding.verdict)
    assert {"orphan"} == {task.name for task in finding.core}
    made = finding.core[0].created_at
    assert made is not None
    assert "create_task(" in made.code
    assert made.file == sys.modules[program.__module__].__file__


def test_when_somebody_keeps_it() -> None:
    """Not a word, in many runs."""

    async def all_of_them() -> None:
        async with asyncio.TaskGroup() as group:
            for program in KEPT:
                group.create_task(program())  # type: ignore[arg-type]

    with harness.agent(detect=ONLY) as ear:
        for _ in range(RUNS):
            harness.run_to_end(all_of_them)
    assert [] == [finding.core[0] for finding in ear.opened()]


@pytest.mark.parametrize("program", KEPT, ids=lambda each: each.__name__)
def test_when_somebody_keeps_it_and_nothing_else_goes_on(program: Program) -> None:
    """Not a word."""
    assert [] == find(program)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="there are no eager tasks")
def test_when_tasks_are_eager() -> None:
    """An eager orphan is one, an eager task that is kept is not."""

    async def eager(program: Program) -> None:
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        await program()

    for program in ORPHANS[:3]:
        with harness.agent(detect=ONLY) as ear:
            assert 1 == len(harness.run_until_found(lambda program=program: eager(program), ear, KIND))  # type: ignore[misc]
    for program in KEPT:
        assert [] == find(lambda program=program: eager(program))  # type: ignore[misc]


def test_when_many_come_from_one_place() -> None:
    """One finding with their number; three of them are shown."""

    async def program() -> None:
        for _ in range(20):
            asyncio.create_task(work(LONG))  # noqa: RUF006
        await work(LONG)

    with harness.agent(detect=ONLY) as ear:
        (finding,) = harness.run_until_found(program, ear, KIND)
    assert "20 tasks run that nobody keeps" == finding.title
    assert 3 == len(finding.core)
    assert finding.age_s >= harness.TICK


def test_when_the_orphan_ends() -> None:
    """The finding is closed after a while, not retracted; the next orphan from there is the same problem."""

    async def program() -> None:
        for _ in range(2):
            asyncio.create_task(work(AWHILE * 2))  # noqa: RUF006
            await work(AWHILE * 3)
        await work(harness.TICK * 60)

    with harness.agent(detect=ONLY) as ear:
        harness.run_to_end(program)
        assert ["opened", "closed"] == [event.event for event in ear.events]


@pytest.mark.parametrize("program", CUT_OFF, ids=lambda each: each.__name__)
def test_when_the_main_task_returns_too_early(program: Program) -> None:
    """What it had thrown away is told as cut off."""
    findings = find(program)
    assert findings
    for finding in findings:
        assert "suspected" == finding.verdict
        assert "cut off half-way when the main task returned" in finding.title
        assert ["left"] == [task.name for task in finding.core]
        assert finding.core[0].created_at is not None


@pytest.mark.parametrize("program", LEFT_ON_PURPOSE, ids=lambda each: each.__name__)
def test_when_the_main_task_leaves_what_it_kept(program: Program) -> None:
    """That is a way to end it, and no finding."""
    assert [] == find(program)


def test_when_an_orphan_is_told_and_then_cut_off() -> None:
    """It is not told twice."""
    with harness.agent(detect=ONLY) as ear:

        async def program() -> None:
            forgetful = asyncio.create_task(made_and_forgotten())  # type: ignore[arg-type]
            while not ear.opened():
                await asyncio.sleep(harness.TICK)
            forgetful.cancel()

        harness.run_to_end(program)
    (finding,) = ear.opened()
    assert "a task runs that nobody keeps" == finding.title


def test_when_a_task_is_collected_half_way() -> None:
    """A fact, with what was seen of the task while it lived."""
    orphan, collected = find(collected_half_way)
    assert ["suspected", "proven"] == [orphan.verdict, collected.verdict]
    assert "task collected was collected before it was done, since nobody kept it" == collected.title
    (task,) = collected.core
    assert task.created_at == orphan.core[0].created_at
    assert "await asyncio.get_running_loop().create_future()" == task.stack[-1].code


def test_when_a_task_is_collected_before_anybody_looked() -> None:
    """What asyncio still knows is told."""

    async def program() -> None:
        async def wait() -> None:
            await asyncio.get_running_loop().create_future()

        asyncio.create_task(wait(), name="collected")  # noqa: RUF006
        await asyncio.sleep(0)
        gc.collect()
        await asyncio.sleep(0)

    with harness.agent(detect=ONLY, interval=1.0) as ear:
        harness.run_to_end(program)
    (finding,) = ear.opened()
    assert ("proven", "collected") == (finding.verdict, finding.core[0].name)
    assert finding.core[0].coro.endswith("wait")


def test_when_tasks_are_destroyed_after_their_loop() -> None:
    """A program that ends its loop and leaves its tasks: asyncio says enough."""

    def program() -> None:
        loop = asyncio.new_event_loop()
        loop.create_task(work(1))  # noqa: RUF006
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()

    with harness.agent(detect=ONLY) as ear:
        program()
        gc.collect()
    assert [] == ear.events


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_when_the_process_forks() -> None:
    """What was the parent's is not told again in the child."""

    async def program() -> None:
        forgetful = asyncio.create_task(made_and_forgotten())  # type: ignore[arg-type]
        while not ear.opened():
            await asyncio.sleep(harness.TICK)
        forgetful.cancel()

    with harness.agent(detect=ONLY) as ear:
        harness.run_to_end(program)
        reading, writing = os.pipe()
        if not os.fork():
            ear.events.clear()
            asyncio.run(asyncio.sleep(harness.TICK * 10))
            os.write(writing, str(len(ear.events)).encode())
            os._exit(0)
        os.wait()
        os.close(writing)
        assert b"0" == os.read(reading, 10)
        os.close(reading)


def test_when_the_arithmetic_does_not_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is concluded from it."""
    monkeypatch.setattr(calibration, "_verdict", [False])
    with harness.agent(detect=ONLY) as ear:
        assert [] == harness.run_until_found(made_and_forgotten, ear, KIND, patience=0.2)


def test_the_arithmetic_is_found_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interpreter that counts otherwise gets no verdict."""
    monkeypatch.setattr(calibration, "_verdict", [])
    monkeypatch.setattr(keepers, "getrefcount", lambda thing: 7)
    assert not calibration.trusted()


def test_when_the_agent_looks_the_names_of_tasks_go_on_as_ever() -> None:
    """The probes of the arithmetic take no number from the program's tasks."""

    async def number() -> int:
        task = asyncio.create_task(work(0))
        await task
        return int(task.get_name().removeprefix("Task-"))

    first, second = asyncio.run(number()), asyncio.run(number())
    calibration._verdict.clear()
    assert calibration.trusted()
    assert second - first == asyncio.run(number()) - second


def test_when_asyncio_debugs(tmp_path: Path) -> None:
    """The same under PYTHONASYNCIODEBUG=1."""
    found = tmp_path / "found.jsonl"
    code = (
        "import asyncio, gc, unstuck; unstuck.install(); gc.disable()\n"
        "from tests.programs.orphans import *\n"
        "for program in KEPT: asyncio.run(program())\n"
        "import tests.programs.orphans as orphans; orphans.LONG = 0.3\n"
        "for program in ORPHANS: asyncio.run(program())\n"
    )
    paths = {"PYTHONPATH": os.pathsep.join(filter(None, [os.getcwd(), *sys.path]))}
    settings = {"UNSTUCK_SINKS": f"jsonl:{found}", "UNSTUCK_DETECT": KIND, "UNSTUCK_INTERVAL": "10ms"}
    done = start("-c", code, PYTHONASYNCIODEBUG="1", **settings, **paths)
    assert 0 == done.returncode, done.stderr
    records = [json.loads(line) for line in found.read_text().splitlines()]
    opened = [record["tasks"][0] for record in records if record["event"] == "opened"]
    assert {"orphan"} == {task["name"] for task in opened}
    assert len({(task["created_at"]["line"], task["coro"]) for task in opened}) >= 4


def test_how_it_is_printed() -> None:
    """Where it waits, where it was made, and what to do."""
    with harness.agent(detect=ONLY) as ear:
        (finding,) = harness.run_until_found(made_and_forgotten, ear, KIND)
    text = render(Event("opened", 0.0, finding), colour=False, width=160)
    assert "orphan-task [suspected]  a task runs that nobody keeps" in text
    assert "await asyncio.sleep(seconds)" in text
    assert "makes  the task" in text
    assert "tasks.add(task); task.add_done_callback(tasks.discard)" in text


def test_when_tasks_are_collected_after_main_has_returned() -> None:
    """What a variable of main kept until then has been ended by the program."""

    class Pool:
        def __init__(self) -> None:
            self.idle: list[asyncio.Future[None]] = []
            self.workers = [asyncio.create_task(self.work()) for _ in range(3)]

        async def work(self) -> None:
            self.idle.append(asyncio.get_running_loop().create_future())
            await self.idle[-1]

    async def main() -> None:
        pool, task = Pool(), asyncio.current_task()
        assert task is not None
        task.add_done_callback(lambda _: gc.collect())  # just then the collector comes by
        await asyncio.sleep(3 * harness.TICK)
        assert pool.workers

    with harness.agent(detect=ONLY) as ear:
        asyncio.run(main())
    assert ear.events == []


def test_when_a_task_is_made_while_the_tasks_are_looked_through(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another thread may make one after the iteration has begun: the look goes on with a copy."""

    def disturbed(records: set[object], *bounds: int) -> Iterator[object]:
        share = itertools.islice(records, *bounds)
        records.add(object())
        return share

    monkeypatch.setattr(orphan_task, "islice", disturbed)
    assert 4 == len(orphan_task._share({object() for _ in range(3)}, 0))
