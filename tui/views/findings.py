"""The list of findings: what is open, the worst first, and then what ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from .. import telling, words
from ..blockers import forest
from ..columns import Column
from ..ink import Cell, Line, clean, line, painted
from ..records import NoRecord, finding_of
from ..scene import Row, Scene, is_open, key_of, moment
from ..sorting import Ask, chosen
from ..view import View

COLUMNS = (
    Column("", 1, sortable=False),
    Column("pid", 7, right=True, rank=1, sortable=False),
    Column("kind", 13, 16, sortable=False),
    Column("verdict", 9, rank=2, sortable=False),
    Column("what", 24, 70, sortable=False),
    Column("for", 7, right=True, sortable=False),
    Column("tasks", 8, right=True, rank=3, sortable=False),
    Column("since", 8, rank=5, sortable=False),
    Column("id", 14, rank=6, sortable=False),
)
_ALONE = tuple(column if column.title != "pid" else Column("pid", 0, rank=99) for column in COLUMNS)
_ENDS = {"closed": "✓", "retracted": "✗"}
_ENDINGS = {"closed": "closed", "retracted": "retracted: the tasks moved after all", "ended": "its process has ended"}


def view(scene: Scene, ask: Ask) -> View:
    """The findings that the filter leaves."""
    every = scene.findings()
    found = ask.words
    for shot in scene.seen:
        shot.victims()  # counted on the bench, and not while a row is drawn

    def cells(row: Row) -> Sequence[Cell]:
        return _cells(row, found)

    return View(
        COLUMNS if scene.several else _ALONE,
        chosen(every, ask, _text),
        _key,
        cells,
        total=len(every),
        empty="no finding matches the filter" if every else _quiet(scene),
    )


def _quiet(scene: Scene) -> str:
    """What there is to say without a finding. A circle that is not proven is a finding after a while only."""
    if any(forest(shot).closes for shot in scene.seen):
        return "nothing is proven, but tasks wait in a circle: see page 4"
    return "nothing is wrong, as far as can be seen"


def told(row: Row, width: int) -> list[Line]:
    """Everything about the finding."""
    try:
        return _told(row, width)
    except NoRecord as wrong:
        return [line((f"it cannot be shown: {wrong}", "bad"))]


def _told(row: Row, width: int) -> list[Line]:
    shot, record = row
    if is_open(record):
        alive = [shot.tasks[each["id"]] for each in record["tasks"] if each["id"] in shot.tasks]
        waited = {task.id: shot.time - task.since for task in alive if task.state == "waiting"}
        finding = replace(finding_of(record), victims=shot.victims_of(record))
        return telling.told(finding, shot.age_of(record), width, waited)
    lines = telling.told(finding_of(record), shot.age_of(record), width)
    when = datetime.fromtimestamp(moment(record)).strftime("%H:%M:%S")
    ending = _ENDINGS.get(record["event"], str(record["event"]))
    return [line((f"{ending}, at {when} after {words.span(shot.age_of(record))}", "link")), (), *lines]


def _key(row: Row) -> tuple[object, ...]:
    """One that ended may have the id of one that is open again."""
    return key_of(row) if is_open(row[1]) else (*key_of(row), row[1]["event"], row[1]["time"])


def _cells(row: Row, found: Sequence[str]) -> Sequence[Cell]:
    shot, record = row
    still = is_open(record)
    tone = record["verdict"] if still else "dim"
    core = sum(task.get("role") == "core" for task in record["tasks"])
    victims = shot.victims_of(record)
    behind = f" +{victims:,}" if victims else ""
    since = datetime.fromtimestamp(moment(record) - record["age_s"]).strftime("%H:%M:%S")
    return (
        ("●", tone) if still else (_ENDS.get(record["event"], "·"), "dim"),
        str(shot.pid),
        painted(record["kind"], found, plain=tone),
        (record["verdict"] if still else record["event"], tone if still else "dim"),
        painted(clean(record["title"]), found, plain="" if still else "dim"),
        (words.span(shot.age_of(record)), "" if still else "dim"),
        ((f"{core:,}", "" if still else "dim"), (behind, "dim")),
        (since, "dim"),
        (record["id"], "dim"),
    )


def _text(row: Row) -> str:
    record = row[1]
    names = [task["name"] for task in record["tasks"]]
    things = [each["name"] for each in record["resources"]]
    return "\n".join(
        (record["kind"], record["verdict"], record["title"], record["id"], record["event"], *names, *things)
    )
