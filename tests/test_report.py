"""``unstuck report``: a recording as text, as an object for scripts, and as a page."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from unstuck.agent.findings import Event
from unstuck.agent.sinks.stderr import render
from unstuck.tui import recorded
from unstuck.tui.report.page import page
from unstuck.tui.report.text import Account
from unstuck.tui.reporting import report

from . import builders, recordings
from .children import start
from .recordings import moved, written

ROOT = Path(__file__).parents[1]
EVENT = builders.two_locks(age_s=1.0)


def run(*arguments: str, exit_code: int = 0) -> Result:
    result = CliRunner().invoke(report, arguments, env={"COLUMNS": None})
    assert exit_code == result.exit_code, result.output
    return result


def text_of(tmp_path: Path, *told: Event) -> str:
    return run(written(tmp_path / "findings.jsonl", told)).stdout


def account_of(tmp_path: Path, *told: Event) -> Any:
    return json.loads(run("--json", written(tmp_path / "findings.jsonl", told)).stdout)


def page_of(tmp_path: Path, *told: Event) -> str:
    return run("--html", written(tmp_path / "findings.jsonl", told)).stdout


# -- text ----------------------------------------------------------------------------------------------


def test_one_finding_as_text(tmp_path: Path) -> None:
    """When, how much, a table, and the finding as the agent prints it, with what became of it."""
    told = [EVENT, moved(EVENT, 60, "updated"), moved(EVENT, 90, "closed", note="ended by cancel")]
    path = str(tmp_path / "findings.jsonl")
    shown = text_of(tmp_path, *told)
    assert (
        f"""\
{path}
2023-11-14, 22:13:20 to 22:14:50 UTC (1 min 30 s) · 3 records of process 4711

                     findings   times   open   retracted
  deadlock  proven          1       1      ·           ·

"""
        + render(moved(EVENT, 90, "opened"), False, 120)
        + "    22:13:19.250  1 min 31 s  pid 4711  closed: ended by cancel\n"
    ) == shown


@pytest.mark.parametrize(
    ("last", "text"),
    [
        (EVENT, "22:13:19.250  1.0 s  pid 4711  still open at the end"),
        (moved(EVENT, 3, "closed"), "22:13:19.250  4.0 s  pid 4711  closed"),
        (moved(EVENT, 3, "retracted"), "22:13:19.250  4.0 s  pid 4711  retracted: the tasks moved after all"),
        (moved(EVENT, 9, "updated", verdict="proven"), "22:13:19.250  10 s  pid 4711  proven from 22:13:29.250"),
    ],
)
def test_how_it_ended_as_text(tmp_path: Path, last: Event, text: str) -> None:
    """Each way of ending is said in words."""
    first = moved(EVENT, 0, verdict="suspected") if last.event == "updated" else EVENT
    assert text in text_of(tmp_path, first, *([last] if last is not EVENT else []))


def test_a_bug_that_came_back_as_text(tmp_path: Path) -> None:
    """Told once, with a line for each time; of many the first and the last."""
    shown = text_of(tmp_path, *(moved(EVENT, n, pid=n, age_s=1.0) for n in range(1, 41)))
    assert 1 == shown.count("deadlock [proven]  2 tasks wait for each other")
    assert "pid 1   still open at the end · of transfer-1 and transfer-2" in shown
    assert "    ... 28 more times\n" in shown
    assert "and 30 more processes" in shown


def test_what_just_happened_as_text(tmp_path: Path) -> None:
    """It has no length and no end."""
    event = builders.event(kind="lost-error", title="lost", happened=True)
    shown = text_of(tmp_path, event, moved(event, 2, "updated"), moved(event, 9, "closed", note="x"))
    assert "    22:13:20.250  pid 4711  happened 2 times\n" in shown


def test_retracted_findings_as_text(tmp_path: Path) -> None:
    """They come last, under a heading of their own."""
    other = builders.slow_wait(id="other")
    shown = text_of(tmp_path, EVENT, moved(EVENT, 2, "retracted"), other)
    assert shown.index("slow-wait [suspected]") < shown.index("Retracted,") < shown.index("deadlock [proven]")


def test_a_recording_of_several_days(tmp_path: Path) -> None:
    """Times come with dates."""
    shown = text_of(tmp_path, EVENT, moved(EVENT, 86400, "closed"))
    assert "2023-11-14 22:13:20 to 2023-11-15 22:13:20 UTC (1 d 0 h)" in shown
    assert "    2023-11-14 22:13:19.250  1 d 0 h  pid 4711  closed\n" in shown


def test_told_late_and_before_the_recording(tmp_path: Path) -> None:
    """A finding that was told long after it began says so, and so does one whose opening is not there."""
    late = builders.slow_wait(age_s=30.0)
    assert "told after 30 s · still open at the end" in text_of(tmp_path, late)
    assert "opened before the recording · closed" in text_of(tmp_path, moved(EVENT, 3, "closed"))


def test_an_empty_recording(tmp_path: Path) -> None:
    """Nothing to say, in all forms."""
    assert f"{tmp_path}/findings.jsonl\nnothing was recorded · no findings\n" == text_of(tmp_path)
    assert [] == account_of(tmp_path)["cases"]
    assert "no findings" in page_of(tmp_path)


def test_a_terminal(tmp_path: Path) -> None:
    """Colour and width are the terminal's; ASCII where it has nothing else."""
    history, reading = recorded.read([written(tmp_path / "f", [moved(EVENT, n, pid=n) for n in (1, 2)])])
    lines = list(Account(history, reading, ("f",), (True, 50, False)).lines())
    assert any("\x1b[1;31mdeadlock [proven]\x1b[0m" in line for line in lines)
    plain = [re.sub(r"\x1b\[[\d;]*m", "", line) for line in lines]
    assert max(len(line) for line in plain if "process" not in line) <= 62
    assert "".join(Account(history, reading, ("f",), (False, 80, True)).lines()).isascii()


