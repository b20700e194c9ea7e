"""never-awaited: a coroutine that was dropped before its first step is told, with the place of the call."""

from __future__ import annotations

import asyncio
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from unstuck.agent.findings import Event, Finding
from unstuck.agent.sinks.stderr import render

from . import harness
from .children import start
from .programs import Program
from .programs.owners import AWAITED, UNAWAITED, await_what_was_kept, save

RUNS = int(os.environ.get("UNSTUCK_TEST_RUNS", "50"))
KIND = "never-awaited"

SCRIPT = """
import asyncio

async def save(order):
    pass

def forget():
    pending = save(1)

class Store:
    async def put(self):
        pass

async def main():
    for order in range(3):
        save(order)
    forget()
    Store().put()
    await asyncio.sleep(0)

asyncio.run(main())
"""


@pytest.fixture(autouse=True)
def _unheard() -> Iterator[None]:
    """Python's own warnings are errors in these tests, and not what is tested."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        yield
        await_what_was_kept()


def test_when_a_request_forgets_to_await() -> None:
    """The finding bears its span, if the coroutine was thrown away at once; later it may be in anybody's."""
    trace = pytest.importorskip("opentelemetry.sdk.trace")
    tracer = trace.TracerProvider().get_tracer("test")
    spans: list[str] = []
    kept: list[object] = []

    async def program() -> None:
        with tracer.start_as_current_span("request") as span:
            spans.append(f"{span.get_span_context().span_id:016x}")
            save(1)
            kept.append(keep())
        with tracer.start_as_current_span("another"):
            kept.clear()

    found = {finding.core[0].coro: finding.core[0].span_id for finding in find(program)}
    assert {"save": spans[0], "keep": None} == found


async def keep() -> None:
    pass


def find(program: Program) -> list[Finding]:
    """What is found in one run."""
    with harness.agent() as ear:
        harness.run_to_end(program)
    return ear.opened()


@pytest.mark.parametrize(("program", "line"), UNAWAITED, ids=[program.__name__ for program, _ in UNAWAITED])
def test_when_a_coroutine_is_dropped(program: Program, line: str) -> None:
    """One finding, proven, at the line of the call."""
    (finding,) = find(program)
    assert (KIND, "proven") == (finding.kind, finding.verdict)
    (coroutine,) = finding.core
    assert coroutine.created_at is not None
    assert coroutine.created_at.code.startswith(line)
    assert coroutine.stack == (coroutine.created_at,)


@pytest.mark.parametrize("program", AWAITED, ids=lambda each: each.__name__)
def test_when_a_coroutine_is_awaited_or_kept(program: Program) -> None:
    """Not a word, in many runs."""
    with harness.agent() as ear:
        for _ in range(RUNS):
            harness.run_to_end(program)
        await_what_was_kept()
    assert [] == ear.events


def test_when_it_happens_often_in_one_place() -> None:
    """One finding with a count."""

    async def program() -> None:
        for order in range(7):
            save(order)

    (finding,) = find(program)
    assert finding.title.startswith("save() was called 7 times and never awaited")


def test_when_it_happens_again_after_it_was_told() -> None:
    """Opened once; the record of its end has the whole count."""

    async def program() -> None:
        for order in range(3):
            save(order)
            await asyncio.sleep(harness.TICK * 5)

    with harness.agent() as ear:
        harness.run_to_end(program)
    assert ["opened", "closed"] == [event.event for event in ear.events]
    assert "3 times" in ear.events[-1].finding.title


def test_when_the_place_of_the_call_is_ambiguous() -> None:
    """The place where it was dropped is shown, and the note says that it is no more than that."""

    async def nameless() -> None:
        pass

    makers = [lambda: nameless(), lambda: nameless()]

    async def program() -> None:
        made = makers[0]()
        del made
        await asyncio.sleep(0)

    (finding,) = find(program)
    (coroutine,) = finding.core
    assert coroutine.created_at is None
    assert "del made" == coroutine.stack[-1].code
    assert finding.note is not None
    assert "it was dropped here" in finding.note


def test_how_it_is_printed() -> None:
    """The line of the call, what it calls, and what to do."""
    (finding,) = find(UNAWAITED[0][0])
    lines = render(Event("opened", 0.0, finding), colour=False, width=160).splitlines()
    assert "never-awaited [proven]  save() was called and never awaited: nothing of it ever ran" == lines[0]
    assert "save(1)  calls  save()  never awaited" in lines[2]
    assert "await save(...)" in lines[-1]


def test_when_the_kind_is_left_out() -> None:
    """Nothing is replaced, nothing is told."""
    before = warnings._warn_unawaited_coroutine  # type: ignore[attr-defined]
    with harness.agent(detect=frozenset({"deadlock"})) as ear:
        assert before is warnings._warn_unawaited_coroutine  # type: ignore[attr-defined]
        harness.run_to_end(UNAWAITED[0][0])
    assert [] == ear.events


def test_when_the_agent_is_switched_off_again() -> None:
    """The interpreter's own function is back."""
    before = warnings._warn_unawaited_coroutine  # type: ignore[attr-defined]
    with harness.agent():
        assert before is not warnings._warn_unawaited_coroutine  # type: ignore[attr-defined]
    assert before is warnings._warn_unawaited_coroutine  # type: ignore[attr-defined]


@pytest.mark.parametrize("action", ["default", "error", "ignore", "always"])
@pytest.mark.parametrize("debug", ["0", "1"])
def test_what_the_program_prints_is_unchanged(tmp_path: Path, action: str, debug: str) -> None:
    """Text, place and traceback of Python's warning are the same with the agent as without."""
    script = tmp_path / "app.py"
    script.write_text(SCRIPT)
    told = []
    for agent in ("import unstuck; unstuck.install()", ""):
        code = f"{agent}\nimport runpy; runpy.run_path({str(script)!r}, run_name='__main__')"
        paths = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        extra = {"UNSTUCK_SINKS": "", "PYTHONASYNCIODEBUG": debug if debug == "1" else ""}
        done = start("-W", action, "-c", code, **paths, **extra)
        assert 0 == done.returncode
        lines = [line for line in done.stderr.splitlines() if not line.startswith("Executing ")]  # slowly, that is
        told.append([line.partition(" at 0x")[0] for line in lines])
    assert told[1] == told[0]
    assert (action == "ignore") == (told[0] == [])


def test_when_the_interpreter_tracks_origins(tmp_path: Path) -> None:
    """In asyncio's debug mode the place is the call's, whatever became of the coroutine."""
    script = tmp_path / "app.py"
    script.write_text(SCRIPT.replace("    pending = save(1)", "    pending = save(1) or save(2)"))
    found = tmp_path / "found.jsonl"
    code = f"import unstuck; unstuck.install()\nimport runpy; runpy.run_path({str(script)!r}, run_name='__main__')"
    paths = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = start("-W", "ignore", "-c", code, PYTHONASYNCIODEBUG="1", UNSTUCK_SINKS=f"jsonl:{found}", **paths)
    assert 0 == done.returncode
    assert '"code":"pending = save(1) or save(2)"' in found.read_text().replace('": "', '":"')
