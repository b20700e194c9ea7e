"""CPython's own tests of asyncio must not notice the agent: ``python tests/conformance.py [PYTHON …]``.

For each interpreter that has the test package, ``python -m test -v test_asyncio`` runs twice without the
agent and once with it. Told, and a reason to fail, are

- each test that passes without the agent and does anything else with it;
- each line on stderr that comes with the agent only.

Laws:
- With and without differ by one environment variable. Both run in a virtual environment with the project's
  start-up file, so the agent comes the way it comes to a user, in the tests' subprocesses too.
- Nobody is blamed in haste: what differs is run again by itself, module by module, with the agent and
  without, as often as ``--reruns`` says. Blamed is what differs each time; the rest is called flaky.
- Lines are compared as sets, with numbers, addresses and temporary names taken out.

Exit code 0: no difference. 1: differences. 2: no interpreter to test.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".conformance"
NAMES = tuple(f"python3.{minor}" for minor in range(11, 16))
NEEDS = ("networkx",)
"""What the agent may import from elsewhere while it has no sinks."""
HOOK = "unstuck.pth"
PATIENCE = 1800.0
"""Seconds for the first run; those after it get three times what it took, so that a hang is soon seen."""
PASSED = "ok"


@dataclass(frozen=True, slots=True)
class Run:
    """What one run of the tests gave: outcomes by test, the lines of stderr, and how it ended."""

    outcomes: dict[str, str]
    lines: frozenset[str]
    seconds: float
    ending: str = ""

    def passed(self, test: str) -> bool:
        """Whether that test ran and passed."""
        return self.outcomes.get(test) == PASSED


@dataclass(slots=True)
class Verdict:
    """What became of one interpreter."""

    version: str
    without: Run
    with_agent: Run
    blamed: list[str] = field(default_factory=list)
    flaky: list[str] = field(default_factory=list)
    new_lines: list[str] = field(default_factory=list)
    passing_lines: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether the agent went unnoticed."""
        return not (self.blamed or self.new_lines)


# -- interpreters and their environments -----------------------------------------------------------


def find_interpreters(wanted: Sequence[str]) -> dict[str, str]:
    """Executables by version; of those named, or of all on the PATH, the ones with the test package."""
    found: dict[str, str] = {}
    for name in wanted or NAMES:
        probe = "import sys, test.test_asyncio; print('.'.join(map(str, sys.version_info[:3])), sys.executable)"
        path = shutil.which(name)
        done = subprocess.run([path, "-c", probe], capture_output=True, text=True) if path else None
        if done is not None and done.returncode == 0:
            version, executable = done.stdout.split(maxsplit=1)
            found.setdefault(version, executable.strip())
        else:
            print(f"{name}: not there, or without CPython's test package", file=sys.stderr)
    return found


def make_environment(version: str, executable: str, cache: Path) -> Path:
    """A virtual environment with a copy of the project and its start-up file; give its python."""
    folder = cache / version
    python = folder / "bin" / "python"
    if not python.exists():
        cache.mkdir(exist_ok=True)
        (cache / ".gitignore").write_text("*\n")
        subprocess.run([executable, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *NEEDS], check=True)
    site_packages = next(folder.glob("lib/python*/site-packages"))
    package = site_packages / "unstuck"  # a copy: what is edited meanwhile does not reach the tests
    shutil.rmtree(package, ignore_errors=True)
    shutil.copytree(ROOT / "src" / "unstuck", package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / HOOK, site_packages)
    _see_that_the_switch_works(python)
    return python


def _see_that_the_switch_works(python: Path) -> None:
    probe = "import sys, asyncio; print('unstuck' in sys.modules and sys.modules['unstuck'].installed())"
    for agent in (False, True):
        done = subprocess.run([python, "-c", probe], env=_environment(agent), capture_output=True, text=True)
        if done.stdout.strip() != str(agent):
            wanted = "on" if agent else "off"
            raise SystemExit(f"{python}: the agent should be {wanted}, and is not\n{done.stderr}")


def _environment(agent: bool) -> dict[str, str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith(("UNSTUCK", "PYTHON"))}
    return env | {"UNSTUCK": "1", "UNSTUCK_SINKS": ""} if agent else env


# -- one run ---------------------------------------------------------------------------------------


