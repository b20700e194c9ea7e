"""A dashboard without a screen: ``python -m benchmarks.onlooker FOLDER`` attaches to the process of that folder.

For each line on standard input, a number of seconds, it attaches, says ``on``, reads for that long, leaves, and says
what it saw as a line of JSON. It runs in a process of its own, as a dashboard does, and touches no task.
"""

from __future__ import annotations

import json
import sys
import time

from unstuck.agent import wire
from unstuck.tui.connection import Connection, Process, processes
from unstuck.tui.picture import Picture


def main(folder: str) -> None:
    """Attach and leave as told."""
    (process,) = processes([folder])
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(watch(process, float(line))), flush=True)


def watch(process: Process, seconds: float) -> dict[str, float]:
    """What was seen: updates, rows, the longest time without an update, and how many tasks were known at the end."""
    end, rows, updates, gap = time.monotonic() + seconds, 0, 0, 0.0
    with Connection(process) as talk:
        picture = Picture(talk.greeting)
        print("on", flush=True)
        last = time.monotonic()
        for frame in talk.frames(seconds):
            picture.apply(frame)
            if isinstance(frame, wire.Update):
                now = time.monotonic()
                gap, last = max(gap, now - last), now
                updates, rows = updates + 1, rows + len(frame.tasks)
            if time.monotonic() > end:
                break
    return {"updates": updates, "rows": rows, "gap": gap, "known": len(picture.tasks)}


if __name__ == "__main__":
    main(sys.argv[1])
