"""What importing a part brings along: the folders' promises, kept at run time too."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .children import output


def loaded_by(module: str, *prefixes: str) -> list[str]:
    """Modules below ``prefixes`` that importing ``module`` loads."""
    code = f"import sys, {module}\nprint(*sorted(m for m in sys.modules if m.startswith({prefixes!r})))"
    return output("-c", code).split()


def test_importing_unstuck_loads_nothing_more() -> None:
    """The public API is lazy: ``import unstuck`` is one module, and no asyncio."""
    assert ["unstuck"] == loaded_by("unstuck", "unstuck", "asyncio")


def test_hooks_do_not_load_what_decides() -> None:
    """Hooks note facts; detectors, findings and sinks stay out."""
    deciding = [f"unstuck.agent.{part}" for part in ("detectors", "findings", "sinks", "judge")]
    assert [] == loaded_by("unstuck.agent.hooks", *deciding)


def test_agent_does_not_load_dashboard_or_exporters() -> None:
    """The whole agent runs without knowing who shows or exports what it found."""
    assert [] == loaded_by("unstuck.agent.api", "unstuck.tui", "unstuck.exporters")


@pytest.mark.parametrize("part", ["unstuck.tui", "unstuck.exporters"])
def test_dashboard_and_exporters_do_not_load_the_agent(part: str) -> None:
    """They live in other processes, or after the fact."""
    assert [] == loaded_by(part, "unstuck.agent.api", "unstuck.agent.hooks", "unstuck.agent.state")


VIEWS = ["tasks", "waits", "resources", "findings", "processes", "overview", "task", "head"]


@pytest.mark.parametrize("module", ["top", "fleet", "scene", "telling", *(f"views.{view}" for view in VIEWS)])
def test_what_is_shown_is_worked_out_without_a_screen(module: str) -> None:
    """Views, and what `unstuck --help` imports, load no textual."""
    assert [] == loaded_by(f"unstuck.tui.{module}", "textual")


def test_a_healthy_program_loads_no_big_library() -> None:
    """With the agent switched on, and nothing to tell."""
    code = "import asyncio, sys; asyncio.run(asyncio.sleep(0.05)); print(*sorted(sys.modules))"
    loaded = output("-c", f"import unstuck; unstuck.install(); {code}").split()
    heavy = ("textual", "rich", "networkx", "grpc", "unstuck.tui", "unstuck.exporters")
    assert [] == [module for module in loaded if module.startswith(heavy)]


def test_command_line_loads_only_what_a_command_needs() -> None:
    """The command line itself loads neither asyncio nor the agent nor a big library."""
    heavy = ("asyncio", "unstuck.agent.api", "networkx", "textual", "rich", "opentelemetry")
    assert [] == loaded_by("unstuck.agent.cli", *heavy)


@pytest.mark.parametrize("folder", ["agent", "tui", "exporters"])
def test_folders_are_imported_by_their_packages_name_only(folder: str) -> None:
    """``import agent`` would work in a checkout and nowhere else."""
    root = Path(__file__).resolve().parents[1]
    wrong = re.compile(r"^\s*(?:from|import)\s+(?:agent|tui|exporters)\b", re.MULTILINE)
    assert [] == [path for path in (root / folder).rglob("*.py") if wrong.search(path.read_text(encoding="utf-8"))]
