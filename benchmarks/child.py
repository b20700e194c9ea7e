"""One sample: ``python -m benchmarks.child PROGRAM MODE SCALE`` prints it as one line of JSON."""

from __future__ import annotations

import json
import sys

from .modes import enter
from .rows import PROGRAMS


def main(program: str, mode: str, scale: str) -> None:
    """Run ``program`` once in ``mode`` and print its sample."""
    enter(mode)
    print(json.dumps(PROGRAMS[program].run(mode, float(scale))))


if __name__ == "__main__":
    main(*sys.argv[1:])
