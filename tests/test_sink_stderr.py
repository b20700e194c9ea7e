"""The stderr sink reads like a compiler's diagnostic, keeps its columns, and never gets in the way."""

from __future__ import annotations

import io
import os
import re
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest

from unstuck.agent.findings import Event
from unstuck.agent.sinks.stderr import StderrSink, age, manner_of, render, waiting_place
from unstuck.agent.snapshot import Held

from . import builders
from .builders import place

TWO_LOCKS = """\
deadlock [proven]  2 tasks wait for each other · 1.2 s · +14 tasks behind them
  ┌─ bank.py:21  transfer-1 (transfer)
  │ 20  async with accounts[src].lock:  holds  accounts['A'].lock  made at bank.py:9
  │ 21  async with accounts[dst].lock:  waits  accounts['B'].lock  made at bank.py:9  held by transfer-2
  ├─ bank.py:21  transfer-2 (transfer)
  │ 20  async with accounts[src].lock:  holds  accounts['B'].lock
  │ 21  async with accounts[dst].lock:  waits  accounts['A'].lock  held by transfer-1
  ├─ id: 8c1f0a2b3d4e
  └─ help: take locks in one global order, e.g. sorted by account id   (unstuck explain deadlock)
"""

TWO_LOCKS_IN_80 = """\
deadlock [proven]  2 tasks wait for each other · 1.2 s · +14 tasks behind them
  ┌─ bank.py:21  transfer-1 (transfer)
  │ 20  async with accounts[src].lock:  holds  accounts['A'].lock
  │                                            made at bank.py:9
  │ 21  async with accounts[dst].lock:  waits  accounts['B'].lock
  │                                            made at bank.py:9
  │                                            held by transfer-2
  ├─ bank.py:21  transfer-2 (transfer)
  │ 20  async with accounts[src].lock:  holds  accounts['B'].lock
  │ 21  async with accounts[dst].lock:  waits  accounts['A'].lock
  │                                            held by transfer-1
  ├─ id: 8c1f0a2b3d4e
  └─ help: take locks in one global order, e.g. sorted by account id
           (unstuck explain deadlock)
"""

TWO_LOCKS_IN_60 = """\
deadlock [proven]  2 tasks wait for each other · 1.2 s
    · +14 tasks behind them
  ┌─ bank.py:21  transfer-1 (transfer)
  │ 20  async with accounts[src].lock:
  │       holds  accounts['A'].lock  made at bank.py:9
  │ 21  async with accounts[dst].lock:
  │       waits  accounts['B'].lock  made at bank.py:9
  │              held by transfer-2
  ├─ bank.py:21  transfer-2 (transfer)
  │ 20  async with accounts[src].lock:
  │       holds  accounts['B'].lock
  │ 21  async with accounts[dst].lock:
  │       waits  accounts['A'].lock  held by transfer-1
  ├─ id: 8c1f0a2b3d4e
  └─ help: take locks in one global order, e.g. sorted by
           account id   (unstuck explain deadlock)
"""

TWO_LOCKS_IN_ASCII = """\
deadlock [proven]  2 tasks wait for each other | 1.2 s | +14 tasks behind them
  ,- bank.py:21  transfer-1 (transfer)
  | 20  async with accounts[src].lock:  holds  accounts['A'].lock  made at bank.py:9
  | 21  async with accounts[dst].lock:  waits  accounts['B'].lock  made at bank.py:9  held by transfer-2
  |- bank.py:21  transfer-2 (transfer)
  | 20  async with accounts[src].lock:  holds  accounts['B'].lock
  | 21  async with accounts[dst].lock:  waits  accounts['A'].lock  held by transfer-1
  |- id: 8c1f0a2b3d4e
  `- help: take locks in one global order, e.g. sorted by account id   (unstuck explain deadlock)
"""

LOCK_TAKEN_TWICE = """\
deadlock [proven]  a task waits for itself · 1.2 s · +1 task behind it
  ┌─ audit.py:44  nightly (Audit.run)
  │ 30  async with self.lock:  holds  audit.lock  made at audit.py:12
  │ 44  async with self.lock:  waits  audit.lock  held by itself
  ├─ id: 8c1f0a2b3d4e
  └─ help: asyncio.Lock is not re-entrant: take it once at the outermost place
           (unstuck explain deadlock)
"""