# -- for scripts ---------------------------------------------------------------------------------------


def test_the_object(tmp_path: Path) -> None:
    """Every count, every life, and the record of each case."""
    told = [EVENT, moved(EVENT, 60, "updated", victims=20), moved(EVENT, 90, "closed", note="ended by cancel")]
    account = account_of(tmp_path, *told)
    (case,) = account.pop("cases")
    assert {
        "v": 1,
        "files": [f"{tmp_path}/findings.jsonl"],
        "unreadable": [],
        "skipped": 0,
        "troubles": [],
        "began": "2023-11-14T22:13:20.250+00:00",
        "ended": "2023-11-14T22:14:50.250+00:00",
        "records": 3,
        "processes": [
            {
                "pid": 4711,
                "first": "2023-11-14T22:13:20.250+00:00",
                "last": "2023-11-14T22:14:50.250+00:00",
                "records": 3,
                "findings": 1,
            }
        ],
        "totals": [{"kind": "deadlock", "verdict": "proven", "cases": 1, "times": 1, "open": 0, "retracted": 0}],
        "left_out": 0,
    } == account
    assert moved(EVENT, 60, "opened", victims=20, age_s=91.0).as_record() == case["record"]
    (life,) = case["lives"]
    assert ("closed", "ended by cancel", 91.0, 20) == tuple(life[x] for x in ("outcome", "note", "age_s", "victims"))
    assert ("proven", 1, 0, 0) == tuple(case[x] for x in ("verdict", "times", "open", "retracted"))


def test_the_object_is_described() -> None:
    """docs/report.md names each field."""
    described = (ROOT / "docs" / "report.md").read_text("utf-8")
    names: set[str] = set()

    def collect(thing: Any) -> None:
        for key, value in thing.items() if isinstance(thing, dict) else ():
            names.add(key)
            if key != "record":
                for each in value if isinstance(value, list) else [value]:
                    collect(each)

    collect(json.loads(run_example()))
    assert [] == sorted(name for name in names if f"`{name}`" not in described)


def run_example() -> str:
    line = recordings.line(moved(EVENT, 60, "updated"))
    result = CliRunner().invoke(report, ["--json", "-"], input=recordings.line(EVENT) + line + b"{\n")
    assert 0 == result.exit_code
    return result.stdout


# -- exit codes and files ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fail_on", "verdict", "exit_code"),
    [
        ("proven", "proven", 1),
        ("proven", "suspected", 0),
        ("suspected", "proven", 1),
        ("suspected", "suspected", 1),
        ("suspected", "potential", 0),
        ("any", "potential", 1),
        ("any", "new-verdict", 1),
    ],
)
def test_failing_on_a_verdict(tmp_path: Path, fail_on: str, verdict: str, exit_code: int) -> None:
    """Of this or a stronger one."""
    path = written(tmp_path / "f", [moved(EVENT, 0, verdict=verdict)])
    run("--fail-on", fail_on, path, exit_code=exit_code)
    run(path)


