"""Results as a table: for a terminal, and as Markdown between the markers of a page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from .model import RATIO, VALUE
from .results import Result

HEADINGS = (
    "row",
    "without",
    "with",
    "compared",
    "interval",
    "min",
    "spread",
    "budget",
    "verdict",
    "asyncio debug",
)
BEGIN, END = "<!-- results -->", "<!-- /results -->"


def cells(result: Result) -> tuple[str, ...]:
    """One line of the table, as text."""
    row, summary = result.row, result.summary
    if summary is None:
        return (row.name, *[""] * 7, result.verdict if result.skipped else "FAILED", "")
    unit = "x" if row.compare == RATIO else row.unit
    return (
        row.name,
        "" if row.compare == VALUE else quantity(result.medians[row.base], row.unit),
        "" if row.compare == VALUE else quantity(result.medians[row.subject], row.unit),
        quantity(summary.median, unit),
        f"{number(summary.low, unit)} to {number(summary.high, unit)}",
        number(summary.minimum, unit),
        f"{summary.spread:.0%}",
        "" if row.budget is None else f"≤ {quantity(row.budget, unit)}",
        result.verdict or "–",
        "" if result.debug_ratio is None else f"{result.debug_ratio:.1f} x",
    )


def quantity(value: float, unit: str) -> str:
    """A number with its unit; nanoseconds grow into microseconds where that reads better."""
    if unit == "ns" and abs(value) >= 10_000:
        return f"{value / 1e3:.1f} µs"
    return f"{number(value, unit)} {unit}"


def number(value: float, unit: str) -> str:
    """As many digits as the unit deserves."""
    digits = {"x": 3, "ns": 0, "B": 0}.get(unit, 2)
    return f"{value:.{digits}f}"


def plain(results: Iterable[Result]) -> str:
    """For a terminal, with what each row means and why a row failed or was skipped."""
    results = list(results)
    lines = [HEADINGS, *map(cells, results)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = [_padded(line, widths) for line in lines]
    failures = [f"{each.row.name} failed: {each.failure}" for each in results if each.failure]
    skipped = [f"{each.row.name} skipped: {each.skipped}" for each in results if each.skipped]
    return "\n".join([text[0], "-" * len(text[0]), *text[1:], *failures, *skipped])


def _padded(line: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()


def markdown(whole: dict[str, Any], results: Iterable[Result]) -> str:
    """For a page: where and when, then the table with the rows' meanings instead of their names."""
    machine = whole["machine"]
    head = (
        f"{machine['python']} on {machine['system']}, {machine['cpu']}, {machine['cores']} cores; "
        f"{machine['date'][:10]}; median of {whole['runs']} runs."
    )
    headings = ("what", *HEADINGS[1:])
    rule = ["---"] + ["---:"] * (len(headings) - 1)
    lines = [headings, rule, *((each.row.what, *cells(each)[1:]) for each in results)]
    return "\n".join([head, "", *(_line(line) for line in lines)])


def _line(texts: Sequence[str]) -> str:
    return "| " + " | ".join(texts) + " |"


def paste(page: Path, text: str) -> None:
    """Replace what stands between the markers of ``page``; ValueError when they are not there."""
    before, begin, rest = page.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page} has no {BEGIN} … {END}")
    page.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")