RING_WITH_GATHER = """\
deadlock [proven]  3 tasks wait for each other · 1.2 s
  ┌─ users.py:51  process
  │ 50  async with lock_of(user):                     holds  locks['ann']  made at users.py:12
  │ 51  await asyncio.gather(enrich(u), validate(u))  waits  for tasks validate and 1 more
  ├─ users.py:60  validate
  │ 60  return await audits[user]                     waits  for task audit
  ├─ users.py:70  audit
  │ 70  async with lock_of(user):                     waits  locks['ann']  held by process
  ├─ id: 8c1f0a2b3d4e
  └─ help: do not await a task that needs a lock you hold   (unstuck explain deadlock)
"""

RING_OF_300 = """\
deadlock [proven]  300 tasks wait for each other · 1.2 s
  ┌─ dine.py:8  p0 (dine)
  │ 7  async with left:   holds  forks[0]  made at dine.py:3
  │ 8  async with right:  waits  forks[1]  made at dine.py:3  held by p1
  ├─ dine.py:8  p1 (dine)
  │ 7  async with left:   holds  forks[1]
  │ 8  async with right:  waits  forks[2]  made at dine.py:3  held by p2
  ├─ dine.py:8  p2 (dine)
  │ 7  async with left:   holds  forks[2]
  │ 8  async with right:  waits  forks[3]  made at dine.py:3  held by p3
  ├─ dine.py:8  p3 (dine)
  │ 7  async with left:   holds  forks[3]
  │ 8  async with right:  waits  forks[4]  made at dine.py:3  held by p4
  ├─ dine.py:8  p4 (dine)
  │ 7  async with left:   holds  forks[4]
  │ 8  async with right:  waits  forks[5]  made at dine.py:3  held by p5
  ├─ dine.py:8  p5 (dine)
  │ 7  async with left:   holds  forks[5]
  │ 8  async with right:  waits  forks[6]  made at dine.py:3  held by p6
  ├─ … and 294 more tasks
  ├─ id: 8c1f0a2b3d4e
  └─ help: take locks in one global order   (unstuck explain deadlock)
"""

SLOW_WAIT = """\
slow-wait [suspected]  a task waits long behind a holder who still lives · 7.2 s
    · +3 tasks behind it
  ┌─ cache.py:15  reader (read)
  │ 15  async with cache.lock:  waits  cache.lock  made at cache.py:4  held by refresher
  ├─ cache.py:31  refresher (refresh)
  │ 30  async with cache.lock:  holds  cache.lock
  │ 31  await client.get(url)   waits  here        for 3 min 20 s  times out in 12 s
  ├─ note: the holder refresher waits in asyncio.StreamReader
  ├─ id: 8c1f0a2b3d4e
  └─ help: hold it for less   (unstuck explain slow-wait)
"""

BLOCKED_LOOP = """\
blocked-loop [proven]  the event loop has not turned · 350 ms
  ┌─ app.py:40  handler-3 (handle)
  │ app.py:12               return await load(user)
  │ app.py:40               reply = requests.get(url)
  │                         (1 library frame)
  │ python3.13/ssl.py:1100  return self._sslobj.read(len)  blocks  the loop
  ├─ id: 8c1f0a2b3d4e
  └─ help: call it through asyncio.to_thread   (unstuck explain blocked-loop)
"""

COLOURED_START = """\
\x1b[1;31mdeadlock [proven]\x1b[0m  2 tasks wait for each other · 1.2 s · +14 tasks behind them
  \x1b[2m┌─\x1b[0m \x1b[36mbank.py:21\x1b[0m  \x1b[1mtransfer-1 (transfer)\x1b[0m
  \x1b[2m│\x1b[0m \x1b[2m20\x1b[0m  async with accounts[src].lock:\
  \x1b[33mholds\x1b[0m  \x1b[1maccounts['A'].lock\x1b[0m  made at bank.py:9
  \x1b[2m│\x1b[0m \x1b[2m21\x1b[0m  async with accounts[dst].lock:\
  \x1b[31mwaits\x1b[0m  \x1b[1maccounts['B'].lock\x1b[0m  made at bank.py:9  held by transfer-2
"""


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Stream(io.StringIO):
    """Remembers each write."""

    def __init__(self, encoding: str = "utf-8", terminal: bool = False) -> None:
        super().__init__()
        self._encoding, self.terminal, self.writes = encoding, terminal, list[str]()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding

    def isatty(self) -> bool:
        return self.terminal

    def write(self, text: str) -> int:
        self.writes.append(text)
        return super().write(text)


@pytest.fixture
def stream(monkeypatch: pytest.MonkeyPatch) -> Stream:
    """What the sink finds as sys.stderr. (pytest puts its own in place once more before the test runs.)"""
    stream = Stream()
    monkeypatch.setattr("unstuck.agent.sinks.stderr.sys", SimpleNamespace(stderr=stream))
    monkeypatch.delenv("COLUMNS", raising=False)
    return stream


