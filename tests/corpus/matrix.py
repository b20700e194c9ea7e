"""The whole corpus on several interpreters in all modes: ``python -m tests.corpus.matrix [PYTHON …]``.

Prints one line a program, one column an interpreter, one letter a mode (plain, debug, gc):

    + found, and the twin silent   m missed   w wrong   t something was said of the twin   . does not run there

Then what was not as it should be, in words. Exit status 1 if there was any.

Laws:
- Each interpreter and mode is a process of its own; a program that takes its process with it costs the programs
  after it nothing but a new process.
- What is pending (``pending.py``) is shown like all else, and is no reason to fail.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from . import cases
from .pending import TWINS, reason
from .run import FOUND, MISSED, MODES, SILENT, SKIPPED

ROOT = Path(__file__).resolve().parents[2]
LETTERS = {FOUND: "+", MISSED: "m", SKIPPED: ".", SILENT: "+"}
Told = dict[tuple[str, str], tuple[str, str]]
"""State and detail by the program's name and ``bug`` or ``twin``."""


def run(python: str, mode: str, twins: int, names: list[str]) -> Told:
    """All programs on one interpreter in one mode."""
    told: Told = {}
    todo = names
    while todo:
        before = len(told)
        for line in _lines(python, mode, twins, todo):
            told[line["name"], line["what"]] = line["state"], line["detail"]
        seen = {name for name, _ in told}
        todo = [name for name in todo if name not in seen]
        if todo and len(told) == before:
            told[todo[0], "bug"] = "wrong", "its process died"
            todo = todo[1:]
    return told


def _lines(python: str, mode: str, twins: int, names: list[str]) -> Iterator[dict[str, str]]:
    command = [python, "-m", "tests.corpus.run", "--json", "--twins", str(twins), *names]
    environ = {**os.environ, "UNSTUCK_CORPUS_MODE": mode, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    environ |= {"PYTHONASYNCIODEBUG": "1"} if mode == "debug" else {}
    with subprocess.Popen(
        command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as running:
        assert running.stdout is not None
        for line in running.stdout:
            if line.startswith("{"):
                yield json.loads(line)


def letter(told: Told, name: str) -> str:
    """One letter for a program and its twin."""
    bug, twin = told.get((name, "bug")), told.get((name, "twin"))
    if twin is not None and twin[0] not in (SILENT, SKIPPED):
        return "t"
    outcome = bug or twin
    return LETTERS.get(outcome[0], "w") if outcome else "?"


def versions(pythons: list[str]) -> Iterator[tuple[str, str]]:
    """Version and interpreter."""
    for python in pythons:
        code = "import sys; print('.'.join(map(str, sys.version_info[:3])))"
        yield subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip(), python


def main() -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description="The corpus on several interpreters in all modes.")
    parser.add_argument("pythons", nargs="*", metavar="PYTHON", help="default: this one")
    parser.add_argument("--mode", action="append", choices=MODES, help="repeatable; default: all")
    parser.add_argument("--twins", type=int, default=50, metavar="N", help="runs of each healthy twin (50)")
    parser.add_argument("--only", action="append", metavar="NAME", help="a program or family; repeatable")
    options = parser.parse_args()
    chosen = {case.name: case for case in cases()}
    names = [name for name in chosen if not options.only or {name, name.split(".")[0]} & set(options.only)]
    columns: dict[str, list[Told]] = defaultdict(list)
    modes = options.mode or list(MODES)
    for version, python in versions(options.pythons or [sys.executable]):
        for mode in modes:
            columns[version].append(run(python, mode, options.twins, names))
            print(f"{version} {mode}: done", file=sys.stderr, flush=True)
    return _print(columns, names, modes, {name: reason(chosen[name]) or TWINS.get(name, "") for name in names})


def _print(columns: dict[str, list[Told]], names: list[str], modes: list[str], pending: dict[str, str]) -> int:
    width = max(map(len, names))
    print(" " * width, *(f"{version:8}" for version in columns), f"  ({', '.join(modes)})")
    for name in names:
        cells = ["".join(letter(told, name) for told in column) for column in columns.values()]
        print(f"{name:{width}}", *(f"{cell:8}" for cell in cells), pending[name] and f"  pending: {pending[name]}")
    failures = 0
    for version, column in columns.items():
        for mode, told in zip(modes, column, strict=True):
            for (name, what), (state, detail) in told.items():
                if state not in (FOUND, SILENT, SKIPPED) and not pending[name]:
                    failures += 1
                    print(f"{version} {mode}: {name} ({what}) {state}: {detail}")
            found = sum(told.get((name, "bug"), ("",))[0] == FOUND for name in names)
            print(f"{version} {mode}: {found} of {sum(what == 'bug' for _, what in told)} found")
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main())
