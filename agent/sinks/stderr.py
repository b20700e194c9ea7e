"""The sink for people: a finding as a diagnostic in the manner of a good compiler.

Laws:
- ``render`` is a pure function: first what there is to say (``_Teller``), then how it is set out (``_Page``).
- A diagnostic is one ``write``, so that it does not mix with what the program prints.
- It goes to the ``sys.stderr`` of that moment, as a logger's does: who redirects it (a test runner, a
  daemon) gets the findings too. It is never closed here, and what goes wrong with it ends this sink only.
- At most SHOWN diagnostics in WINDOW seconds, the rest is counted and said. A finding whose opening was
  not shown is told in full when it is updated, and not at all when it ends.
- Names come from the program: what is not printable in them is escaped, never sent to a terminal.
"""

from __future__ import annotations

import math
import os
import re
import sys
import textwrap
import time
import unicodedata
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..findings import Event, Finding
from ..snapshot import Held, Place, ResourceView, TaskView
from ..source import short

SHOWN, WINDOW = 10, 10.0
_MOST_TASKS, _MOST_FRAMES, _MOST_HOLDS, _MOST_NAMES, _MOST_HIDDEN = 6, 5, 4, 3, 1000
_FILE_WIDTH, _LEAST_WIDTH, _LEAST_CODE, _MOST_NAME = 120, 40, 40, 40
_ASYNCIO = re.compile(r"[/\\](?:python3\.\d+t?|Lib)[/\\]asyncio[/\\]")
_LOOP = re.compile(_ASYNCIO.pattern + r"(?:events|base_events|runners)\.py$")
_LIBRARY = re.compile(r"^<|[/\\](?:lib(?:64)?[/\\]python3\.\d+t?|Lib|site-packages|dist-packages)[/\\]")
_STYLES = {
    "proven": "1;31", "suspected": "1;33", "potential": "1;36", "box": "2", "place": "36", "task": "1",
    "holds": "33", "waits": "31", "blocks": "31", "name": "1", "note": "1;34", "id": "2", "help": "1;32",
}  # fmt: skip
_BOX = {"first": "┌─", "next": "├─", "last": "└─", "bar": "│", "dot": "·", "cut": "…"}
_ASCII = {"first": ",-", "next": "|-", "last": "`-", "bar": "|", "dot": "|", "cut": "..."}


def render(event: Event, colour: bool, width: int, ascii_only: bool = False) -> str:
    """What a terminal of ``width`` columns shows of the event, ending in a newline.

    The whole diagnostic for ``opened``, one line for the others. ``ascii_only`` draws without box characters.
    """
    page = _Page(colour, max(width, _LEAST_WIDTH), _ASCII if ascii_only else _BOX)
    lines = page.diagnostic(event.finding) if event.event == "opened" else [page.one_line(event)]
    return "\n".join(lines) + "\n"


def age(seconds: float) -> str:
    """A span of time as people say it: ``250 ms``, ``1.2 s``, ``3 min 20 s``."""
    if seconds < 0.0005:
        return "<1 ms"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for unit, part, name, part_name in ((86400, 3600, "d", "h"), (3600, 60, "h", "min"), (60, 1, "min", "s")):
        if whole >= unit:
            return f"{whole // unit} {name} {whole % unit // part} {part_name}"
    return f"{whole} s"


def waiting_place(stack: Sequence[Place]) -> Place | None:
    """The line at which the program waits: its innermost frame that is not asyncio's own."""
    innermost = stack[-1] if stack else None
    return next((place for place in reversed(stack) if not _ASYNCIO.search(place.file)), innermost)


@dataclass(frozen=True, slots=True)
class _Row:
    """A line of source and what it means. The first of ``facts`` is the name; no fact is ever broken."""

    gutter: str
    code: str
    verb: str = ""
    facts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Block:
    """One task: where it stands, who it is, its rows."""

    place: str
    who: str
    trace: str
    rows: tuple[_Row, ...]


