"""``python -m tests.apps.eager NAME`` runs an application while the agent need not save processor time.

Its looks at old waits live on an allowance of a thousandth of the time; in seconds it sees here what takes it hours.
"""

from __future__ import annotations

import asyncio  # noqa: F401 - switches the agent on
import runpy
import sys

from unstuck.agent import api, prospects

if __name__ == "__main__":
    prospects.SAVED = api.current().pipeline.proving.prospects._allowance = 10.0
    sys.argv = [f"tests.apps.{sys.argv[1]}", *sys.argv[2:]]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