def finding(number: int, event: str = "opened") -> Event:
    made = builders.two_locks(event)
    return replace(made, finding=replace(made.finding, id=f"id-{number}"))


def test_when_two_tasks_wait_for_each_other() -> None:
    """Both tasks, both locks by distinct names, where each was made and taken, and who holds it."""
    assert TWO_LOCKS == render(builders.two_locks(), colour=False, width=120)


def test_when_the_terminal_has_80_columns() -> None:
    """What does not fit beside the name goes below it, in its column; no line is longer than the terminal."""
    assert TWO_LOCKS_IN_80 == render(builders.two_locks(), colour=False, width=80)
    assert all(len(line) <= 80 for line in TWO_LOCKS_IN_80.splitlines())


def test_when_the_terminal_is_too_narrow_for_columns_beside_the_code() -> None:
    """Holds and waits stand below their line of source, still in one column."""
    assert TWO_LOCKS_IN_60 == render(builders.two_locks(), colour=False, width=60)
    assert all(len(line) <= 60 for line in TWO_LOCKS_IN_60.splitlines())


def test_when_only_ascii_is_possible() -> None:
    """The same picture without a single box character."""
    assert TWO_LOCKS_IN_ASCII == render(builders.two_locks(), colour=False, width=120, ascii_only=True)
    assert TWO_LOCKS_IN_ASCII.isascii()


def test_when_colour_is_wanted() -> None:
    """The colours only add escapes: without them the text is that of the plain picture, columns and all."""
    coloured = render(builders.two_locks(), colour=True, width=120)
    assert COLOURED_START == "".join(coloured.splitlines(keepends=True)[:4])
    assert TWO_LOCKS == re.sub("\x1b\\[[0-9;]*m", "", coloured)


def test_when_a_task_waits_for_a_lock_it_holds() -> None:
    """The deadlock of one says that the lock is held by the waiter itself."""
    assert LOCK_TAKEN_TWICE == render(builders.lock_taken_twice(), colour=False, width=100)


def test_when_a_ring_goes_through_a_gather_and_a_task() -> None:
    """A join names the tasks it waits for, those of the core first, and counts the others."""
    assert RING_WITH_GATHER == render(builders.ring_with_gather(), colour=False, width=100)


def test_when_300_tasks_form_the_ring() -> None:
    """Six are shown, the others counted."""
    assert RING_OF_300 == render(builders.long_ring(), colour=False, width=100)


def test_when_a_wait_is_merely_slow() -> None:
    """The waiter, and the holder with what it does itself, for how long and until when."""
    assert SLOW_WAIT == render(builders.slow_wait(), colour=False, width=100)


def test_when_the_loop_is_blocked() -> None:
    """The program's frames below the loop, the libraries' left out, and last the call that blocks."""
    assert BLOCKED_LOOP == render(builders.blocked_loop(), colour=False, width=100)


def test_when_the_blocking_stack_is_deep() -> None:
    """Only the five innermost frames of the program are shown, also when they recur."""
    frames = [place(5, "return walk(node)", "app.py")] * 9 + [place(6, "time.sleep(1)", "app.py")]
    rows = [line for line in render(builders.blocked_loop(*frames), False, 100).splitlines() if "app.py:" in line]
    assert [
        "  ┌─ app.py:6  handler-3 (handle)",
        *["  │ app.py:5  return walk(node)"] * 4,
        "  │ app.py:6  time.sleep(1)      blocks  the loop",
    ] == rows


def test_when_nobody_knows_what_blocks_the_loop() -> None:
    """A finding without tasks is still told, with its help."""
    assert (
        "blocked-loop [proven]  the event loop has not turned · 350 ms\n"
        "  ├─ id: 8c1f0a2b3d4e\n"
        "  └─ help: call it through asyncio.to_thread   (unstuck explain blocked-loop)\n"
    ) == render(builders.blocked_loop(tasks=()), False, 100).replace("┌", "├")


@pytest.mark.parametrize(
    ("event", "line"),
    [
        ("closed", "deadlock closed after 3.2 s  8c1f0a2b3d4e\n"),
        ("retracted", "deadlock retracted: the tasks moved after all · 3.2 s  8c1f0a2b3d4e\n"),
        ("updated", "deadlock [proven] still there after 3.2 s · +14 tasks behind them  8c1f0a2b3d4e\n"),
    ],
)
def test_when_a_finding_goes_on_or_ends(event: str, line: str) -> None:
    """One line, with the age and the id that the diagnostic showed."""
    assert line == render(builders.two_locks(event, age_s=3.2), colour=False, width=100)


