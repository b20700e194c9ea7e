"""Where and when the numbers were taken."""

from __future__ import annotations

import os
import platform
import sys
from datetime import UTC, datetime


def describe() -> dict[str, str]:
    """What a reader needs to compare numbers of two machines."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "build": " ".join(filter(None, [platform.python_compiler(), _build_flags()])),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cpu": _cpu(),
        "cores": str(os.cpu_count()),
        "load": " ".join(f"{load:.2f}" for load in os.getloadavg()),
    }


def _build_flags() -> str:
    free_threaded = not getattr(sys, "_is_gil_enabled", lambda: True)()
    debug = hasattr(sys, "gettotalrefcount")
    return ", ".join([*["free-threaded"] * free_threaded, *["debug build"] * debug])


def _cpu() -> str:
    try:
        with open("/proc/cpuinfo") as lines:
            names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or "unknown"
