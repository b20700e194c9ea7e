"""What threads have spent of the processor, as the kernel counts it: who has spent nothing has not moved.

Laws:
- Threads are named by the kernel's id. Where the kernel does not tell (outside Linux), nothing is said.
- Some kernels count in milliseconds, and many a turn of a loop takes less: whoever concludes from an unchanged count
  without a second look asks first whether it ``counts_finely``.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from functools import cache
from itertools import pairwise

_FINE = 5_000
"""Nanoseconds: less than any thread needs to wake up, take the interpreter and go to sleep again."""


def cpu_ns(native: int | None) -> int | None:
    """Nanoseconds of processor time of a thread by its kernel's id.

    The clock is named the way Linux does it (``CPUCLOCK_PERTHREAD | CPUCLOCK_SCHED``): unlike
    ``pthread_getcpuclockid`` that is an error, not a crash, for a thread that has just ended.
    """
    if native is None or sys.platform != "linux":
        return None
    try:
        return time.clock_gettime_ns((~native << 3) | 6)
    except OSError:
        return None


@cache
def counts_finely() -> bool:
    """Whether the kernel counts what takes microseconds."""
    own = threading.get_native_id()
    readings = [cpu_ns(own) for _ in range(20)]
    pairs = [(before, after) for before, after in pairwise(readings) if before is not None and after is not None]
    return any(0 < after - before < _FINE for before, after in pairs)


def others() -> dict[int, int] | None:
    """What each other thread of this process, Python's or not, has spent; None where that cannot be told finely."""
    if not counts_finely():
        return None
    try:
        threads = set(map(int, os.listdir("/proc/self/task"))) - {threading.get_native_id()}
    except OSError:
        return None
    spent = {thread: count for thread in threads if (count := cpu_ns(thread)) is not None}
    return spent if len(spent) == len(threads) else None


def is_runnable(native: int | None) -> bool:
    """Whether the kernel has the thread on, or queued for, a processor (Linux only; else False)."""
    try:
        with open(f"/proc/self/task/{native}/stat", "rb") as stat:
            return stat.read().rpartition(b") ")[2][:1] == b"R"
    except OSError:
        return False
