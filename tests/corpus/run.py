"""Runs a program of the corpus under the agent: ``python -m tests.corpus.run [NAME …] [--twins N] [--json]``.

UNSTUCK_CORPUS_MODE says under which conditions: ``plain``; ``debug``, asyncio's debug mode; ``gc``, with a second
thread that allocates and collects garbage.

Laws:
- The loop is left alone until the end: who waits for the finding is another thread, and knows nothing but the
  loop. A program's main coroutine is the loop's main task, as in a service.
- Found means: of the right kind and verdict, with exactly these core tasks, each with its lines; nothing
  proven of another kind; and nothing is retracted as long as the program runs.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import gc
import json
import logging
import os
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from unstuck.agent import api
from unstuck.agent.config import KINDS
from unstuck.agent.findings import PROVEN, Event, Finding
from unstuck.agent.sinks.stderr import render
from unstuck.agent.snapshot import Place, TaskView

from .. import harness
from . import Case, Pace, cases, find

MODES = ("plain", "debug", "gc")
MODE = os.environ.get("UNSTUCK_CORPUS_MODE", "plain")
PATIENCE, LINGER, LONG = 5.0, 0.03, 3600.0
COPIES = 10
"""Twins run that many at a time."""
PARKED = 0.04
"""Seconds for which a program that waits for ever is watched, each time."""
_AT_REST = frozenset(KINDS) - {"ignored-cancel"}
SLOW_BUG, SLOW_TWIN = 0.04, 0.012
"""What is slow in a program with a bug, whose steps must not overtake each other on a busy machine; and in a twin."""
FOUND, MISSED, WRONG, SILENT, SKIPPED = "found", "missed", "wrong", "silent", "skipped"
Program = Callable[[bool], Any]
harness.pass_over(__name__)


@dataclass(frozen=True)
class Outcome:
    """What became of one program: found, missed, wrong, silent or skipped."""

    name: str
    state: str
    detail: str = ""


def why_not(case: Case, mode: str = MODE) -> str:
    """Why a program cannot run here, or nothing."""
    if sys.version_info < case.since:
        return f"needs Python {'.'.join(map(str, case.since))}"
    return f"is another program in mode {mode}" if mode in case.not_in else ""


# -- a program with its bug ---------------------------------------------------------------------------


def run_buggy(case: Case, patience: float = PATIENCE) -> Outcome:
    """Run the program with its bug until it is found, or ``patience`` seconds long."""
    if reason := why_not(case):
        return Outcome(case.name, SKIPPED, reason)
    return _in_own_process(case, patience) if case.apart else run_here(case, patience)


def run_here(case: Case, patience: float) -> Outcome:
    """Run it in this process."""
    troubles: list[str] = []
    Pace.slow = SLOW_BUG
    with _conditions(), harness.agent(**case.settings) as ear:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            run = _run_loop if case.is_async else _run_threads
            run(case, lambda: not complaint(case, ear), patience, ear, troubles)
            _sweep()
        failed = dict(api.current().pipeline.failed)
    _sweep()  # what the agent was just looking at
    return _outcome(case, ear, troubles + [f"{part} failed: {why}" for part, why in failed.items()])


def _sweep() -> None:
    """What a program leaves behind is no business of the next one's; finalizers leave garbage of their own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(3):
            gc.collect()


def _outcome(case: Case, ear: harness.Ear, troubles: list[str]) -> Outcome:
    wrong = complaint(case, ear)
    if wrong or troubles:
        state = WRONG if ear.opened() or troubles else MISSED
        return Outcome(case.name, state, "; ".join([*filter(None, [wrong]), *troubles]))
    others = {f"{f.kind} [{f.verdict}]" for f in ear.opened() if f.kind not in {*case.kinds, *case.also}}
    return Outcome(case.name, FOUND, f"also {', '.join(sorted(others))}" if others else "")


def _run_loop(case: Case, found: Callable[[], bool], patience: float, ear: harness.Ear, troubles: list[str]) -> None:
    def end(loop: Any) -> None:
        _await_finding(found, patience, ear)
        with contextlib.suppress(RuntimeError):  # the loop has been closed meanwhile
            asyncio.run_coroutine_threadsafe(_end(ear), loop)

    with contextlib.suppress(asyncio.CancelledError):
        asyncio.run(_watched(case.program, end, troubles), debug=MODE == "debug")


async def _watched(program: Program, end: Callable[[Any], None], troubles: list[str]) -> None:
    _name_main()
    threading.Thread(target=end, args=(asyncio.get_running_loop(),), daemon=True).start()
    try:
        await program(False)
    except Exception as failure:  # noqa: BLE001 - whatever it is, it is told
        troubles.append(f"the program ended with {failure!r}")
    await asyncio.sleep(LONG)  # what it left behind may be the bug


def _name_main() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.set_name("main")


