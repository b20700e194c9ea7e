"""``unstuck explain`` shows the page about a kind of finding."""

from __future__ import annotations

import importlib
import io
from pathlib import Path

import pytest

from unstuck.agent import detectors, explain

from .children import output, start

EXPLAIN = ("-m", "unstuck", "explain")


def test_page_on_a_pipe_is_as_written() -> None:
    """A script or a file gets plain markdown."""
    assert explain.page("deadlock") == output(*EXPLAIN, "deadlock")


def test_page_on_a_terminal_is_rendered(monkeypatch: pytest.MonkeyPatch) -> None:
    """A person gets headings and lists instead of marks."""
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdout", terminal)
    explain.show("# title\n\n- **bold** word\n")
    shown = terminal.getvalue()
    assert "title" in shown and "• " in shown
    assert "#" not in shown and "**" not in shown


def test_no_kind_lists_all() -> None:
    """Each kind with a page has one line with its summary."""
    lines = output(*EXPLAIN).splitlines()
    assert [f"- **{kind}**: {explain.summary(kind)}" for kind in explain.kinds()] == [
        line for line in lines if line.startswith("- ")
    ]


def test_unknown_kind_near_a_known_one() -> None:
    """The nearest kind is named; exit code 2."""
    done = start(*EXPLAIN, "deadlok")
    assert (2, "") == (done.returncode, done.stdout)
    assert "unstuck: 'deadlok' is not a kind of finding; did you mean deadlock?\n" == done.stderr


@pytest.mark.parametrize("kind", ["zzz", "", "../../README", "deadlock.md"])
def test_unknown_kind_like_nothing_we_know(kind: str) -> None:
    """Where none is near, all kinds are listed; a path is no kind."""
    done = start(*EXPLAIN, kind)
    assert 2 == done.returncode
    assert "deadlock" in done.stderr


def test_every_detector_has_a_page() -> None:
    """A kind that can be found can be explained, and only those are."""
    folder = Path(next(iter(detectors.__path__)))
    modules = [importlib.import_module(f"{detectors.__name__}.{path.stem}") for path in folder.glob("[a-z]*.py")]
    found = {module.KIND for module in modules if hasattr(module, "KIND")}
    assert found == set(explain.kinds())


@pytest.mark.parametrize("kind", explain.kinds())
def test_page_has_its_parts(kind: str) -> None:
    """Title, summary, example, how it is found, what it cannot see, how to fix it."""
    lines = explain.page(kind).splitlines()
    assert f"# {kind}" == lines[0]
    assert "" == lines[1] == lines[3]
    sections = [line.removeprefix("## ") for line in lines if line.startswith("## ")]
    assert ["As printed", "How it is found", "What it cannot see", "How to fix it"] == sections