def test_failing_on_what_was_retracted(tmp_path: Path) -> None:
    """What was taken back is no reason to fail."""
    run("--fail-on", "any", written(tmp_path / "f", [EVENT, moved(EVENT, 3, "retracted")]))


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """Exit code 2, one line that names it, and the account of the others."""
    good = written(tmp_path / "good", [EVENT])
    result = run("--fail-on", "any", f"{tmp_path}/missing", good, exit_code=2)
    assert f"unstuck: {tmp_path}/missing: no such file or directory\n" == result.stderr
    assert "deadlock [proven]" in result.stdout


def test_lines_that_cannot_be_read(tmp_path: Path) -> None:
    """Some are named on stderr, all are counted, and that is no failure."""
    path = tmp_path / "f"
    path.write_bytes(recordings.line(EVENT) + b"\x1b[2J\n" * 7)
    result = run(str(path))
    assert [*(f"unstuck: {path}:{n}: not JSON" for n in range(2, 7)), "unstuck: and 2 more lines like these"] == (
        result.stderr.splitlines()
    )
    assert "\n7 lines could not be read\n" in result.stdout
    assert "7 lines could not be read" in run("--html", str(path)).stdout


def test_writing_into_a_file(tmp_path: Path) -> None:
    """Nothing else is printed; a recording is never overwritten, a folder that is missing is a clear message."""
    path = written(tmp_path / "findings.jsonl", [EVENT])
    target = tmp_path / "out.html"
    assert "" == run("--html", "-o", str(target), path).output
    assert target.read_text("utf-8").startswith("<!DOCTYPE html>")
    assert "is one of the files to read" in run("-o", path, path, exit_code=2).stderr
    assert "No such file" in run("-o", f"{tmp_path}/no/where", path, exit_code=2).stderr


def test_wrong_usage(tmp_path: Path) -> None:
    """No file, or a verdict that is none."""
    run(exit_code=2)
    run("--fail-on", "never", "x", exit_code=2)


def test_a_page_is_not_printed_on_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told to go into a file."""
    monkeypatch.setattr("unstuck.tui.reporting._is_terminal", lambda: True)
    assert "-o" in run("--html", written(tmp_path / "f", [EVENT]), exit_code=2).stderr


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell")
def test_the_command_itself(tmp_path: Path) -> None:
    """From a real recording of an example, through the installed command; a closed pipe is no error."""
    told = tmp_path / "findings.jsonl"
    example = str(ROOT / "examples" / "bank_transfer.py")
    environment = {"PYTHONPATH": str(ROOT / "src")}
    start("-m", "unstuck", "run", example, UNSTUCK_SINKS=f"jsonl:{told}", **environment)
    done = start("-m", "unstuck", "report", "--fail-on", "proven", str(told), **environment)
    assert (1, "") == (done.returncode, done.stderr)
    assert "deadlock [proven]  2 tasks wait for each other" in done.stdout
    assert "accounts['A'].lock" in done.stdout


def test_nothing_heavy_is_loaded(tmp_path: Path) -> None:
    """Neither Textual nor networkx, whatever the form, nor the running agent."""
    path = written(tmp_path / "f", [EVENT])
    code = f"""
import sys
from unstuck.tui.reporting import report
for form in ([], ["--json"], ["--html"]):
    report([*form, "-o", {str(tmp_path / "out")!r}, {path!r}], standalone_mode=False)
heavy = ("textual", "networkx", "rich", "opentelemetry", "unstuck.agent.api", "unstuck.agent.hooks")
print([name for name in heavy if name in sys.modules])
"""
    assert "[]\n" == start("-c", code, PYTHONPATH=str(ROOT / "src")).stdout


# -- the page ------------------------------------------------------------------------------------------


class Elements(HTMLParser):
    """What a browser would make of a page: its elements with their attributes, its scripts, its text."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.raw: dict[str, list[str]] = {"script": [], "style": []}
        self.text: list[str] = []
        self.wrong: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "input", "html", "body"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("html", "body") and self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in self.raw:
            self.raw[self.open[-1]].append(data)
        else:
            self.text.append(data)

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


PARTS = ROOT / "tui" / "report"
ATTRIBUTES = set(
    re.findall(
        r"\S+",
        """
        charset http-equiv content name rel href id class data-kind data-verdict data-open data-case type placeholder
        value hidden role aria-label title colspan viewbox width height x y rx r cx cy d fill stroke text-anchor lang
        """,
    )
)
TAGS = set(
    re.findall(
        r"\S+",
        """
        html head meta link title style body h1 h2 h3 h4 p b a span div section article details summary figure form
        input select option label table thead tbody tr th td footer script svg g path rect circle text
        """,
    )
)