def _await_finding(found: Callable[[], bool], patience: float, ear: harness.Ear) -> None:
    with ear.heard:
        ear.heard.wait_for(found, patience)
    time.sleep(LINGER)


async def _end(ear: harness.Ear) -> None:
    """Cancel everybody, as often as it takes; the main task last, unless it makes more all the time."""
    await harness.break_circles(ear)
    me = asyncio.current_task()
    for turn in range(300):
        tasks = asyncio.all_tasks() - {me}
        others = {each for each in tasks if each.get_name() != "main" or turn > 30}
        for each in others or tasks:
            with contextlib.suppress(RecursionError):
                each.cancel()
        if not tasks:
            return
        await asyncio.sleep(0.001)


def _run_threads(case: Case, found: Callable[[], bool], patience: float, ear: harness.Ear, troubles: list[str]) -> None:
    """The program makes its own loops and threads; those that never end are left behind, with their process."""
    thread = threading.Thread(target=case.program, args=(False,), daemon=True)
    thread.start()
    _await_finding(found, patience, ear)
    if not case.apart:
        thread.join(PATIENCE)


def _in_own_process(case: Case, patience: float) -> Outcome:
    command = [sys.executable, "-m", "tests.corpus.run", case.name, "--apart", str(patience)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=patience + 60)
    try:
        return Outcome(**json.loads(done.stdout.splitlines()[-1]))
    except (ValueError, IndexError):
        return Outcome(case.name, WRONG, f"its process ended with {done.returncode}: {done.stderr[-300:]}")


def run_as_only_one(case: Case, patience: float) -> None:
    """Run it in this process, which ends with it."""
    ear, troubles = harness.Ear(), list[str]()
    Pace.slow = SLOW_BUG
    api.install(harness.settings(**case.settings), sinks=[ear])

    def end(_loop: Any) -> None:
        _await_finding(lambda: not complaint(case, ear), patience, ear)
        print(json.dumps(dataclasses.asdict(_outcome(case, ear, troubles))), flush=True)
        os._exit(0)

    with _conditions():
        asyncio.run(_watched(case.program, end, troubles), debug=MODE == "debug")


# -- what must have been said -------------------------------------------------------------------------


def complaint(case: Case, ear: harness.Ear) -> str:
    """What is not as it should be in what was said, or nothing."""
    events = list(ear.events)
    latest = {event.finding.id: event.finding for event in events if event.event in ("opened", "updated")}
    if retracted := [event.finding.kind for event in events if event.event == "retracted"]:
        return f"retracted: {', '.join(retracted)}"
    if others := {f.kind for f in latest.values() if f.verdict == PROVEN} - {*case.kinds, *case.also}:
        return f"proven of another kind: {', '.join(others)}"
    findings = [finding for finding in latest.values() if finding.kind in case.kinds]
    return _complaint(case, findings) if findings else f"nothing of kind {' or '.join(case.kinds)}"


def _complaint(case: Case, findings: list[Finding]) -> str:
    verdicts = {finding.verdict for finding in findings}
    if not verdicts <= {*case.verdict.split("|")}:
        return f"verdict {', '.join(sorted(verdicts))} instead of {case.verdict}"
    core = [task for finding in findings for task in finding.core]
    names = {task.name for task in core}
    if case.core and (missing := case.core - names):
        return f"core without {', '.join(sorted(missing))}: {', '.join(sorted(names)) or 'nobody'}"
    if case.core and (extra := names - case.core - case.maybe):
        return f"core with {', '.join(sorted(extra))} too"
    for task in core:
        if missing_lines := case.lines(task.name) - _lines(case, [*_places(task)]):
            return f"{task.name} without {_say(missing_lines)}"
    if missing_lines := case.lines(case.program.__name__) - _all_lines(case, findings):
        return f"without {_say(missing_lines)}"
    return ""


def _say(lines: frozenset[int]) -> str:
    return f"line{'s'[: len(lines) > 1]} {', '.join(map(str, sorted(lines)))}"


def _places(task: TaskView) -> Iterator[Place]:
    yield from task.stack
    yield from (held.taken_at for held in task.holds if held.taken_at)
    if task.created_at:
        yield task.created_at


def _lines(case: Case, places: list[Place]) -> set[int]:
    return {place.line for place in places if place.file == case.file}


def _all_lines(case: Case, findings: list[Finding]) -> set[int]:
    """All lines of the program's file that the findings show: in their tasks and resources, or in their words."""
    places = [place for finding in findings for task in finding.tasks for place in _places(task)]
    places += [each.created_at for finding in findings for each in finding.resources if each.created_at]
    text = "".join(render(Event("opened", 0.0, finding), colour=False, width=400) for finding in findings)
    base = os.path.basename(case.file)
    marked = case.lines(case.program.__name__)
    return _lines(case, places) | {line for line in marked if f"{base}:{line}" in text}