def test_when_two_locks_have_the_same_name() -> None:
    """They never print alike: the id tells them apart."""
    made = builders.two_locks().finding
    alike = tuple(replace(each, name="self.lock") for each in made.resources)
    text = render(builders.two_locks(resources=alike), False, 120)
    assert 2 == text.count("self.lock (A)") == text.count("self.lock (B)")


def test_when_a_line_of_source_is_long() -> None:
    """It is shortened, and what it means stays in its column."""
    long = place(21, f"async with accounts[{'x' * 200}].lock:")
    first, second = builders.two_locks().finding.tasks
    text = render(builders.two_locks(tasks=(replace(first, stack=(long,)), second)), False, 80)
    rows = [line for line in text.splitlines() if "waits" in line or "holds" in line]
    assert "  │ 21  async with accounts[xxxxxxxxxxxxxxxxxxx…  waits  accounts['B'].lock" == rows[1]
    assert {rows[0].index("holds")} == {max(row.find("holds"), row.find("waits")) for row in rows}


def test_when_there_is_a_trace_and_a_note() -> None:
    """The trace of the stuck request stands with its task, the note before the help."""
    first, second = builders.two_locks().finding.tasks
    traced = replace(first, trace_id="4bf92f3577b34da6a3ce929d0e0e4736")
    lines = render(builders.two_locks(tasks=(traced, second), note="not proven"), False, 80).splitlines()
    assert "  ┌─ bank.py:21  transfer-1 (transfer)  trace 4bf92f3577b34da6a3ce929d0e0e4736" == lines[1]
    assert "  ├─ note: not proven" in lines


def test_when_a_lock_was_taken_in_another_file_or_unseen() -> None:
    """A line of another file is named in full; a hold that nobody saw has no line."""
    first, second = builders.two_locks().finding.tasks
    elsewhere = replace(first, holds=(Held("A", place(3, "await lock.acquire()", "pool.py")),))
    unseen = replace(second, holds=(Held("B", None),))
    locks = builders.lock("A", "lock A", "transfer-1"), builders.lock("B", "lock B", "transfer-2")
    text = render(builders.two_locks(tasks=(elsewhere, unseen), resources=locks), False, 140)
    assert [
        "  │     await lock.acquire()            holds  lock A  made at bank.py:9  taken at pool.py:3",
        "  │                                     holds  lock B",
    ] == [line for line in text.splitlines() if "holds" in line]


def test_when_a_semaphore_has_several_holders() -> None:
    """Its units and their holders are counted; holders that are not shown are, too."""
    pool = builders.lock("B", "pool", "transfer-2", "transfer-2", "x", "y", "z", units=5)
    text = render(builders.two_locks(resources=(pool,)), False, 140)
    assert "its 5 units held by transfer-2 and 3 more" in text


def test_when_the_deadline_cannot_be_read() -> None:
    """A timeout that may exist is said to be possible, not infinite."""
    reader, holder = builders.slow_wait().finding.tasks
    text = render(builders.slow_wait(tasks=(replace(reader, deadline_s=float("inf")), holder)), False, 140)
    assert "held by refresher  may end by a timeout" in text


def test_when_names_hold_control_characters_or_wide_ones() -> None:
    """Nothing from the program reaches the terminal as an escape, and columns count terminal cells."""
    first, second = builders.two_locks().finding.tasks
    evil = replace(first, name="a\x1b[2Jb\nc", stack=(place(21, "async with 金庫:"),))
    lines = render(builders.two_locks(tasks=(evil, second), victims=0), False, 120).splitlines()
    assert "  ┌─ bank.py:21  a\\x1b[2Jb\\nc (transfer)" == lines[1]
    assert "  │ 21  async with 金庫:                waits  accounts['B'].lock" in lines[3]


def test_when_the_stack_ends_in_asyncio() -> None:
    """The waiting place is the program's innermost line; with nothing but asyncio it is asyncio's."""
    own, inner = place(21), place(112, "await fut", f"{builders.ASYNCIO}/locks.py")
    assert (own, inner, None) == (waiting_place((own, inner)), waiting_place((inner,)), waiting_place(()))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "<1 ms"), (0.25, "250 ms"), (0.9999, "1.0 s"), (1.24, "1.2 s"), (9.99, "10 s"),
        (59.6, "1 min 0 s"), (200, "3 min 20 s"), (7500, "2 h 5 min"), (90000, "1 d 1 h"),
    ],
)  # fmt: skip
def test_ages_are_said_as_people_say_them(seconds: float, text: str) -> None:
    """The unit fits the size, and rounding never gives 1000 ms or 60 s."""
    assert text == age(seconds)


