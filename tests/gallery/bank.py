"""examples/bank_transfer.py, which is given a minute instead of a second and a half before it gives up."""

from __future__ import annotations

import asyncio
import runpy
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

BANK = Path(__file__).parents[2] / "examples" / "bank_transfer.py"


def main() -> None:
    given = asyncio.wait

    def wait(tasks: Any, timeout: float) -> Coroutine[Any, Any, Any]:
        return given(tasks, timeout=60)

    asyncio.wait = wait  # type: ignore[assignment]
    sys.argv = ["examples/bank_transfer.py"]
    runpy.run_path(str(BANK), run_name="__main__")


if __name__ == "__main__":
    main()