class _Teller:
    """What there is to say about a finding, in plain text."""

    def __init__(self, finding: Finding) -> None:
        self.finding = finding
        self.tasks = {task.id: task for task in finding.tasks}
        self.resources = {resource.id: resource for resource in finding.resources}
        self.labels = {**_distinct(finding.tasks), **_distinct(finding.resources)}
        self.wanted = {task.waits_for for task in finding.tasks}
        self.told: set[str] = set()

    def headline(self, dot: str) -> str:
        """The first line. What must not be torn apart at a line's end has no-break spaces."""
        finding = self.finding
        rest = [f"{dot} {part}".replace(" ", "\xa0") for part in (age(finding.age_s), *self.behind())]
        return " ".join([f"{finding.kind} [{finding.verdict}]  {_clean(finding.title)}", *rest])

    def behind(self) -> list[str]:
        count, them = self.finding.victims, "it" if len(self.finding.core) == 1 else "them"
        return [f"+{_count(count, 'task')} behind {them}"] if count else []

    def shown(self) -> tuple[list[TaskView], int]:
        """The tasks to show, and how many more there are like them."""
        core = list(self.finding.core or self.finding.tasks)
        if self.finding.kind == "slow-wait":  # those in the way are half of that story
            core += [task for task in self.finding.tasks if task not in core]
        return core[:_MOST_TASKS], len(core[_MOST_TASKS:])

    def block(self, task: TaskView) -> _Block:
        blocked = self.finding.kind == "blocked-loop"
        here = waiting_place(task.stack)
        if blocked and task.stack:
            places = _below_loop(task.stack)
            here = places[_own(places)[-1]]
        rows = _culprit(task.stack) if blocked else [*self.holding(task, here), self.waiting(task, here)]
        coro = _clean(_bare(task.coro))
        who = f"{self.labels[task.id]} ({coro})" if coro and coro != task.name else self.labels[task.id]
        trace = f"trace {_clean(task.trace_id)}" if task.trace_id else ""
        return _Block(_where(here) if here else "", who, trace, tuple(rows))

    def holding(self, task: TaskView, here: Place | None) -> Iterator[_Row]:
        """One row for each held resource that matters; what somebody waits for comes first."""
        ranked = sorted(task.holds, key=lambda held: held.resource not in self.wanted)
        for held in ranked[:_MOST_HOLDS]:
            yield self.held(held, here)
        if len(ranked) > _MOST_HOLDS:
            yield _Row("", "", "holds", (f"{len(ranked) - _MOST_HOLDS} more",))

    def held(self, held: Held, here: Place | None) -> _Row:
        taken = held.taken_at
        facts = self.named(held.resource)
        if taken is None:
            return _Row("", "", "holds", facts)
        if here is None or taken.file != here.file:  # a bare line number would be read as one of this file
            return _Row("", _code(taken), "holds", (*facts, f"taken at {_where(taken)}"))
        return _Row(str(taken.line), _code(taken), "holds", facts)

    def waiting(self, task: TaskView, here: Place | None) -> _Row:
        facts = [*self.waited_for(task)]
        if task.waiting_s > self.finding.age_s + 1:
            facts.append(f"for {age(task.waiting_s)}")
        if task.deadline_s is not None:
            certain = math.isfinite(task.deadline_s)
            facts.append(f"times out in {age(task.deadline_s)}" if certain else "may end by a timeout")
        return _Row(str(here.line) if here else "", _code(here) if here else "", "waits", tuple(facts))

    def waited_for(self, task: TaskView) -> Iterator[str]:
        resource = self.resources.get(task.waits_for or "")
        edges = [edge for edge in self.finding.edges if edge.source == task.id and edge.relation == "joins"]
        if resource is not None:
            yield from self.named(resource.id)
            if resource.holders:
                yield self.holders(resource, task)
        elif edges or task.waits_for in self.tasks:
            ids = dict.fromkeys([edge.target for edge in edges] or [str(task.waits_for)])
            yield f"for {'task' if len(ids) == 1 else 'tasks'} {self.listing(ids)}"
        else:
            yield _clean(task.waits_for or "here")

    def holders(self, resource: ResourceView, task: TaskView) -> str:
        units = Counter(resource.holders)
        count = f"its {resource.units} units " if (resource.units or 1) > 1 else ""
        return f"{count}held by {self.listing(units, task.id)}"

    def named(self, resource: str) -> tuple[str, ...]:
        """Its name, and where it was made when that was not said before."""
        view = self.resources.get(resource)
        if view is None or view.created_at is None or resource in self.told:
            return (self.labels.get(resource, _clean(resource)),)
        self.told.add(resource)
        return self.labels[resource], f"made at {_where(view.created_at)}"

    def listing(self, ids: Iterable[str], me: str = "") -> str:
        """Names of tasks as one says them, those of the core first."""
        every = list(ids)
        known = [key for key in every if key in self.tasks]
        known.sort(key=lambda key: self.tasks[key].role != "core")
        names = ["itself" if key == me else self.labels[key] for key in known[:_MOST_NAMES]]
        more = len(every) - len(names)
        if more:
            names.append(f"{more} more" if names else f"{_count(more, 'task')} not shown")
        return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"

    def footers(self) -> Iterator[tuple[str, str, str]]:
        """(label, text, what should stay on one line after it)."""
        if self.finding.note:
            yield "note", _clean(self.finding.note), ""
        if self.finding.id:
            yield "id", self.finding.id, ""
        yield "help", _clean(self.finding.help), f"(unstuck explain {self.finding.kind})"


