"""lost-error: an exception that nobody can ask for any more is told with its task, its place and its text."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from unstuck.agent.findings import Event, Finding
from unstuck.agent.hooks.errors import words
from unstuck.agent.sinks.stderr import render

from . import harness
from .children import start
from .programs import Program
from .programs.owners import ASKED, LOST, BadFile, BadLine, ask_what_was_kept, fail, first_error, settle

RUNS = int(os.environ.get("UNSTUCK_TEST_RUNS", "50"))
KIND = "lost-error"
ONLY = frozenset({KIND})


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    """No task of another test is collected in this one, and asyncio's own log stays out of the output."""
    gc.collect()
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    yield
    logging.getLogger("asyncio").setLevel(logging.NOTSET)


def find(program: Program) -> list[Finding]:
    """What is found in one run."""
    with harness.agent(detect=ONLY) as ear:
        harness.run_to_end(program)
    return ear.opened()


@pytest.mark.parametrize(("program", "error", "task"), LOST, ids=[program.__name__ for program, _, _ in LOST])
def test_when_an_error_is_lost(program: Program, error: str, task: str) -> None:
    """One finding, proven, with the error, the task, and where it was raised."""
    (finding,) = find(program)
    assert (KIND, "proven") == (finding.kind, finding.verdict)
    (failed,) = finding.core
    assert error == failed.error
    assert task in (failed.name, failed.coro)
    if task != "Future":
        assert "raise error(" in failed.stack[-1].code
        assert failed.created_at is None or failed.created_at.file == failed.stack[-1].file


def test_when_a_request_loses_an_error() -> None:
    """The finding bears the span within which the task was made; the spans of the task itself were over by then."""
    trace = pytest.importorskip("opentelemetry.sdk.trace")
    tracer = trace.TracerProvider().get_tracer("test")
    spans: list[tuple[str, str]] = []

    async def fails() -> None:
        with tracer.start_as_current_span("job"):
            raise LookupError

    async def left_behind(failed: asyncio.Event) -> None:
        await failed.wait()
        raise KeyError

    async def program() -> None:
        with tracer.start_as_current_span("request") as span:
            context = span.get_span_context()
            spans.append((f"{context.trace_id:032x}", f"{context.span_id:016x}"))
            failed = asyncio.Event()
            asyncio.create_task(fails())  # noqa: RUF006 - that is the bug
            try:
                await asyncio.gather(fails(), left_behind(failed))
            except LookupError:
                failed.set()
        await asyncio.sleep(0.01)

    found = find(program)
    assert ["KeyError", "LookupError"] == sorted(finding.core[0].error or "" for finding in found)
    assert spans * 2 == [(finding.core[0].trace_id, finding.core[0].span_id) for finding in found]


@pytest.mark.parametrize("program", ASKED, ids=lambda each: each.__name__)
def test_when_somebody_asks_or_can(program: Program) -> None:
    """Not a word, in many runs."""
    with harness.agent(detect=ONLY) as ear:
        for _ in range(RUNS):
            harness.run_to_end(program)
        ask_what_was_kept()
    assert [] == ear.events


def test_when_a_child_that_made_tasks_is_dropped() -> None:
    """Our own note of a task's parent looks like a weak reference of the program: suspected then."""

    async def parent() -> None:
        task = asyncio.create_task(settle())
        await asyncio.sleep(0.005)
        task.cancel()
        raise BadLine

    async def program() -> None:
        await first_error(parent())

    (finding,) = find(program)
    assert "suspected" == finding.verdict
    assert finding.note is not None
    assert "weak reference" in finding.note


def test_where_the_task_was_made() -> None:
    """The place of create_task, or of the gather that made the task."""
    by_name = {program.__name__: program for program, _, _ in LOST}
    (finding,) = find(by_name["nobody_kept_the_task"])
    assert finding.core[0].created_at is not None
    assert "asyncio.create_task(fail(0)" in finding.core[0].created_at.code
    (finding,) = find(by_name["a_child_of_gather_fails_later"])
    assert finding.core[0].created_at is not None
    assert "asyncio.gather(fail(0, BadFile)" in finding.core[0].created_at.code


def test_when_it_happens_often() -> None:
    """One finding with a count."""

    async def program() -> None:
        for _ in range(4):
            asyncio.create_task(fail(0))  # noqa: RUF006
        await settle()
        await asyncio.sleep(harness.TICK * 3)

    with harness.agent(detect=ONLY) as ear:
        harness.run_to_end(program)
    assert 1 == len(ear.opened())
    assert ear.events[-1].finding.title.endswith("was never asked for by anybody")
    assert "and 3 more like it" in ear.events[-1].finding.title


def test_when_the_program_has_a_handler_of_its_own() -> None:
    """It is called with the very context, and sees no difference."""
    contexts = []

    async def program() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: contexts.append(context))
        asyncio.create_task(fail(0))  # noqa: RUF006
        await settle()

    assert 1 == len(find(program))
    assert ["Task exception was never retrieved"] == [each["message"] for each in contexts]
    assert {"message", "exception", "future"} <= set(contexts[0])


