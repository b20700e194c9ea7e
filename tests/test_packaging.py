"""The wheel carries everything that an installed unstuck needs, and nothing else."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from .children import environment

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """A wheel of this checkout, built once."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=300)
    assert 0 == done.returncode, done.stdout + done.stderr
    return zipfile.ZipFile(next(folder.glob("unstuck-*.whl")))


def read(wheel: zipfile.ZipFile, name: str) -> str:
    return wheel.read(name).decode()


def test_start_line_is_at_the_top(wheel: zipfile.ZipFile) -> None:
    """site-packages gets the one line, and no .start file (docs/startup.md says why)."""
    (line,) = read(wheel, "unstuck.pth").splitlines()
    assert line.startswith('import os; os.environ.get("UNSTUCK", "0") not in ("", "0") and ')
    assert [] == [name for name in wheel.namelist() if name.endswith(".start")]


def test_three_packages_with_types(wheel: zipfile.ZipFile) -> None:
    """unstuck.agent, unstuck.tui and unstuck.exporters, and the marker for type checkers."""
    names = set(wheel.namelist())
    assert {f"unstuck/{part}/__init__.py" for part in ("agent", "tui", "exporters")} <= names
    assert {"unstuck/__init__.py", "unstuck/__main__.py", "unstuck/py.typed"} <= names


def test_every_module_is_there(wheel: zipfile.ZipFile) -> None:
    """What is in the folders is in the wheel."""
    files = [path for part in ("agent", "tui", "exporters") for path in (ROOT / part).rglob("*.py")]
    assert {f"unstuck/{path.relative_to(ROOT)}" for path in files} <= set(wheel.namelist())


def test_pages_are_there(wheel: zipfile.ZipFile) -> None:
    """``unstuck explain`` finds its pages where they are installed."""
    for page in (ROOT / "docs" / "findings").glob("*.md"):
        assert page.read_text(encoding="utf-8") == read(wheel, f"unstuck/agent/pages/{page.name}")


def test_parts_of_the_report_are_there(wheel: zipfile.ZipFile) -> None:
    """Its style sheet and its script are no modules, and go along all the same."""
    for name in ("page.css", "page.js"):
        assert (ROOT / "tui" / "report" / name).read_text(encoding="utf-8") == read(wheel, f"unstuck/tui/report/{name}")


def test_nothing_else_is_there(wheel: zipfile.ZipFile) -> None:
    """No tests, benchmarks or caches."""
    tops = {name.partition("/")[0] for name in wheel.namelist()}
    assert {"unstuck", "unstuck.pth", "unstuck-0.1.0.dist-info"} == tops
    assert [] == [name for name in wheel.namelist() if "__pycache__" in name or name.startswith("unstuck/tests")]


def test_commands_and_license(wheel: zipfile.ZipFile) -> None:
    """The console script is declared, the licence enclosed."""
    assert "unstuck = unstuck.agent.cli:main" in read(wheel, "unstuck-0.1.0.dist-info/entry_points.txt")
    assert "Apache License" in read(wheel, "unstuck-0.1.0.dist-info/licenses/LICENSE")
