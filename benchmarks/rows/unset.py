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
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.model import UNSET, VALUE, Row, Sample, measurement
from benchmarks.modes import ROOT

HOOK = "unstuck.pth"
PROCESSES = 40
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
        number="ratio",
        unit="x",
        compare=VALUE,
        budget=1.00,
        subject=UNSET,
    ),
    modes=(UNSET,),
)
def whole_process(mode: str, scale: float) -> Sample:
    """CPU time of one process from exec to exit, with over without; medians of processes run in turns."""
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder:
        pythons = [make_environment(Path(folder, str(installed)), installed) for installed in (False, True)]
        for python in pythons:
            _cpu_of_process(python)
        costs = [[_cpu_of_process(python) for python in pythons] for _ in range(max(1, round(PROCESSES * scale)))]
    without, installed = (statistics.median(column) for column in zip(*costs, strict=True))
    return {"ratio": installed / without, "without_ms": without, "installed_ms": installed}


def make_environment(folder: Path, installed: bool) -> Path:
    """Make a virtual environment in ``folder``, with what a wheel would leave in it, and give its python."""
    base = sys._base_executable  # type: ignore[attr-defined]
    subprocess.run([base, "-m", "venv", "--without-pip", folder], check=True)
    if installed:
        site_packages = next(folder.glob("lib/python*/site-packages"))
        (site_packages / "unstuck").symlink_to(ROOT / "src" / "unstuck")
        shutil.copy(ROOT / HOOK, site_packages)
    return folder / "bin" / "python"


def _cpu_of_process(python: Path) -> float:
    env = {name: value for name, value in os.environ.items() if not name.startswith(("UNSTUCK", "PYTHON"))}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([python, "-c", SCRIPT], check=True, env=env)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1e3
