"""How a finding is set out on a terminal: columns, line breaks, colour, box characters."""

from __future__ import annotations

from ..findings import Event, Finding
from .columns import Columns
from .rows import Row
from .telling import Block, Teller
from .text import age, cells_of, count_of, cut, fill, flow, wrap

_STYLES = {
    "proven": "1;31", "suspected": "1;33", "potential": "1;36", "box": "2", "place": "36", "task": "1",
    "holds": "33", "waits": "31", "takes": "31", "blocks": "31", "name": "1", "note": "1;34", "id": "2", "help": "1;32",
}  # fmt: skip
LEAST_WIDTH = 40
BOX = {"first": "┌─", "next": "├─", "last": "└─", "bar": "│", "dot": "·", "cut": "…"}
ASCII = {"first": ",-", "next": "|-", "last": "`-", "bar": "|", "dot": "|", "cut": "..."}


class Page:
    """A page of ``width`` columns, drawn with ``glyphs``; ``colour`` adds ANSI styles."""

    def __init__(self, colour: bool, width: int, glyphs: dict[str, str]) -> None:
        self.colour, self.width, self.glyphs = colour, width, glyphs

    def _paint(self, style: str, text: str) -> str:
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if self.colour and text and style in _STYLES else text

    def one_line(self, event: Event) -> str:
        """An event of a finding that was told before: closed, retracted or still there."""
        finding, span = event.finding, age(event.finding.age_s)
        kind = self._paint(finding.verdict, finding.kind)
        said = {
            "closed": f"{kind} closed after {span}",
            "retracted": f"{kind} retracted: the tasks moved after all {self.glyphs['dot']} {span}",
        }.get(event.event)
        if said is None and finding.happened:
            return f"{kind} [{finding.verdict}] again: {finding.title}  {self._paint('id', finding.id)}"
        if said is None:
            still = f"{kind} [{finding.verdict}] still there after {span}"
            said = f" {self.glyphs['dot']} ".join([still, *Teller(finding).behind()])
        return f"{said}  {self._paint('id', finding.id)}".rstrip()

    def diagnostic(self, finding: Finding) -> list[str]:
        """The whole finding, line by line."""
        teller = Teller(finding)
        tasks, more = teller.shown()
        blocks = [teller.block(task) for task in tasks]
        footers = list(teller.footers())
        columns = Columns.fitting([row for block in blocks for row in block.rows], self.width)
        lines = self._headline(teller.headline(self.glyphs["dot"]), finding)
        marks = ["first"] + ["next"] * (len(blocks) + bool(more) + len(footers))
        for block in blocks:
            lines += self._block(block, marks.pop(0), columns)
        if more:
            lines.append(f"  {self._mark(marks.pop(0))} {self.glyphs['cut']} and {count_of(more, 'more task')}")
        for label, text, fixed in footers[:-1]:
            lines += self._footer(marks.pop(0), label, text, fixed)
        return lines + self._footer("last", *footers[-1])

    def _headline(self, text: str, finding: Finding) -> list[str]:
        lines = [line.replace("\xa0", " ") for line in wrap(text, self.width, "    ")]
        start = f"{finding.kind} [{finding.verdict}]"
        return [lines[0].replace(start, self._paint(finding.verdict, start), 1), *lines[1:]]

    def _block(self, block: Block, mark: str, columns: Columns) -> list[str]:
        place = f"{self._paint('place', block.place)}  " if block.place else ""
        head = f"  {self._mark(mark)} {place}{self._paint('task', block.who)}"
        lines = [head]
        if block.trace and 7 + sum(map(cells_of, (block.place, block.who, block.trace))) + 2 <= self.width:
            lines = [f"{head}  {block.trace}"]
        elif block.trace:
            lines.append(f"  {self._bar}  {block.trace}")
        for row in block.rows:
            lines += [f"  {self._bar} {line}".rstrip() for line in self._row(row, columns)]
        return lines

    def _row(self, row: Row, columns: Columns) -> list[str]:
        empty = " " * (columns.gutter + 2 * bool(columns.gutter))
        number = row.gutter.rjust(columns.gutter) if row.gutter.isdecimal() else row.gutter
        start = self._paint("box", fill(number, columns.gutter)) + empty[columns.gutter :]
        code = cut(row.code, columns.code, self.glyphs["cut"])
        facts = self._facts(row, columns)
        if not columns.beside:
            return ([start + code] if row.code or row.gutter else []) + [f"{empty}  {fact}" for fact in facts]
        rest = [f"{empty}{' ' * columns.code}  {fact}" for fact in facts[1:]]
        return [start + fill(code, columns.code) + "".join(f"  {fact}" for fact in facts[:1]), *rest]

    def _facts(self, row: Row, columns: Columns) -> list[str]:
        """The verb and the facts, on as many lines as they need."""
        if not row.facts:
            return []
        name = row.facts[0]
        first, *rest = flow(row.facts, columns.facts, columns.name)
        verb = self._paint(row.verb, row.verb) + " " * (columns.verb - len(row.verb)) + "  "
        indent = " " * (columns.verb + 2)
        return [f"{verb}{self._paint('name', name)}{first[len(name) :]}", *(indent + line for line in rest)]

    def _footer(self, mark: str, label: str, text: str, fixed: str) -> list[str]:
        indent = " " * (len(label) + 2)
        lines = wrap(text, self.width - 5 - len(indent))
        if fixed and lines[-1] and cells_of(lines[-1]) + 3 + len(fixed) <= self.width - 5 - len(indent):
            lines[-1] += f"   {fixed}"
        elif fixed:
            lines = [*filter(None, lines), fixed]
        bar = " " if mark == "last" else self._bar
        head = f"  {self._mark(mark)} {self._paint(label, label)}: {lines[0]}"
        return [head, *(f"  {bar}  {indent}{line}" for line in lines[1:])]

    def _mark(self, name: str) -> str:
        return self._paint("box", self.glyphs[name])

    @property
    def _bar(self) -> str:
        return self._paint("box", self.glyphs["bar"])