def run_tests(python: Path, modules: Sequence[str], agent: bool, patience: float = PATIENCE) -> Run:
    """Run CPython's tests of these modules once."""
    command = [str(python), "-m", "test", "-v", *modules]
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        with out.open("wb") as stdout, err.open("wb") as stderr:
            how = {"cwd": folder, "env": _environment(agent), "stdout": stdout, "stderr": stderr}
            ending = _wait_for(command, patience, **how)
        told, complained = (path.read_text(errors="replace") for path in (out, err))
    lines = frozenset(filter(None, map(normalise, complained.splitlines())))
    if ending and "Total tests:" not in told:
        ending += f"; the last it said: {told.rstrip().splitlines()[-1:]}"
    return Run(read_outcomes(told), lines, time.monotonic() - started, ending)


def _wait_for(command: Sequence[str], patience: float, **how: Any) -> str:
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, timeout=patience, **how)
    except subprocess.TimeoutExpired:
        return f"not over after {patience:.0f} s"
    return f"exit code {done.returncode}" if done.returncode else ""


_BEGIN = re.compile(r"^\w+ \((test\.test_asyncio\.[\w.]+)\)", re.MULTILINE)
_OUTCOME = re.compile(r"(?:^|\.\.\. |\s)(ok|FAIL|ERROR|skipped .*|expected failure|unexpected success)$", re.MULTILINE)
_HEADING = re.compile(r"^(FAIL|ERROR): \w+ \((test\.test_asyncio\.[\w.]+)\)", re.MULTILINE)


def read_outcomes(told: str) -> dict[str, str]:
    """Outcomes by test from what unittest prints with ``-v``; tests may print in between."""
    begins = list(_BEGIN.finditer(told))
    ends = [begin.start() for begin in begins[1:]] + [len(told)]
    outcomes = {}
    for begin, end in zip(begins, ends, strict=True):
        outcome = _OUTCOME.search(told, begin.end(), end)
        outcomes[begin[1]] = outcome[1].split()[0] if outcome else "no outcome"
    for heading in _HEADING.finditer(told):  # a failed subtest, class or module set-up has only this
        outcomes[heading[2]] = heading[1]
    return outcomes


_VARYING = (
    (re.compile(r"^Warning -- +(Before|After):.*"), ""),  # the line above these says what was modified
    (re.compile(r"\x1b\[[0-9;]*m"), ""),
    (re.compile(re.escape(tempfile.gettempdir()) + r"[^\s'\",:)]*"), "<tmp>"),
    (re.compile(r"'/mp-\w+'(, )?"), ""),  # semaphores of multiprocessing
    (re.compile(r"0x[0-9a-fA-F]+"), "0x0"),
    (re.compile(r"\d+(\.\d+)?(e-?\d+)?"), "0"),
)


def normalise(line: str) -> str:
    """A line without what varies from run to run."""
    for pattern, instead in _VARYING:
        line = pattern.sub(instead, line)
    return line.strip()


# -- comparing -------------------------------------------------------------------------------------


def differing(without: Iterable[Run], with_agent: Run) -> list[str]:
    """Tests that passed in every run without the agent and did not pass with it."""
    first, *others = without
    steady = [test for test in first.outcomes if first.passed(test) and all(run.passed(test) for run in others)]
    return [test for test in steady if not with_agent.passed(test)]


def module_of(test: str) -> str:
    """The name under which regrtest runs the module of a test."""
    return ".".join(test.split(".")[1:3])


def rerun(python: Path, tests: list[str], times: int, patience: float = PATIENCE) -> tuple[list[str], list[str]]:
    """Run the modules of these tests again, with the agent and without: those to blame, those flaky."""
    blamed = list(tests)
    for _ in range(times):
        suspects = set(blamed)
        for module in sorted(set(map(module_of, blamed))):  # one by one: a hang in one hides no other
            runs = [run_tests(python, [module], agent, patience) for agent in (True, False)]
            suspects -= {test for test in suspects if module_of(test) == module and _alike(test, *runs)}
        blamed = [test for test in blamed if test in suspects]
    return blamed, [test for test in tests if test not in blamed]


def _alike(test: str, with_agent: Run, without: Run) -> bool:
    return with_agent.passed(test) or not without.passed(test)


