"""A case as a part of a page: what the agent prints of it, its graph, its frames, and its lives."""

from __future__ import annotations

from collections.abc import Iterator

from ...agent.findings import Event, Finding
from ...agent.sinks.places import where
from ...agent.sinks.rows import Row
from ...agent.sinks.telling import Block, Teller
from ...agent.sinks.text import age, count_of
from ...agent.snapshot import Place, TaskView
from ..history import Case, Life
from .drawing import drawn
from .markup import Markup, joined, tag
from .words import Clock, begin, fate, lasted, names, selected

_MOST_LIVES, _MOST_FRAMES = 50, 60


def article(case: Case, number: int, clock: Clock) -> Markup:
    """The whole case."""
    event = case.event()
    return tag(
        "article",
        _head(case),
        _facts(case, event),
        joined(_body(event.finding)) if event else tag("p", "Its picture was too large to be kept."),
        _lives(case, clock),
        id=f"case-{number}",
        class_=tone(case),
        data_kind=case.kind,
        data_verdict=case.verdict,
        data_open="yes" if case.open else "no",
    )


def tone(case: Case) -> str:
    """The class that gives the colour of its verdict."""
    return case.verdict if case.counts else "back"


def _head(case: Case) -> Markup:
    said = case.verdict if case.counts else f"{case.verdict}, retracted"
    return tag("h3", tag("span", said, class_="badge"), " ", tag("span", case.kind, class_="kind"), " ", case.title)


def _facts(case: Case, event: Event | None) -> Markup:
    facts: list[object] = [] if case.happened else [f"for {age(case.age_s)}"]
    if event is not None:
        facts += Teller(event.finding).behind()
    if case.times > 1:
        processes = len({life.pid for life in case.lives})
        more = f" in {processes} processes" if processes > 1 else ""
        facts.append(tag("b", f"{case.times} times{more}"))
    if case.open:
        facts.append(tag("b", "still open at the end"))
    if 0 < case.retracted < case.times:
        facts.append(f"{case.retracted} retracted")
    facts.append(tag("span", case.id, class_="id"))
    dotted = [part for fact in facts for part in (" · ", fact)][1:]
    return tag("p", *dotted, class_="facts")


def _body(finding: Finding) -> Iterator[Markup]:
    teller = Teller(finding)
    shown, more = teller.shown()
    graph = drawn(finding)
    told = [_block(teller.block(task)) for task in shown]
    if more:
        told.append(tag("p", f"and {count_of(more, 'more task')}", class_="weak"))
    told += [
        tag("p", tag("b", label), " ", text, class_=label)
        for label, text in (("note", finding.note), ("help", finding.help))
        if text
    ]
    figure = tag("figure", graph) if graph is not None else None
    yield tag("div", tag("div", *told, class_="tasks"), figure, class_="body")
    if any(task.stack for task in shown):
        frames = [_frames(task) for task in shown]
        yield tag("details", tag("summary", "All frames, and where the tasks were made"), *frames)


def _block(block: Block) -> Markup:
    place = (tag("span", block.place, class_="place"), " ") if block.place else ()
    trace = (" ", tag("span", block.trace, class_="id")) if block.trace else ()
    return tag("section", tag("h4", *place, tag("b", block.who), *trace), *map(_row, block.rows), class_="task")


def _row(row: Row) -> Markup:
    near = not row.gutter or row.gutter.isdecimal()
    what: list[object] = [tag("b", row.verb), " "] if row.verb else []
    for number, fact in enumerate(row.facts):
        what.append(tag("span", f" · {fact}") if number else tag("span", fact, class_="named"))
    return tag(
        "div",
        tag("span", row.gutter, class_="no" if near else "far"),
        tag("span", row.code, class_="code"),
        tag("span", *what, class_="what"),
        class_=f"row {row.verb}" if row.verb.isalpha() else "row",
    )


def _frames(task: TaskView) -> Markup:
    rows = [_frame(place, place.function) for place in task.stack[-_MOST_FRAMES:]]
    if len(task.stack) > _MOST_FRAMES:
        rows.insert(0, tag("p", f"{len(task.stack) - _MOST_FRAMES} frames further out", class_="weak"))
    if task.created_at is not None:
        rows.append(_frame(task.created_at, "made in " + task.created_at.function))
    return tag("div", tag("b", task.name), *rows, class_="frames")


def _frame(place: Place, function: str) -> Markup:
    return tag(
        "div",
        tag("span", f"{where(place)} {function}", class_="place", title=f"{place.file}:{place.line}"),
        tag("span", place.code, class_="code"),
        class_="row",
    )


def _lives(case: Case, clock: Clock) -> Markup:
    rows = [_life(each, clock, case.times > 1) for each in selected(case.lives, case.times, _MOST_LIVES)]
    heads = [tag("th", text, class_=kind) for text, kind in (("UTC", None), ("lasted", "number"), ("pid", "number"))]
    table = tag("table", tag("thead", tag("tr", *heads, tag("th", ""))), tag("tbody", *rows))
    return tag("div", table, class_="lives scroll")


def _life(life: Life | int, clock: Clock, named: bool) -> Markup:
    if isinstance(life, int):
        return tag("tr", tag("td", f"{life} more times", colspan=4, class_="weak"))
    said = [*fate(life, clock)]
    if named and life.who:
        said.append(f"of {names(life.who)}")
    said += [f"trace {trace}" for trace in life.traces]
    return tag(
        "tr",
        tag("td", clock.time(begin(life)), class_="number"),
        tag("td", lasted(life), class_="number"),
        tag("td", life.pid, class_="number"),
        tag("td", " · ".join(said)),
    )
