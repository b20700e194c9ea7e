"""Running small programs in processes of their own, for tests of what happens at start and at the end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any


def environment(**extra: str) -> dict[str, str]:
    """The environment without settings of ours and of Python's; plus ``extra``."""
    hidden = ("UNSTUCK", "PYTHON")
    return {name: value for name, value in os.environ.items() if not name.startswith(hidden)} | extra


def start(*command: str, cwd: Path | None = None, **extra: str) -> subprocess.CompletedProcess[str]:
    """Run this Python with ``command``, and ``extra`` in its environment."""
    return subprocess.run(
        [sys.executable, *command],
        env=environment(**extra),
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
    )


def output(*command: str, **options: Any) -> str:
    """What a program prints that must end well and keep stderr empty."""
    done = start(*command, **options)
    assert ("", 0) == (done.stderr, done.returncode)
    return done.stdout
