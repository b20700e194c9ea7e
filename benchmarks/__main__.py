"""``python -m benchmarks``: measure the rows and print the table.

Exit code 0: measured. 1: a budget is exceeded (only with ``--check``). 2: a row failed, or bad arguments.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from . import machine, results, stats, table
from .model import Row
from .modes import ROOT
from .results import Result
from .rows import PROGRAMS, ROWS
from .runner import Series, collect

LATEST = ROOT / "benchmarks" / "results" / "latest.json"
QUICK_RUNS, QUICK_SCALE = 3, 0.2


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="What the agent costs.")
    parser.add_argument("--row", action="append", choices=ROWS, metavar="NAME", help="one row (repeatable)")
    parser.add_argument("--list", action="store_true", help="name the rows and stop")
    parser.add_argument("--runs", type=int, default=None, help="samples of each row and mode (default 9)")
    parser.add_argument("--quick", action="store_true", help="3 runs, a fifth of the work: does it run?")
    parser.add_argument("--check", action="store_true", help="exit with 1 when a budget is exceeded")
    parser.add_argument("--json", type=Path, help=f"where to write (default, for all rows: {_short(LATEST)})")
    parser.add_argument(
        "--markdown",
        nargs="?",
        const="-",
        metavar="PAGE",
        help="measure nothing: print the file as Markdown, or paste it between PAGE's markers",
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; return the exit code."""
    options = parse(arguments)
    if options.list:
        print("\n".join(f"{row.name:20} {row.what}" for row in ROWS.values()))
        return 0
    if options.markdown:
        return _publish(options.json or LATEST, options.markdown)
    rows = [ROWS[name] for name in options.row or ROWS]
    runs = options.runs or (QUICK_RUNS if options.quick else 9)
    scale = QUICK_SCALE if options.quick else 1.0
    described = machine.describe()
    measured = measure(rows, runs, scale)
    print(table.plain(measured))
    target = options.json or (None if options.row or options.quick else LATEST)
    if target:
        results.save(target, described, runs, scale, measured)
        print(f"\nwritten to {_short(target)}")
    return exit_code(measured, options.check)


def measure(rows: Sequence[Row], runs: int, scale: float) -> list[Result]:
    """Run each program once, whatever number of rows read it."""
    series: dict[str, Series] = {}
    for name in dict.fromkeys(row.program for row in rows):
        print(f"{name} …", file=sys.stderr, flush=True)
        series[name] = collect(PROGRAMS[name], runs, scale)
    return [results.evaluate(row, series[row.program]) for row in rows]


def exit_code(measured: Sequence[Result], check: bool) -> int:
    """See the module."""
    if any(each.failure for each in measured):
        return 2
    return int(check and any(each.verdict == stats.OVER for each in measured))


def _publish(source: Path, page: str) -> int:
    text = table.markdown(*results.load(source))
    if page == "-":
        print(text)
    else:
        table.paste(Path(page), text)
    return 0


def _short(path: Path) -> str:
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)


if __name__ == "__main__":
    sys.exit(main())