def test_when_the_program_calls_the_handler_with_something_odd() -> None:
    """That goes through, or fails, as it always did."""

    async def program() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: None)
        for context in ({}, {"message": 3}, {"message": "x exception was never retrieved"}):
            loop.call_exception_handler(context)

    assert [] == find(program)


def test_when_the_text_of_an_error_is_made_by_the_program() -> None:
    """Its code is not run: the type alone is told."""

    class Touchy(Exception):
        def __str__(self) -> str:
            raise AssertionError("asked")

    class Argument:
        def __repr__(self) -> str:
            raise AssertionError("asked")

    class Evasive(Exception):
        @property
        def args(self) -> tuple[str]:  # type: ignore[override]
            raise AssertionError("asked")

    class Group(ExceptionGroup):  # type: ignore[type-arg]
        @property
        def message(self) -> str:
            raise AssertionError("asked")

    assert words(Touchy("x")).endswith("Touchy")
    assert words(Evasive("x")).endswith("Evasive: x")
    assert words(Group("many", [ValueError()])).endswith("Group: many (1 inside)")
    assert "ValueError" == words(ValueError(Argument()))
    assert "ValueError: x" == words(ValueError("x"))
    assert "KeyError: 'x'" == words(KeyError("x"))
    assert "ExceptionGroup: many (2 inside)" == words(ExceptionGroup("many", [ValueError(), KeyError()]))
    assert 220 > len(words(ValueError("x" * 1000)))


def test_when_the_program_ends_by_an_exit_in_a_task() -> None:
    """SystemExit is no lost error."""

    async def leave() -> None:
        raise SystemExit(0)

    async def program() -> None:
        asyncio.create_task(leave())  # noqa: RUF006
        await settle()

    with harness.agent(detect=ONLY) as ear, pytest.raises(SystemExit):
        harness.run_to_end(program)
    gc.collect()
    assert [] == ear.events


def test_when_a_child_on_a_loop_that_is_not_asyncios_is_dropped() -> None:
    """The same on uvloop, where it is installed."""
    uvloop = pytest.importorskip("uvloop")
    by_name = {program.__name__: (program, error) for program, error, _ in LOST}
    for name in ("nobody_kept_the_task", "a_child_of_gather_fails_later"):
        program, error = by_name[name]
        with harness.agent(detect=ONLY) as ear, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(program())
        assert [error] == [finding.core[0].error for finding in ear.opened()]
        with harness.agent(detect=ONLY) as ear, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            for program in ASKED:
                runner.run(program())
            ask_what_was_kept()
        assert [] == ear.opened()


def test_when_asyncio_debugs(tmp_path: Path) -> None:
    """The same under PYTHONASYNCIODEBUG=1."""
    found = tmp_path / "found.jsonl"
    code = (
        "import asyncio, unstuck; unstuck.install()\n"
        "from tests.programs.owners import ASKED, LOST\n"
        "for program, *_ in LOST: asyncio.run(program())\n"
        "for program in ASKED: asyncio.run(program())\n"
    )
    paths = {"PYTHONPATH": os.pathsep.join(filter(None, [os.getcwd(), *sys.path]))}
    settings = {"UNSTUCK_SINKS": f"jsonl:{found}", "UNSTUCK_DETECT": KIND, "UNSTUCK_INTERVAL": "10ms"}
    done = start("-c", code, PYTHONASYNCIODEBUG="1", **settings, **paths)
    assert 0 == done.returncode, done.stderr
    records = [json.loads(line) for line in found.read_text().splitlines()]
    opened = [record["tasks"][0] for record in records if record["event"] == "opened"]
    assert sorted({error for _, error, _ in LOST}) == sorted({task["error"] for task in opened})
    assert all(record["verdict"] == "proven" for record in records)


def test_how_it_is_printed() -> None:
    """Where it was raised, with its text, and where the task was made."""
    by_name = {program.__name__: program for program, _, _ in LOST}
    (finding,) = find(by_name["a_child_of_gather_fails_later"])
    text = render(Event("opened", 0.0, finding), colour=False, width=160)
    assert "was thrown away by a gather() that had failed before" in text
    assert "raises  BadLine: after 0.005 s" in text
    assert "makes   the task" in text
    assert "TaskGroup" in text
    assert BadFile.__name__ not in text.replace("fail(0, BadFile)", "")


def test_when_the_kind_is_left_out() -> None:
    """Nothing is replaced."""
    before = asyncio.BaseEventLoop.call_exception_handler, asyncio.tasks._GatheringFuture.set_exception  # type: ignore[attr-defined]
    with harness.agent(detect=frozenset({"deadlock"})):
        after = asyncio.BaseEventLoop.call_exception_handler, asyncio.tasks._GatheringFuture.set_exception  # type: ignore[attr-defined]
    assert before == after
