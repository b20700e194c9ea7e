"""What it costs to have the project installed and not switched on.

A wheel leaves two things in site-packages: the package and ``unstuck.pth``. So two virtual environments are
made side by side from one interpreter, one with these and one without, and whole processes are compared:
start, a small asyncio program, exit. Neither ``-S`` nor ``-I`` would do, for both switch off more than our
hook. The child's program also proves that nothing of ours was imported.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.model import NONE, UNSET, Row, Sample, measurement
from benchmarks.modes import ROOT

HOOK = "unstuck.pth"
PROCESSES = 20
SCRIPT = """
import asyncio, sys

async def trivial():
    pass

async def main():
    lock = asyncio.Lock()
    for _ in range(500):
        async with lock:
            await asyncio.create_task(trivial())

asyncio.run(main())
assert not any(name.split(".")[0] == "unstuck" for name in sys.modules), "unstuck was imported"
"""


@measurement(
    "unset",
    Row(
        "unset",
        "UNSTUCK unset: start and a small program, installed or not",
        "unset",
        number="ms",
        unit="ms",
        budget=1.00,
        subject=UNSET,
    ),
    modes=(NONE, UNSET),
)
def whole_process(mode: str, scale: float) -> Sample:
    """CPU milliseconds of one process, from exec to exit, averaged over a few."""
    processes = max(1, round(PROCESSES * scale))
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder:
        python = make_environment(Path(folder), installed=mode == UNSET)
        _launch(python)
        before = _cpu_of_children()
        for _ in range(processes):
            _launch(python)
        return {"ms": (_cpu_of_children() - before) / processes * 1e3}


def make_environment(folder: Path, installed: bool) -> Path:
    """Make a virtual environment in ``folder``, with what a wheel would leave in it, and give its python."""
    base = sys._base_executable  # type: ignore[attr-defined]
    subprocess.run([base, "-m", "venv", "--without-pip", folder], check=True)
    if installed:
        site_packages = next(folder.glob("lib/python*/site-packages"))
        (site_packages / "unstuck").symlink_to(ROOT / "src" / "unstuck")
        shutil.copy(ROOT / HOOK, site_packages)
    return folder / "bin" / "python"


def _launch(python: Path) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith(("UNSTUCK", "PYTHON"))}
    subprocess.run([python, "-c", SCRIPT], check=True, env=env)


def _cpu_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