class _Page:
    """How it is set out: columns, line breaks, colour, box characters."""

    def __init__(self, colour: bool, width: int, glyphs: dict[str, str]) -> None:
        self.colour, self.width, self.glyphs = colour, width, glyphs

    def paint(self, style: str, text: str) -> str:
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if self.colour and text and style in _STYLES else text

    def one_line(self, event: Event) -> str:
        finding, span = event.finding, age(event.finding.age_s)
        kind = self.paint(finding.verdict, finding.kind)
        said = {
            "closed": f"{kind} closed after {span}",
            "retracted": f"{kind} retracted: the tasks moved after all {self.glyphs['dot']} {span}",
        }.get(event.event)
        if said is None:
            still = f"{kind} [{finding.verdict}] still there after {span}"
            said = f" {self.glyphs['dot']} ".join([still, *_Teller(finding).behind()])
        return f"{said}  {self.paint('id', finding.id)}".rstrip()

    def diagnostic(self, finding: Finding) -> list[str]:
        teller = _Teller(finding)
        tasks, more = teller.shown()
        blocks = [teller.block(task) for task in tasks]
        footers = list(teller.footers())
        columns = _Columns.fitting([row for block in blocks for row in block.rows], self.width)
        lines = self.headline(teller.headline(self.glyphs["dot"]), finding)
        marks = ["first"] + ["next"] * (len(blocks) + bool(more) + len(footers))
        for block in blocks:
            lines += self.block(block, marks.pop(0), columns)
        if more:
            lines.append(f"  {self.mark(marks.pop(0))} {self.glyphs['cut']} and {_count(more, 'more task')}")
        for label, text, fixed in footers[:-1]:
            lines += self.footer(marks.pop(0), label, text, fixed)
        return lines + self.footer("last", *footers[-1])

    def headline(self, text: str, finding: Finding) -> list[str]:
        lines = [line.replace("\xa0", " ") for line in _wrap(text, self.width, "    ")]
        start = f"{finding.kind} [{finding.verdict}]"
        return [lines[0].replace(start, self.paint(finding.verdict, start), 1), *lines[1:]]

    def block(self, block: _Block, mark: str, columns: _Columns) -> list[str]:
        place = f"{self.paint('place', block.place)}  " if block.place else ""
        head = f"  {self.mark(mark)} {place}{self.paint('task', block.who)}"
        lines = [head]
        if block.trace and 7 + sum(map(_cells, (block.place, block.who, block.trace))) + 2 <= self.width:
            lines = [f"{head}  {block.trace}"]
        elif block.trace:
            lines.append(f"  {self.bar}  {block.trace}")
        for row in block.rows:
            lines += [f"  {self.bar} {line}".rstrip() for line in self.row(row, columns)]
        return lines

    def row(self, row: _Row, columns: _Columns) -> list[str]:
        empty = " " * (columns.gutter + 2 * bool(columns.gutter))
        number = row.gutter.rjust(columns.gutter) if row.gutter.isdecimal() else row.gutter
        start = self.paint("box", _fill(number, columns.gutter)) + empty[columns.gutter :]
        code = _cut(row.code, columns.code, self.glyphs["cut"])
        facts = self.facts(row, columns)
        if not columns.beside:
            return ([start + code] if row.code or row.gutter else []) + [f"{empty}  {fact}" for fact in facts]
        rest = [f"{empty}{' ' * columns.code}  {fact}" for fact in facts[1:]]
        return [start + _fill(code, columns.code) + "".join(f"  {fact}" for fact in facts[:1]), *rest]

    def facts(self, row: _Row, columns: _Columns) -> list[str]:
        """The verb and the facts, on as many lines as they need."""
        if not row.facts:
            return []
        name = row.facts[0]
        first, *rest = _flow(row.facts, columns.facts, columns.name)
        verb = self.paint(row.verb, row.verb) + " " * (columns.verb - len(row.verb)) + "  "
        indent = " " * (columns.verb + 2)
        return [f"{verb}{self.paint('name', name)}{first[len(name) :]}", *(indent + line for line in rest)]

    def footer(self, mark: str, label: str, text: str, fixed: str) -> list[str]:
        indent = " " * (len(label) + 2)
        lines = _wrap(text, self.width - 5 - len(indent))
        if fixed and lines[-1] and _cells(lines[-1]) + 3 + len(fixed) <= self.width - 5 - len(indent):
            lines[-1] += f"   {fixed}"
        elif fixed:
            lines = [*filter(None, lines), fixed]
        bar = " " if mark == "last" else self.bar
        head = f"  {self.mark(mark)} {self.paint(label, label)}: {lines[0]}"
        return [head, *(f"  {bar}  {indent}{line}" for line in lines[1:])]

    def mark(self, name: str) -> str:
        return self.paint("box", self.glyphs[name])

    @property
    def bar(self) -> str:
        return self.paint("box", self.glyphs["bar"])