def compare(version: str, python: Path, modules: Sequence[str], reruns: int) -> Verdict:
    """Run, compare, run again what differs, tell at once."""
    without = [run_tests(python, modules, agent=False)]
    patience = 60 + 3 * without[0].seconds
    without.append(run_tests(python, modules, agent=False, patience=patience))
    with_agent = run_tests(python, modules, agent=True, patience=patience)
    verdict = Verdict(version, without[0], with_agent)
    verdict.blamed, verdict.flaky = rerun(python, differing(without, with_agent), reruns, patience)
    known = without[0].lines | without[1].lines
    new = with_agent.lines - known
    if new and reruns:  # a line bears no test's name, so all is run again
        known |= run_tests(python, modules, agent=False, patience=patience).lines
        new &= run_tests(python, modules, agent=True, patience=patience).lines - known
    verdict.new_lines = sorted(new)
    verdict.passing_lines = sorted(with_agent.lines - known - new)
    if with_agent.ending and not (without[0].ending or verdict.blamed or verdict.flaky):
        verdict.blamed.append(f"the run as a whole: {with_agent.ending}")
    print(details(verdict) or f"{version}: nothing differs", flush=True)
    return verdict


# -- telling ---------------------------------------------------------------------------------------


def summary(verdicts: Sequence[Verdict]) -> str:
    """One line an interpreter."""
    headings = (
        "python",
        "tests",
        "passed without",
        "passed with",
        "blamed",
        "flaky",
        "new lines",
        "s without",
        "s with",
    )
    lines = [headings, *map(_cells, verdicts)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)


def _cells(verdict: Verdict) -> tuple[str, ...]:
    passed = [sum(map(run.passed, run.outcomes)) for run in (verdict.without, verdict.with_agent)]
    counts = (
        len(verdict.without.outcomes),
        *passed,
        len(verdict.blamed),
        len(verdict.flaky),
        len(verdict.new_lines),
    )
    seconds = (verdict.without.seconds, verdict.with_agent.seconds)
    return (verdict.version, *map(str, counts), *(f"{each:.0f}" for each in seconds))


def details(verdict: Verdict) -> str:
    """Each difference by name. Tests that a hang or crash kept from running are only counted."""
    outcomes = verdict.with_agent.outcomes
    reached = [test for test in verdict.blamed if test in outcomes or " " in test]
    told = [f"{outcomes.get(test, 'failed')} with the agent: {test}" for test in reached]
    if len(reached) < len(verdict.blamed):
        told.append(f"{len(verdict.blamed) - len(reached)} tests not reached: {verdict.with_agent.ending}")
    told += [f"only with the agent on stderr: {line}" for line in verdict.new_lines]
    told += [f"flaky, not blamed: {test}" for test in verdict.flaky]
    told += [f"once with the agent, not again, on stderr: {line}" for line in verdict.passing_lines]
    return "\n".join(f"{verdict.version}: {line}" for line in told)


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; return the exit code."""
    parser = argparse.ArgumentParser(description="CPython's asyncio tests, with the agent and without.")
    parser.add_argument("pythons", nargs="*", metavar="PYTHON", help=f"default: {NAMES[0]} to {NAMES[-1]}")
    parser.add_argument("--module", action="append", metavar="NAME", help="such as test_locks (repeatable)")
    parser.add_argument("--reruns", type=int, default=2, help="before a difference is blamed (default 2)")
    parser.add_argument("--jobs", type=int, default=2, help="interpreters at a time (default 2)")
    parser.add_argument("--cache", type=Path, default=CACHE, help=f"for environments (default {CACHE.name})")
    options = parser.parse_args(arguments)
    modules = [f"test_asyncio.{name}" for name in options.module or ()] or ["test_asyncio"]
    interpreters = find_interpreters(options.pythons)
    with ThreadPoolExecutor(options.jobs) as pool:
        pythons = list(pool.map(partial(make_environment, cache=options.cache), interpreters, interpreters.values()))
        verdicts = list(
            pool.map(
                lambda version, python: compare(version, python, modules, options.reruns),
                interpreters,
                pythons,
            )
        )
    print(summary(verdicts))
    return 2 if not verdicts else int(not all(verdict.clean for verdict in verdicts))


if __name__ == "__main__":
    sys.exit(main())
