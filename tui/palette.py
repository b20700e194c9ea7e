"""The colours: what each tone of ``ink`` looks like in a theme. The only file that knows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.strip import Strip
from textual.theme import Theme

from .ink import Line

DARK = Theme(
    name="unstuck-dark", dark=True,
    primary="#6cb6ff", secondary="#96d0ff", accent="#dcbdfb", foreground="#cdd4dc", background="#12161c",
    surface="#181d25", panel="#222933", success="#7cc98a", warning="#e0b04c", error="#f47067",
    variables={"border": "#39424e", "scrollbar": "#303947", "scrollbar-background": "#12161c"},
)  # fmt: skip
LIGHT = Theme(
    name="unstuck-light", dark=False,
    primary="#0b5cad", secondary="#0b5cad", accent="#7340b0", foreground="#22272e", background="#fbfbfa",
    surface="#f2f2f0", panel="#e6e6e3", success="#1f7a37", warning="#8f6000", error="#c02a22",
    variables={"border": "#c4c8cc", "scrollbar": "#c9ccd0", "scrollbar-background": "#fbfbfa"},
)  # fmt: skip
_USED = ("primary", "secondary", "accent", "foreground", "success", "warning", "error", "panel")


def tones(variables: Mapping[str, str]) -> Mapping[str, Style]:
    """The style of each tone under a theme's variables."""
    return _styles(*(variables[name] for name in _USED))


@lru_cache(maxsize=8)
def _styles(*values: str) -> dict[str, Style]:
    primary, secondary, accent, foreground, success, warning, error, panel = map(_colour, values)
    return {
        "proven": Style(color=error, bold=True),
        "suspected": Style(color=warning, bold=True),
        "potential": Style(color=primary, bold=True),
        "bad": Style(color=error),
        "warn": Style(color=warning),
        "good": Style(color=success),
        "running": Style(color=success, bold=True),
        "ready": Style(color=success),
        "waiting": Style(),
        "place": Style(color=secondary),
        "link": Style(color=primary),
        "holds": Style(color=warning),
        "waits": Style(color=error),
        "kind": Style(color=accent),
        "key": Style(color=primary, bold=True),
        "bold": Style(bold=True),
        "dim": Style(dim=True),
        "head": Style(color=foreground, bold=True, bgcolor=panel),
        "head2": Style(color=accent, bold=True),
        "rule": Style(dim=True),
        "sorted": Style(color=primary, bold=True, bgcolor=panel),
        "found": Style(underline=True, bold=True),
        "spark": Style(color=success),
        "frozen": Style(color=primary, bold=True, reverse=True),
        "lost": Style(color=error, bold=True, reverse=True),
        "tab": Style(color=primary, bold=True, reverse=True),
    }


def _colour(value: str) -> str | None:
    """A colour as rich takes it; None for the terminal's own."""
    parsed = Color.parse(value)
    return None if parsed.ansi is not None and parsed.ansi < 0 else parsed.rich_color.name


def strip_of(line: Line, styles: Mapping[str, Style], base: Style) -> Strip:
    """A line as a terminal shows it, on the base."""
    return Strip(_segments(line, styles, base))


def _segments(line: Line, styles: Mapping[str, Style], base: Style) -> Iterable[Segment]:
    for text, tone in line:
        style = styles.get(tone)
        yield Segment(text, base if style is None else base + style)
