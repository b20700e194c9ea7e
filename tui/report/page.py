"""A recording as one self-contained page: no network, no other files, light and dark.

Laws:
- The page's own policy allows exactly this style sheet and this script, by their hashes; no other script runs in it,
  whatever a recording holds. It is complete, but for the filters, where scripts are not allowed at all.
- It comes in parts, so that a large one need not be in memory at once.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from importlib import resources

from ... import __version__
from ...agent.sinks.text import count_of
from ..history import VERDICTS, History
from ..recorded import Reading
from .lanes import lanes
from .markup import Markup, joined, tag, verbatim
from .telling import article
from .words import Clock, extent, period, tallies

MOST_CASES = 1000


def page(history: History, reading: Reading, files: tuple[str, ...]) -> Iterator[str]:
    """The page, part by part."""
    clock = Clock.of(history)
    style, script = _file("page.css"), _file("page.js")
    yield '<!DOCTYPE html>\n<html lang="en">\n'
    yield tag("head", *_head(style, script, files)) + "\n<body>\n"
    yield joined(_summary(history, reading, files)) + "\n"
    yield _filters(history) + "\n"
    yield (lanes(history, clock) or "") + "\n"
    if history.cases:
        yield tag("h2", "What")
    for number, case in enumerate(history.cases[:MOST_CASES], 1):
        yield article(case, number, clock) + "\n"
    more = history.left_out + max(0, len(history.cases) - MOST_CASES)
    if more:
        yield tag("p", f"and {count_of(more, 'more finding')}, not shown here")
    yield tag("footer", f"unstuck {__version__}; times are UTC")
    yield tag("script", verbatim(script)) + "\n</body>\n</html>\n"


def _head(style: str, script: str, files: tuple[str, ...]) -> Iterator[Markup]:
    policy = f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; img-src data:"
    yield tag("meta", charset="utf-8")
    yield tag("meta", http_equiv="Content-Security-Policy", content=f"{policy}; base-uri 'none'; form-action 'none'")
    yield tag("meta", name="viewport", content="width=device-width, initial-scale=1")
    yield tag("meta", name="referrer", content="no-referrer")
    yield tag("link", rel="icon", href="data:,")
    yield tag("title", f"unstuck report: {', '.join(files)}")
    yield tag("style", verbatim(style))


def _summary(history: History, reading: Reading, files: tuple[str, ...]) -> Iterator[Markup]:
    yield tag("h1", ", ".join(files))
    yield tag("p", f"{period(history)} · {extent(history)}", class_="weak")
    if reading.skipped or reading.unreadable:
        yield _troubles(reading)
    if history.cases:
        yield _table(history)
    if len(history.processes) > 1:
        yield _processes(history)


def _troubles(reading: Reading) -> Markup:
    told = [tag("div", str(each)) for each in (*reading.unreadable, *reading.troubles)]
    return tag(
        "details",
        tag("summary", f"{count_of(reading.skipped, 'line')} could not be read", class_="trouble"),
        *told,
    )


def _table(history: History) -> Markup:
    heads = [tag("th", text) for text in ("kind", "verdict")]
    heads += [tag("th", text, class_="number") for text in ("findings", "times", "open", "retracted")]
    rows = []
    for row in tallies(history):
        badge = tag("td", tag("span", row.verdict, class_=f"badge {row.verdict}"))
        numbers = (row.cases, row.times, row.open, row.retracted)
        cells = [tag("td", number or "·", class_="number") for number in numbers]
        rows.append(tag("tr", tag("td", row.kind), badge, *cells))
    table = tag("table", tag("thead", tag("tr", *heads)), tag("tbody", *rows))
    return tag("div", table, class_="totals scroll")


def _processes(history: History) -> Markup:
    clock = Clock.of(history)
    heads = [tag("th", text, class_="number") for text in ("pid", "from", "to", "findings")]
    rows = [
        tag("tr", *(tag("td", text, class_="number") for text in texts))
        for texts in (
            (each.pid, clock.time(each.first), clock.time(each.last), each.findings) for each in history.processes
        )
    ]
    table = tag("table", tag("thead", tag("tr", *heads)), tag("tbody", *rows))
    return tag("details", tag("summary", f"{len(rows)} processes"), tag("div", table, class_="scroll"))


def _filters(history: History) -> Markup:
    kinds = list(dict.fromkeys(case.kind for case in history.cases))
    options = [tag("option", "all kinds", value=""), *(tag("option", kind, value=kind) for kind in kinds)]
    there = {case.verdict for case in history.cases}
    boxes = [
        tag("label", tag("input", type="checkbox", name="verdict", value=verdict), f" {verdict}")
        for verdict in VERDICTS
        if verdict in there
    ]
    return tag(
        "form",
        tag("input", type="search", name="text", placeholder="filter: a task, a file, a trace", aria_label="filter"),
        tag("select", *options, name="kind", aria_label="kind"),
        *boxes,
        tag("label", tag("input", type="checkbox", name="open"), " still open"),
        tag("span", "", id="count", class_="weak", role="status"),
        hidden=True,
    )


def _file(name: str) -> str:
    return resources.files(__package__ or "").joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
