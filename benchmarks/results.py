"""From samples to results, and the file between two runs of the tool.

The file is one JSON object: ``v`` (1), ``machine``, ``runs``, ``scale`` and ``rows``, a list in the order of
the table. Each row bears its definition, its summary and every single sample by mode.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from . import stats
from .model import DEBUG, DIFFERENCE, RATIO, Row
from .runner import Series
from .stats import Summary


@dataclass(frozen=True, slots=True)
class Result:
    """One row, measured. ``summary`` is of what is compared with the budget; None where nothing was measured."""

    row: Row
    summary: Summary | None
    verdict: str
    medians: dict[str, float]
    debug_ratio: float | None
    samples: dict[str, list[float]]
    failure: str = ""
    skipped: str = ""


def evaluate(row: Row, series: Series) -> Result:
    """Read one row from the samples of its program."""
    if series.skipped:
        return Result(row, None, "skipped", {}, None, {}, skipped=series.skipped)
    if series.failure:
        return Result(row, None, "failed", {}, None, {}, series.failure)
    samples = {mode: series.numbers(mode, row.number) for mode in series.samples}
    summary = stats.summarise(_compared(row, samples))
    medians = {mode: stats.summarise(numbers).median for mode, numbers in samples.items()}
    verdict = stats.judge(summary, row.budget)
    return Result(row, summary, verdict, medians, _debug_ratio(row, samples), samples)


def _compared(row: Row, samples: dict[str, list[float]]) -> list[float]:
    if row.compare == RATIO:
        return stats.ratios(samples[row.subject], samples[row.base])
    if row.compare == DIFFERENCE:
        return stats.differences(samples[row.subject], samples[row.base])
    return samples[row.subject]


def _debug_ratio(row: Row, samples: dict[str, list[float]]) -> float | None:
    if DEBUG not in samples or row.compare != RATIO:
        return None
    return stats.summarise(stats.ratios(samples[DEBUG], samples[row.base])).median


def save(path: Path, machine: dict[str, str], runs: int, scale: float, results: Iterable[Result]) -> None:
    """Write the file, its folder included."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [asdict(each) for each in results]
    whole = {"v": 1, "machine": machine, "runs": runs, "scale": scale, "rows": rows}
    path.write_text(json.dumps(whole, indent=1) + "\n")


def load(path: Path) -> tuple[dict[str, Any], list[Result]]:
    """Read the file back: the whole object, and its rows as results."""
    whole: dict[str, Any] = json.loads(path.read_text())
    return whole, [_result(each) for each in whole["rows"]]


def _result(record: dict[str, Any]) -> Result:
    row, summary = Row(**record["row"]), record["summary"]
    return Result(**record | {"row": row, "summary": Summary(**summary) if summary else None})
