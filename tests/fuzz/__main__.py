"""``python -m tests.fuzz``: random programs until one fails, or as many as are asked for."""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter

import hypothesis

from .campaign import campaign

BATCH = 1_000


def main() -> int:
    """Run campaigns; 1 when one failed, the smallest failing program printed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--programs", type=int, default=0, help="how many; until interrupted when 0")
    parser.add_argument("--seed", type=int, default=random.randrange(10**9))
    options = parser.parse_args()
    total, began, left = Counter[str](), time.monotonic(), options.programs
    version = ".".join(map(str, sys.version_info[:2]))
    try:
        for seed in range(options.seed, sys.maxsize):
            count = min(BATCH, left) if options.programs else BATCH
            print(f"seed {seed}, {count} programs, python {version}", flush=True)
            total.update(campaign(count, seed))
            left -= count
            if options.programs and left <= 0:
                break
    except (AssertionError, hypothesis.errors.Flaky) as failed:
        print(f"FAILED {failed}", *getattr(failed, "__notes__", ()), sep="\n")
        return 1
    except KeyboardInterrupt:
        print()
    print(f"{report(total)}; {time.monotonic() - began:.0f} s")
    print("; ".join(f"{count} {key}" for key, count in sorted(total.items()) if "suspected," in key))
    return 0


def report(counts: Counter[str]) -> str:
    """What was seen, in shares of the programs and of the tasks that hung."""
    programs, hung, tasks = max(1, counts["programs"]), max(1, counts["hung"]), max(1, counts["tasks hung"])
    beyond = max(1, counts["beyond reach"])
    return (
        f"{counts['programs']} programs: {counts['hung'] / programs:.0%} hung, "
        f"{counts['proven'] / programs:.0%} with something proven, {counts['suspected'] / programs:.0%} suspected; "
        f"of those that hung {counts['hung and told'] / hung:.0%} were told; "
        f"of the tasks that hung {counts['tasks told proven'] / tasks:.0%} proven, "
        f"{counts['tasks told suspected'] / tasks:.0%} suspected; "
        f"of those beyond anybody's reach {counts['beyond reach and proven'] / beyond:.0%} proven"
    )


if __name__ == "__main__":
    sys.exit(main())
