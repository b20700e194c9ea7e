"""A recording as text for a terminal: a summary, then each case as the agent prints it, with its timeline.

Law: what comes from the recording is printable by the time it is printed.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...agent.sinks.stderr import render
from ...agent.sinks.text import clean, count_of, fill, widest, wrap
from ..history import Case, History, Life
from ..recorded import Reading
from .words import Clock, begin, extent, fate, lasted, names, period, selected, tallies

_STYLES = {"proven": "1;31", "suspected": "1;33", "potential": "1;36", "strong": "1", "weak": "2"}
_MOST_LIVES, _MOST_PROCESSES = 12, 10
_HEADS = ("findings", "times", "open", "retracted")


class Account:
    """A recording, told to a terminal of ``width`` columns."""

    def __init__(self, history: History, reading: Reading, files: tuple[str, ...], manner: tuple[bool, int, bool]):
        self.history, self.reading, self.files = history, reading, files
        self.colour, self.width, self.ascii = manner
        self.clock = Clock.of(history)
        self.dot = "|" if self.ascii else "·"

    def lines(self) -> Iterator[str]:
        """The whole account, line by line."""
        yield from self._summary()
        taken_back = False
        for case in self.history.cases:
            if not case.counts and not taken_back:
                taken_back = True
                yield from ("", self._paint("strong", "Retracted, so they stand for nothing:"))
            yield ""
            yield from self._diagnostic(case)
            yield from self._timeline(case)
        if self.history.left_out:
            yield from ("", f"and {count_of(self.history.left_out, 'more finding')}, too many to be kept")

    def _paint(self, style: str, text: str) -> str:
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if self.colour and text.strip() and style in _STYLES else text

    def _summary(self) -> Iterator[str]:
        yield self._paint("strong", clean(", ".join(self.files)))
        yield from wrap(f"{period(self.history)} {self.dot} {extent(self.history)}", self.width, "  ")
        if self.reading.skipped:
            yield f"{count_of(self.reading.skipped, 'line')} could not be read"
        if self.history.cases:
            yield ""
            yield from self._table()
        if len(self.history.processes) > 1:
            yield ""
            yield from self._processes()

    def _table(self) -> Iterator[str]:
        rows = tallies(self.history)
        kind, verdict = widest(row.kind for row in rows), widest(row.verdict for row in rows)
        yield self._paint("weak", " " * (kind + verdict + 4) + "".join(head.rjust(len(head) + 3) for head in _HEADS))
        for row in rows:
            numbers = zip(_HEADS, (row.cases, row.times, row.open, row.retracted), strict=True)
            cells = "".join((str(number) if number else self.dot).rjust(len(head) + 3) for head, number in numbers)
            name = self._paint(row.verdict, row.verdict) + " " * (verdict - len(row.verdict))
            yield f"  {fill(row.kind, kind)}  {name}{cells}"

    def _processes(self) -> Iterator[str]:
        shown = self.history.processes[:_MOST_PROCESSES]
        pid = widest(str(each.pid) for each in shown)
        for each in shown:
            span = f"{self.clock.time(each.first)} to {self.clock.time(each.last)}"
            yield f"  process {each.pid:>{pid}}  {span}  {count_of(each.findings, 'finding')}"
        if len(self.history.processes) > len(shown):
            yield f"  and {len(self.history.processes) - len(shown)} more processes"

    def _diagnostic(self, case: Case) -> list[str]:
        event = case.event()
        if event is None:
            head = f"{case.kind} [{case.verdict}]  {clean(case.title)}"
            return [head, f"  too large to be kept   id: {case.id}"]
        return render(event, self.colour, self.width, self.ascii).rstrip("\n").split("\n")

    def _timeline(self, case: Case) -> Iterator[str]:
        shown = list(selected(case.lives, case.times, _MOST_LIVES))
        lives = [each for each in shown if isinstance(each, Life)]
        pid = widest(str(life.pid) for life in lives)
        span = widest(lasted(life) for life in lives)
        for each in shown:
            if isinstance(each, Life):
                yield from self._life(each, pid, span, case.times > 1)
            else:
                yield f"    ... {each} more times"

    def _life(self, life: Life, pid: int, span: int, named: bool) -> Iterator[str]:
        start = f"    {self.clock.time(begin(life))}  "
        if span:
            start += f"{lasted(life).rjust(span)}  "
        start += f"pid {life.pid:<{pid}}  "
        said = [*fate(life, self.clock)]
        if named and life.who:
            said.append(f"of {names(life.who)}")
            said += [f"trace\xa0{trace}" for trace in life.traces]
        told = f" {self.dot} ".join(clean(part).replace("\\xa0", "\xa0") for part in said)
        first, *rest = wrap(told, max(30, self.width - len(start)))
        yield self._paint("weak", start) + first.replace("\xa0", " ")
        yield from (" " * len(start) + line.replace("\xa0", " ") for line in rest)
