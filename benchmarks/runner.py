"""Runs the children, interleaved: every mode once, then every mode again.

A child that fails is no sample: its program is given up at once, with the child's last words.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec

from .model import Program, Sample
from .modes import ROOT, environment

PATIENCE = 300.0


@dataclass(slots=True)
class Series:
    """The samples of one program by mode, in the order of the rounds; if none, why: ``failure`` or ``skipped``."""

    samples: dict[str, list[Sample]] = field(default_factory=dict)
    failure: str = ""
    skipped: str = ""

    def numbers(self, mode: str, number: str) -> list[float]:
        """One number of every sample of a mode."""
        return [sample[number] for sample in self.samples.get(mode, [])]


class ChildFailed(RuntimeError):
    """A child ended without a sample."""


def collect(program: Program, runs: int, scale: float, child: Callable[..., Sample] | None = None) -> Series:
    """Take ``runs`` samples of ``program`` in each of its modes."""
    missing = [name for name in program.needs if find_spec(name) is None]
    if missing:
        return Series(skipped=f"{' and '.join(missing)} not installed here")
    take = child or run_child
    series = Series({mode: [] for mode in program.modes})
    for _ in range(runs):
        for mode in program.modes:
            try:
                series.samples[mode].append(take(program, mode, scale))
            except ChildFailed as failure:
                return Series(failure=f"{mode}: {failure}")
    return series


def run_child(program: Program, mode: str, scale: float) -> Sample:
    """One fresh process, one sample."""
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder:
        command = [sys.executable, "-m", "benchmarks.child", program.name, mode, str(scale)]
        env = environment(mode, program.environment, folder)
        try:
            done = subprocess.run(
                command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=PATIENCE, check=False
            )
        except subprocess.TimeoutExpired:
            raise ChildFailed(f"no sample within {PATIENCE:g} s") from None
    if done.returncode:
        raise ChildFailed((done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1])
    sample: Sample = json.loads(done.stdout)
    return sample
