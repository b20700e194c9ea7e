"""Numbers as people write them in columns: ages, sizes, shares, counts."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable

SPARKS = "▁▂▃▄▅▆▇█"


def span(seconds: float) -> str:
    """A span of time, short: ``<1 ms``, ``250 ms``, ``1.2 s``, ``42 s``, ``4m12s``, ``3h05m``, ``2d04h``."""
    if not math.isfinite(seconds):
        return "?"
    if seconds < 0.0005:
        return "0 ms" if seconds <= 0 else "<1 ms"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02}m"
    return f"{whole // 86400}d{whole % 86400 // 3600:02}h"


def delay(seconds: float) -> str:
    """A delay, finer than a span: ``0.3 ms``, ``12 ms``, ``1.2 s``."""
    if not math.isfinite(seconds):
        return "?"
    if seconds < 0.00005:
        return "<0.1 ms" if seconds > 0 else "0 ms"
    return f"{seconds * 1000:.1f} ms" if seconds < 0.00995 else span(seconds)


def size(number: float) -> str:
    """Bytes in binary units, three digits: ``980 KiB``, ``24.5 MiB``, ``1.21 GiB``."""
    unit, *larger = "B", "KiB", "MiB", "GiB", "TiB"
    while number >= 1000 and larger:
        number, unit = number / 1024, larger.pop(0)
    if unit == "B" or number >= 99.95:
        return f"{number:.0f} {unit}"
    return f"{number:.1f} {unit}" if number >= 9.995 else f"{number:.2f} {unit}"


def share(part: float) -> str:
    """A share of one processor: ``0.3%``, ``12%``, ``140%``."""
    percent = part * 100
    if not math.isfinite(percent):
        return "?"
    return f"{percent:.1f}%" if percent < 9.95 else f"{percent:.0f}%"


def count(number: int) -> str:
    """A count with its thousands apart: ``12,034``."""
    return f"{number:,}"


def some(number: int, noun: str, nouns: str = "") -> str:
    """A count with its noun: ``1 task``, ``12,034 tasks``."""
    return f"{number:,} {noun if number == 1 else nouns or noun + 's'}"


def called(command: Iterable[str]) -> str:
    """A command line as one types it: without folders, and a package that is run by its name."""
    said: list[str] = []
    for word in command:
        folder, name = os.path.split(word) if word.startswith(os.sep) else ("", word)
        said += ("-m", os.path.basename(folder)) if name == "__main__.py" and folder else (name,)
    return " ".join(said)


def spark(values: list[float] | tuple[float, ...], width: int, top: float = 0.0) -> str:
    """A line of bars, the newest at the right; each stands for the highest of its share. ``top`` is full height."""
    if width <= 0 or not values:
        return ""
    per = max(1, math.ceil(len(values) / width))
    first = len(values) % per
    heads = [values[:first]] if first else []
    groups = heads + [values[start : start + per] for start in range(first, len(values), per)]
    peaks = [max(group) for group in groups][-width:]
    full = max(top, max(peaks), 1e-9)
    return "".join(SPARKS[_height(peak / full)] for peak in peaks)


def _height(part: float) -> int:
    """0 to 7: small values are told apart, too."""
    return int(math.sqrt(min(1.0, max(0.0, part))) * 7.999) if part == part else 0


def percentile(ordered: list[float], part: float) -> float:
    """The value below which this part of the ordered ones lies; 0 of none."""
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else 0.0
