"""Looking where the threads stand, while threads come and go and the collector runs code of the program's."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
from pathlib import Path

from unstuck.agent.standing import _guarded, current_frames

ROOT = Path(__file__).resolve().parents[1]
BUSY = """
import gc, sys, threading, time, weakref
sys.setswitchinterval(1e-6)
gc.set_threshold(50, 2, 2)
ends = time.monotonic() + 1.5

class Node:
    pass

def garbage():
    kept = []
    while time.monotonic() < ends:
        node = Node()
        node.itself = node
        kept[:] = [*kept[-20:], weakref.ref(node, lambda _: sum(range(50)))]

def comings_and_goings():
    while time.monotonic() < ends:
        thread = threading.Thread(target=int)
        thread.start()
        thread.join()

def look():
    while time.monotonic() < ends:
        LOOK()

threads = [threading.Thread(target=each) for each in (garbage, comings_and_goings, comings_and_goings, look, look)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("ended", gc.isenabled())
"""


def run_busy(look: str) -> str:
    """What the busy program prints when it looks that way. TimeoutExpired when it stands still."""
    done = subprocess.run(
        [sys.executable, "-c", look + BUSY.replace("LOOK", "current_frames")],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        timeout=30,
    )
    return done.stdout + done.stderr


def test_when_threads_come_and_go_and_garbage_is_collected() -> None:
    """The program goes on: up to 3.11.8 the interpreter's own call makes this very program stand still."""
    assert "ended True\n" == run_busy("from unstuck.agent.standing import current_frames")


def test_when_the_collector_is_off_or_on() -> None:
    """It is left as it was."""
    enabled = gc.isenabled()
    try:
        for switch, expected in ((gc.disable, False), (gc.enable, True)):
            switch()
            assert threading.get_ident() in _guarded()
            assert threading.get_ident() in current_frames()
            assert expected is gc.isenabled()
    finally:
        (gc.enable if enabled else gc.disable)()