def check(page: str) -> Elements:
    """The page is well formed and holds nothing but what we put into it, wherever its texts come from."""
    elements = Elements(page)
    assert ([], []) == (elements.wrong, elements.open)
    assert {tag for tag, _ in elements.elements} <= TAGS
    assert {name for _, attributes in elements.elements for name in attributes} <= ATTRIBUTES
    assert [(PARTS / "page.js").read_text("utf-8")] == elements.raw["script"]
    assert [(PARTS / "page.css").read_text("utf-8")] == elements.raw["style"]
    targets = {str(each["href"]) for each in (*elements.of("a"), *elements.of("link"))}
    assert all(target == "data:," or re.fullmatch(r"#case-\d+", target) for target in targets)
    assert all(part.isprintable() for part in "".join(elements.text).split("\n"))
    return elements


def test_the_page(tmp_path: Path) -> None:
    """A lane, an article and a graph for the finding; its source lines; its lives."""
    told = [EVENT, moved(EVENT, 60, "updated"), moved(EVENT, 90, "closed", note="ended by cancel")]
    shown = page_of(tmp_path, *told)
    elements = check(shown)
    text = "".join(elements.text)
    for part in (
        "2 tasks wait for each other",
        "async with accounts[src].lock:",
        "accounts['B'].lock",
        "take locks in one global order",
        "closed: ended by cancel",
        "22:13:19.250",
    ):
        assert part in text
    (article,) = elements.of("article")
    assert ("deadlock", "proven", "no") == tuple(article[f"data-{x}"] for x in ("kind", "verdict", "open"))
    assert ["strip", "graph"] == [str(each["class"]) for each in elements.of("svg")]
    assert 4 == sum(str(each.get("class")).startswith("node ") for each in elements.of("g"))
    assert "Wait-for graph: transfer-1 waits for accounts['B'].lock; accounts['B'].lock held by transfer-2;" in text


def test_the_page_allows_itself_only(tmp_path: Path) -> None:
    """Its policy knows its style sheet and its script by their hashes; there is no other, and no network."""
    elements = check(page_of(tmp_path, EVENT))
    (policy,) = [str(each["content"]) for each in elements.of("meta") if "http-equiv" in each]
    for kind in ("style", "script"):
        (content,) = elements.raw[kind]
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none';") and "unsafe" not in policy
    assert not re.search(r"https?:|url\(|@import|\bfetch\(", "".join([*elements.raw["style"], *elements.raw["script"]]))


def test_a_hostile_recording(tmp_path: Path) -> None:
    """Whatever a name holds is text, in the page and on a terminal."""
    for name in recordings.HOSTILE:
        place = builders.place(3, name, name, name)
        task = builders.task(name, name, place, coro=name, created_at=place, trace_id=name, error=name)
        event = builders.event(
            tasks=(task, builders.task("two", "t:" + name)),
            resources=(builders.lock(name, name, name, made=place, type=name),),
            title=name,
            help=name,
            note=name,
        )
        told = [event, moved(event, 3, "closed", note=name)]
        check(page_of(tmp_path, *told))
        assert all(line.isprintable() for line in text_of(tmp_path, *told).split("\n"))
        account_of(tmp_path, *told)


def test_a_hostile_file_name(tmp_path: Path) -> None:
    """The names of the files are escaped, too."""
    path = written(tmp_path / "<img src=x onerror=alert(1)>\x1b[2J.jsonl", [EVENT])
    check(run("--html", path).stdout)
    assert "\x1b" not in run(path).stdout
    assert "\x1b" not in run(path + "x", exit_code=2).stderr


@settings(max_examples=60, deadline=None)
@given(st.lists(recordings.events, max_size=5))
def test_any_recording_in_any_form(tmp_path_factory: pytest.TempPathFactory, told: list[Event]) -> None:
    """No form ever fails, and none lets anything through."""
    path = written(tmp_path_factory.mktemp("any") / "f", told)
    history, reading = recorded.read([path])
    check("".join(page(history, reading, (path,))))
    for width, ascii_only in ((40, True), (120, False)):
        for line in Account(history, reading, (path,), (False, width, ascii_only)).lines():
            assert line.isprintable()
    assert len(history.cases) == len(json.loads(run("--json", path).stdout)["cases"])


def test_a_large_page_has_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not fit is counted."""
    monkeypatch.setattr("unstuck.tui.report.page.MOST_CASES", 3)
    monkeypatch.setattr("unstuck.tui.report.lanes.MOST_LANES", 2)
    elements = check(page_of(tmp_path, *(moved(builders.two_locks(id=f"x{n}"), n) for n in range(5))))
    assert 3 == len(elements.of("article"))
    text = "".join(elements.text)
    assert "and 3 more findings, below" in text and "and 2 more findings, not shown here" in text
