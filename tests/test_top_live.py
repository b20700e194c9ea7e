"""The dashboard on a live program: from the agent in it, through the socket, to the screen and back."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from unstuck.tui.fleet import Fleet
from unstuck.tui.scene import ENDED

from .children import environment
from .piloting import Driver, drive

ROOT = Path(__file__).parents[1]


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """The deadlock of examples/bank_transfer.py, which allows actions."""
    tmp_path.chmod(0o700)
    agent = {"UNSTUCK_SOCKET_DIR": str(tmp_path), "UNSTUCK_SINKS": "socket", "UNSTUCK_ALLOW_ACTIONS": "1"}
    code = (
        "import unstuck; unstuck.install(); import runpy; runpy.run_module('tests.gallery.bank', run_name='__main__')"
    )
    path = os.pathsep.join((str(ROOT / "src"), str(ROOT)))
    program = subprocess.Popen(
        [sys.executable, "-c", code],
        env=environment(**agent, PYTHONPATH=path),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    with program:
        yield program
        program.kill()


def test_a_deadlock_is_seen_and_ended(bank: subprocess.Popen[str], tmp_path: Path) -> None:
    """Found, told in full, ended by cancelling one of its tasks; that the program then ends is seen, too."""
    fleet = Fleet([bank.pid], [str(tmp_path)])

    async def steps(driver: Driver) -> None:
        await driver.until(lambda: bool(driver.app.scene.verdicts()["proven"]), 20)
        await driver.press("2")
        await driver.until(lambda: "deadlock [proven]" in driver.text and "╭▶┌─ transfer-1" in driver.text)
        await driver.press("3")
        await driver.until(lambda: "●   waiting  transfer-1" in driver.text)
        await driver.press("enter")
        await driver.until(lambda: "▸ async with accounts[target].lock:" in driver.text)
        assert "who made it" in driver.text
        await driver.press("x")
        await driver.until(lambda: "Cancel transfer-1" in driver.text)
        await driver.press("y")
        await driver.until(lambda: driver.app.scene.shots[0].state == ENDED, 20)
        await driver.until(lambda: "the process has ended" in driver.rows[0], 20)
        assert "async with accounts[target].lock:" in driver.text

    drive(fleet, steps, (120, 40))
    printed, _ = bank.communicate(timeout=10)
    assert (0, ["transfer-1: CancelledError('')", "transfer-2: done"]) == (bank.returncode, printed.splitlines())