@dataclass(frozen=True, slots=True)
class _Columns:
    """Widths in terminal cells. ``beside``: facts stand beside the code, not below it."""

    gutter: int
    code: int
    verb: int
    name: int
    facts: int
    beside: bool

    @classmethod
    def fitting(cls, rows: list[_Row], width: int) -> _Columns:
        """Columns for these rows: long code gives way to the facts, but never to less than _LEAST_CODE."""
        gutter, verb = _widest(row.gutter for row in rows), _widest(row.verb for row in rows)
        code = _widest(row.code for row in rows)
        name = min(_MOST_NAME, _widest(row.facts[0] for row in rows if len(row.facts) > 1))
        room = width - 4 - (gutter + 2) * bool(gutter)
        wide = room - verb - 4
        needed = _widest("  ".join((_fill(row.facts[0], name), *row.facts[1:])) for row in rows if row.facts)
        beside = min(code, max(wide - needed, _LEAST_CODE))
        if wide - beside >= _widest(fact for row in rows for fact in row.facts):
            return cls(gutter, beside, verb, name, wide - beside, True)
        return cls(gutter, room, verb, name, wide, False)


class StderrSink:
    """Writes diagnostics to standard error. ``clock`` gives monotonic seconds."""

    name = "stderr"

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._shown: deque[float] = deque(maxlen=SHOWN)
        self._hidden: dict[str, None] = {}
        self._missed, self._missed_since = 0, 0.0
        self._stopped = False

    def write(self, event: Event) -> None:
        """Show the event, unless too many were shown just now."""
        now, unseen = self._clock(), event.finding.id in self._hidden
        full = len(self._shown) == SHOWN and now - self._shown[0] < WINDOW
        if event.event == "updated" and unseen:
            event = replace(event, event="opened")
        if event.event != "opened":
            self._hidden.pop(event.finding.id, None)
            if not unseen:
                self._emit(event, "" if full else self._missing(now))
        elif full:
            self._hide(event.finding.id, now)
        else:
            self._hidden.pop(event.finding.id, None)
            self._shown.append(now)
            self._emit(event, self._missing(now))

    def close(self) -> None:
        """Say what was not shown. Standard error itself stays open."""
        self._emit(None, self._missing(self._clock()))
        self._stopped = True

    def _hide(self, finding: str, now: float) -> None:
        if finding not in self._hidden:
            self._missed_since = self._missed_since if self._missed else now
            self._missed += 1
        self._hidden[finding] = None
        if len(self._hidden) > _MOST_HIDDEN:
            del self._hidden[next(iter(self._hidden))]

    def _missing(self, now: float) -> str:
        if not self._missed:
            return ""
        count, self._missed = _count(self._missed, "more finding"), 0
        span = age(max(WINDOW, now - self._missed_since))
        return f"unstuck: {count} in the last {span} not shown; they are in the other sinks\n"

    def _emit(self, event: Event | None, before: str) -> None:
        stream = sys.stderr
        if self._stopped or stream is None:
            return
        text = before + (render(event, *manner_of(stream)) if event else "")
        try:
            if text:
                stream.write(_encodable(text, stream))
                stream.flush()
        except BlockingIOError:
            pass  # a full pipe that may not block: this text is lost, the next may pass
        except Exception:  # noqa: BLE001 (broken pipe, closed file, or whatever the program put in its place)
            self._stopped = True