def test_when_written(stream: Stream) -> None:
    """The diagnostic is one write, so that it does not mix with what the program prints."""
    StderrSink().write(builders.two_locks())
    assert [TWO_LOCKS] == stream.writes


def test_when_stderr_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """The diagnostic goes to the sys.stderr that is in place when the event comes."""
    sink, stream = StderrSink(), Stream()
    monkeypatch.setattr(sys, "stderr", stream)
    sink.write(builders.two_locks("closed"))
    assert ["deadlock closed after 1.2 s  8c1f0a2b3d4e\n"] == stream.writes


@pytest.mark.parametrize(
    ("terminal", "variables", "colour"),
    [
        (True, {"TERM": "xterm"}, True),
        (False, {"TERM": "xterm"}, False),
        (True, {"TERM": "dumb"}, False),
        (True, {"TERM": "xterm", "NO_COLOR": "1"}, False),
    ],
)
def test_when_colour_suits_the_stream(
    terminal: bool, variables: dict[str, str], colour: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a terminal gets colours, and none when NO_COLOR or a dumb terminal says so."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(os, "get_terminal_size", lambda _: os.terminal_size((90, 20)))
    monkeypatch.setattr(Stream, "fileno", lambda _: 2)
    for name, value in {"COLUMNS": "", **variables}.items():
        monkeypatch.setenv(name, value)
    assert (colour, 90 if terminal else 120, False) == manner_of(Stream(terminal=terminal))


def test_when_the_encoding_lacks_box_characters(stream: Stream) -> None:
    """Boxes become ASCII, and a name that cannot be encoded is escaped instead of raising."""
    stream._encoding = "ascii"
    StderrSink().write(builders.two_locks(title="dépôt"))
    assert "deadlock [proven]  d\\xe9p\\xf4t | 1.2 s | +14 tasks behind them\n" in stream.getvalue()
    assert stream.getvalue().isascii()


def test_when_more_than_ten_findings_open_in_ten_seconds(stream: Stream) -> None:
    """Ten are shown, the rest counted, and the count is said when there is room again."""
    clock = Clock()
    sink = StderrSink(clock)
    for number in range(47):
        sink.write(finding(number))
    assert 10 == len(stream.writes)
    clock.now += 10
    sink.write(finding(100))
    note, _, rest = stream.writes[-1].partition("\n")
    assert "unstuck: 37 more findings in the last 10 s not shown; they are in the other sinks" == note
    assert rest.startswith("deadlock [proven]")


def test_when_a_finding_that_was_not_shown_goes_on_or_ends(stream: Stream) -> None:
    """Its end is not told, but while it lasts its update tells all of it."""
    clock = Clock()
    sink = StderrSink(clock)
    for number in range(12):
        sink.write(finding(number))
    sink.write(finding(10, "closed"))
    assert 10 == len(stream.writes)
    clock.now += 60
    sink.write(finding(11, "updated"))
    lines = stream.writes[-1].splitlines()
    assert "unstuck: 2 more findings in the last 1 min 0 s not shown; they are in the other sinks" == lines[0]
    assert "  ├─ id: id-11" in lines
    sink.write(finding(11, "closed"))
    assert "deadlock closed after 1.2 s  id-11\n" == stream.writes[-1]


def test_when_closed_with_findings_not_shown(stream: Stream) -> None:
    """The count is not lost at the end, and stderr stays open."""
    sink = StderrSink(Clock())
    for number in range(11):
        sink.write(finding(number))
    sink.close()
    assert "unstuck: 1 more finding in the last 10 s not shown; they are in the other sinks\n" == stream.writes[-1]
    assert not stream.closed


@pytest.mark.parametrize("wrong", [BrokenPipeError(), ValueError("I/O operation on closed file"), RuntimeError()])
def test_when_stderr_is_broken(stream: Stream, wrong: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sink stops without a word and never raises."""

    def fail(_: str) -> int:
        raise wrong

    sink = StderrSink()
    with monkeypatch.context() as patch:
        patch.setattr(stream, "write", fail)
        sink.write(finding(1))
    sink.write(finding(2))
    sink.close()
    assert [] == stream.writes


def test_when_stderr_would_block(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full pipe that may not block costs that text only."""

    def fail() -> None:
        raise BlockingIOError

    sink = StderrSink()
    with monkeypatch.context() as patch:
        patch.setattr(stream, "flush", fail)
        sink.write(finding(1))
    sink.write(finding(2))
    assert 2 == len(stream.writes)


def test_when_there_is_no_stderr(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process without standard error has a silent sink."""
    monkeypatch.setattr(sys, "stderr", None)
    sink = StderrSink()
    sink.write(finding(1))
    sink.close()