# -- a healthy twin -----------------------------------------------------------------------------------


def run_twin(case: Case, runs: int) -> Outcome:
    """Run the healthy twin that often; silent, or wrong with what was said."""
    if reason := why_not(case):
        return Outcome(case.name, SKIPPED, reason)
    Pace.slow = SLOW_TWIN
    with _conditions(), harness.agent(**_patient(case)) as ear:
        for copies in _rounds(case, runs):
            _run_copies(case, copies)
            if ear.events:
                break
        failed = dict(api.current().pipeline.failed)
    told = [f"{event.finding.kind} [{event.finding.verdict}] {event.event}" for event in ear.events]
    told += [f"{part} failed: {why}" for part, why in failed.items()]
    return Outcome(case.name, WRONG if told else SILENT, "; ".join(told))


def _patient(case: Case) -> dict[str, Any]:
    """Settings for a twin: what is parked may stand there for as long as it likes, but not its clean-up at the end."""
    after = {"stuck_after": PARKED / 4, "detect": _AT_REST} if case.parked else {"stuck_after": 3.0}
    return {"interval": harness.TICK / 3, "slow_wait_after": 3.0} | after | case.settings


def _rounds(case: Case, runs: int) -> Iterator[int]:
    """How many copies to run at a time, one after the other; the first by itself, in the main thread."""
    yield min(1, runs)
    at_a_time = 1 if case.alone else COPIES
    for start in range(1, runs, at_a_time):
        yield min(at_a_time, runs - start)


def _run_copies(case: Case, copies: int) -> None:
    debug = MODE == "debug"
    if not case.is_async:
        _in_threads(lambda: case.program(True), copies)
    elif case.parked:
        _in_threads(lambda: asyncio.run(_parked(case.program), debug=debug), copies)
    else:
        asyncio.run(_copies(case.program, copies), debug=debug)


def _in_threads(run: Callable[[], None], copies: int) -> None:
    """Once in this thread, or several times in threads of their own."""
    if copies == 1:
        return run()
    with ThreadPoolExecutor(copies) as pool:
        for done in [pool.submit(run) for _ in range(copies)]:
            done.result()
    return None


async def _copies(program: Program, copies: int) -> None:
    _name_main()
    await asyncio.gather(*(program(True) for _ in range(copies)))


async def _parked(program: Program) -> None:
    """Its end comes from a thread, as a signal would: a timer could be seen as the way out."""
    _name_main()
    loop, main = asyncio.get_running_loop(), asyncio.current_task()
    threading.Timer(PARKED, loop.call_soon_threadsafe, (main.cancel,)).start()  # type: ignore[union-attr]
    del loop, main
    with contextlib.suppress(asyncio.CancelledError):
        await program(True)


# -- conditions ---------------------------------------------------------------------------------------


@contextlib.contextmanager
def _conditions() -> Iterator[None]:
    """The surroundings that the mode asks for."""
    if MODE != "gc":
        yield
        return
    over = threading.Event()
    thread = threading.Thread(target=_make_garbage, args=(over,))
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _make_garbage(over: threading.Event) -> None:
    turn = 0
    while not over.is_set():
        for _ in range(200):
            knot: list[Any] = [{}]
            knot[0]["back"] = knot
        turn += 1
        gc.collect(2 if turn % 10 == 0 else 1)
        time.sleep(0.001)


# -- from the command line ----------------------------------------------------------------------------


def run_all(chosen: list[Case], twins: int, patience: float = PATIENCE) -> Iterator[tuple[str, Outcome]]:
    """Run these programs, and their twins that often."""
    for case in chosen:
        if case.kinds:
            yield "bug", run_buggy(case, patience)
        if twins:
            yield "twin", run_twin(case, twins)


def main() -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description="Run programs of the corpus under the agent.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="a program or a family; default: all")
    parser.add_argument("--twins", type=int, default=0, metavar="N", help="run each healthy twin N times too")
    parser.add_argument("--patience", type=float, default=PATIENCE, metavar="SECONDS")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--apart", type=float, metavar="PATIENCE", help=argparse.SUPPRESS)
    options = parser.parse_args()
    logging.getLogger("asyncio").setLevel(logging.CRITICAL + 1)
    if options.apart is not None:
        run_as_only_one(find(options.names[0]), options.apart)
    names = options.names
    chosen = [case for case in cases() if not names or case.name in names or case.name.split(".")[0] in names]
    bad = 0
    for what, outcome in run_all(chosen, options.twins, options.patience):
        bad += outcome.state in (MISSED, WRONG)
        if options.json:
            print(json.dumps({"what": what, **dataclasses.asdict(outcome)}), flush=True)
        else:
            print(f"{outcome.state:8}{what:5}{outcome.name}  {outcome.detail}".rstrip(), flush=True)
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
