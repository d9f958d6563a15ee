"""Hold the desk against the frozen one: every message of many days to both, and what they say compared line by line.

    python tests/oracle/oracle.py --seeds 2000 [--from N]

Plays the corpus, random days and simulated days. Says how far it is, and ends with 1 at the first difference: the day,
the message, both lists. The kill sweeps are with `pytest -m prove tests/oracle`.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EVERY_S = 10.0  # between two lines of progress


def main() -> int:
    """Hold the days asked for; returns 1 at the first difference."""
    parser = argparse.ArgumentParser(description="Hold the desk against the frozen one.")
    parser.add_argument("--seeds", type=int, default=2000, metavar="N", help="simulated days")
    parser.add_argument("--from", type=int, default=1, dest="first", metavar="N", help="the first seed")
    parser.add_argument(
        "--random", type=int, default=None, metavar="N", help="random days; by default as many as seeds"
    )
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    sys.path[:0] = [str(ROOT)]
    from tests.oracle.days import Tally, hold, old_days
    from tests.oracle.vendor import REVISION
    from tradebot.simulation.seed_batch import SimulatedDay

    randoms = asked.seeds if asked.random is None else asked.random
    days: list[SimulatedDay | int] = [*old_days(), *range(asked.first, asked.first + randoms)]
    days += map(SimulatedDay, range(asked.first, asked.first + asked.seeds))
    sys.stderr.write(f"oracle: {len(days)} days against the desk of {REVISION[:12]}\n")
    tally, said_at = Tally(), time.monotonic()
    for held in hold(days, workers=asked.workers):
        tally.add(held)
        if held.difference:
            sys.stdout.write(f"{held.what}: the desks differ\n{held.difference}\n")
            sys.stdout.flush()
            return 1
        if time.monotonic() - said_at > EVERY_S:
            said_at = time.monotonic()
            sys.stderr.write(f"oracle: {tally} of {len(days)}\n")
    sys.stdout.write(f"{tally}; no difference\n")
    for name, counts in (("messages", tally.messages), ("outputs", tally.outputs)):
        sys.stdout.write(f"{name}: {', '.join(f'{kind} {count:,}' for kind, count in counts.most_common())}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
