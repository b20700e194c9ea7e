"""The command ``unstuck top``: what it says when it cannot show anything."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from unstuck.tui.top import command


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNSTUCK_SOCKET_DIR", str(tmp_path / "sockets"))


def test_a_process_that_is_not_there() -> None:
    """Exit code 3."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    done = CliRunner().invoke(command, [str(child.pid)])
    assert (3, f"unstuck: there is no process {child.pid}\n") == (done.exit_code, done.output)


def test_a_process_without_the_agent() -> None:
    """Exit code 3, and what to do."""
    done = CliRunner().invoke(command, [str(os.getpid())])
    assert 3 == done.exit_code
    assert "Start it with UNSTUCK=1" in done.output


def test_a_folder_that_is_refused(tmp_path: Path) -> None:
    """Exit code 4."""
    (tmp_path / "sockets").mkdir(0o700)
    (tmp_path / "sockets").chmod(0o777)
    done = CliRunner().invoke(command, [str(os.getpid())])
    assert 4 == done.exit_code
    assert "others may write" in done.output


def test_no_terminal() -> None:
    """Another command is named."""
    done = CliRunner().invoke(command, [])
    assert 2 == done.exit_code
    assert "unstuck dump PID" in done.output


def test_a_pid_that_is_none() -> None:
    """Wrong usage."""
    assert 2 == CliRunner().invoke(command, ["bank"]).exit_code
    assert 2 == CliRunner().invoke(command, ["0"]).exit_code