def manner_of(stream: Any) -> tuple[bool, int, bool]:
    """Whether in colour, how wide, and whether in ASCII only: what suits the stream."""
    try:
        terminal = bool(stream.isatty())
        columns = os.get_terminal_size(stream.fileno()).columns if terminal else 0
    except Exception:  # noqa: BLE001 (a stand-in for a stream may lack or refuse any of it)
        terminal, columns = False, 0
    colour = terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    told = os.environ.get("COLUMNS", "")
    width = int(told) if told.isdecimal() else columns
    return colour, width or _FILE_WIDTH, not _takes_boxes(stream)


def _takes_boxes(stream: Any) -> bool:
    try:
        "".join(_BOX.values()).encode(getattr(stream, "encoding", None) or "utf-8")
    except (UnicodeError, LookupError, TypeError):
        return False
    return True


def _encodable(text: str, stream: Any) -> str:
    """The text with what the stream's encoding lacks escaped, whatever its own error handler does."""
    encoding = getattr(stream, "encoding", None)
    try:
        return text.encode(encoding, "backslashreplace").decode(encoding) if encoding else text
    except (LookupError, TypeError):
        return text.encode("ascii", "backslashreplace").decode("ascii")


def _culprit(stack: Sequence[Place]) -> Iterator[_Row]:
    """The program's innermost frames below the loop, and last the frame that blocks, if a library's."""
    places = _below_loop(stack)
    last, own = len(places) - 1, _own(places)
    if not own:
        return
    picked = own[-_MOST_FRAMES:] if own[-1:] == [last] else [*own[1 - _MOST_FRAMES :], last]
    for before, index in zip([picked[0] - 1, *picked], picked, strict=False):
        if index - before > 1:
            yield _Row("", f"({_count(index - before - 1, 'library frame')})")
        place, final = places[index], index == last
        yield _Row(_where(place), _code(place), "blocks" if final else "", ("the loop",) if final else ())


def _below_loop(stack: Sequence[Place]) -> list[Place]:
    """What the loop called, without asyncio's frames; all frames when nothing else is there."""
    loop = max((index for index, place in enumerate(stack) if _LOOP.search(place.file)), default=-1)
    return [place for place in stack[loop + 1 :] if not _ASYNCIO.search(place.file)] or list(stack)


def _own(places: Sequence[Place]) -> list[int]:
    """Indexes of the frames that are the program's own; of all when none is."""
    own = [index for index, place in enumerate(places) if not _LIBRARY.search(place.file)]
    return own or list(range(len(places)))


def _distinct(views: Sequence[TaskView] | Sequence[ResourceView]) -> dict[str, str]:
    """A printable label by id, no two alike."""
    often = Counter(view.name for view in views)
    return {view.id: _clean(view.name) + (f" ({view.id})" if often[view.name] > 1 else "") for view in views}


def _where(place: Place) -> str:
    return f"{_clean(short(place.file))}:{place.line}"


def _code(place: Place) -> str:
    return _clean(place.code) or f"in {_clean(_bare(place.function))}"


def _bare(qualname: str) -> str:
    return qualname.rpartition("<locals>.")[2]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _clean(text: str) -> str:
    if text.isprintable():
        return text
    spaced = text.replace("\t", " ")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in spaced)


def _cells(text: str) -> int:
    """How many terminal columns the text takes."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 1 + (unicodedata.east_asian_width(c) in "WF") for c in text)


def _widest(texts: Iterable[str]) -> int:
    return max(map(_cells, texts), default=0)


def _fill(text: str, cells: int) -> str:
    return text + " " * (cells - _cells(text))


def _cut(text: str, cells: int, mark: str) -> str:
    if _cells(text) <= cells:
        return text
    text = text[:cells]
    while text and _cells(text) + len(mark) > cells:
        text = text[:-1]
    return text.rstrip() + mark


def _flow(facts: Sequence[str], cells: int, name: int) -> list[str]:
    """The facts on lines of at most so many cells; the first is followed at a common column."""
    lines = [facts[0]]
    for fact in facts[1:]:
        joined = f"{_fill(lines[-1], name if len(lines) == 1 else 0)}  {fact}"
        if _cells(joined) <= cells:
            lines[-1] = joined
        else:
            lines.append(fact)
    return lines


def _wrap(text: str, width: int, indent: str = "") -> list[str]:
    wrapper = textwrap.TextWrapper(width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return wrapper.wrap(text) or [""]
