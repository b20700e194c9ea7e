"""The pages about kinds of finding: found, listed, and shown.

Laws:
- A kind has a page or it is not explained: ``docs/findings/KIND.md`` in a checkout, ``pages/`` in a wheel.
- A page's first line is its title; its second paragraph says in one line what the kind means.
- A terminal gets the page rendered; a pipe gets it as it is written.
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

from .config import KINDS


class UnknownKind(LookupError):
    """There is no page of that name; the message says which kinds there are."""


@cache
def folder() -> Path:
    """Where the pages are."""
    installed = Path(__file__).parent / "pages"
    return installed if installed.is_dir() else Path(__file__).resolve().parents[1] / "docs" / "findings"


def kinds() -> tuple[str, ...]:
    """The kinds that have a page."""
    return tuple(kind for kind in KINDS if (folder() / f"{kind}.md").is_file())


def page(kind: str) -> str:
    """The page about ``kind``, in markdown. Raises UnknownKind."""
    if kind not in kinds():
        raise UnknownKind(f"{kind!r} is not a kind of finding{_nearest(kind)}")
    return (folder() / f"{kind}.md").read_text(encoding="utf-8")


def summary(kind: str) -> str:
    """One line about ``kind``: the second paragraph of its page."""
    return " ".join(page(kind).split("\n\n")[1].split())


def index() -> str:
    """All kinds with their summaries, in markdown."""
    lines = [f"- **{kind}**: {summary(kind)}" for kind in kinds()]
    return "\n".join(["# Kinds of finding", "", *lines, "", "More about one: `unstuck explain KIND`", ""])


def show(markdown: str) -> None:
    """Print a page on stdout."""
    if not sys.stdout.isatty():
        sys.stdout.write(markdown)
        return
    from rich.console import Console
    from rich.markdown import Markdown

    Console(width=min(Console().width, 100)).print(Markdown(markdown))


def _nearest(kind: str) -> str:
    import difflib  # only a misspelt kind pays

    near = difflib.get_close_matches(kind, kinds(), n=1)
    return f"; did you mean {near[0]}?" if near else f"; kinds are {', '.join(kinds())}"
