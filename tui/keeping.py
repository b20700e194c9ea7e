"""Findings kept as files: the text for people, the record for programs."""

from __future__ import annotations

import json
from pathlib import Path

from .picture import Record


def saved(record: Record, text: str, folder: Path | None = None) -> str:
    """Write both into the folder, the working folder if none is named; a sentence about what came of it."""
    try:
        path = _free((folder or Path.cwd()) / f"unstuck-{record['kind']}-{record['id']}")
        path.with_suffix(".txt").write_text(text, encoding="utf-8", errors="backslashreplace")
        body = json.dumps(record, ensure_ascii=False, indent=2) + "\n"
        path.with_suffix(".json").write_text(body, encoding="utf-8", errors="backslashreplace")
    except OSError as failed:
        return f"cannot be saved: {failed}"
    return f"saved as {path}.txt and .json"


def _free(base: Path) -> Path:
    """The path, with a number when there is such a file already: nothing is overwritten."""
    path, number = base, 2
    while path.with_suffix(".txt").exists() or path.with_suffix(".json").exists():
        path, number = base.with_name(f"{base.name}-{number}"), number + 1
    return path
