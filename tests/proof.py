"""The heavier figures of the test programme, one after the other, with a table of what ran and what failed.

`make proof-long SCALE=10` runs ten times the figures, SCALE=0.2 a fifth, PARTS="cuts fuzz" some of them. `make test`
runs a smaller figure of each on every change, `make simulate-long` many simulated days and then these.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[1]
LONGEST_S = 4 * 3600


class Part(NamedTuple):
    """One part: `figure` of what is run at scale 1, and the environment that asks for it, a number a variable."""

    what: str
    figure: int
    tests: str
    variable: str = ""
    each: int = 1  # the variable's unit holds this many of the figure


PARTS = {
    "table": Part("events deep, every path of two orders", 8, "tests/domain/test_order_machine.py", "TRADEBOT_DEPTH"),
    "days": Part("random days of 50 steps against a model", 3_000, "tests/trading/desk/test_orders_follow_a_venue.py",
                 "TRADEBOT_DAYS"),
    "sweeps": Part("random bytecodes of twenty scenarios, besides every boundary", 3_000, "tests/crash/test_sweeps.py",
                   "TRADEBOT_KILLS", 20),
    "kills": Part("kills of the whole daemon under load", 150, "tests/crash/test_daemon_kills.py", "TRADEBOT_KILLS", 2),
    "cuts": Part("power cuts", 2_000, "tests/crash/test_power_cuts.py", "TRADEBOT_KILLS"),
    "fuzz": Part("spoiled answers of the venue", 2_000_000, "tests/venues/kite/test_kite_fuzz.py",
                 "TRADEBOT_FUZZ"),
    "leaks": Part("orders through desk and journal, memory held", 50_000, "tests/trading/desk/test_leaks.py",
                  "TRADEBOT_ORDERS"),
}  # fmt: skip
UNSCALED = ("table",)  # ten times as deep would not end


class Done(NamedTuple):
    """What became of a part."""

    figure: int
    said: str
    seconds: float
    is_kept: bool


def run(name: str, scale: float) -> Done:
    """Run one part to its end; what its tests say goes to standard error."""
    part, began = PARTS[name], time.monotonic()
    figure = part.figure if name in UNSCALED else max(round(part.figure * scale), part.each)
    env = {k: v for k, v in os.environ.items() if not k.startswith("TRADEBOT_")}
    env |= {part.variable: str(max(1, figure // part.each))}
    command = [sys.executable, "-m", "pytest", "-q", "-W", "ignore", f"--timeout={LONGEST_S}", part.tests]
    done = subprocess.run(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True, check=False)
    sys.stderr.write(done.stdout)
    last = [line for line in done.stdout.splitlines() if re.search(r"\d+ (passed|failed|error)", line)]
    said = re.sub(r" in .*", "", last[-1]) if last else f"pytest ended with {done.returncode}"
    return Done(figure, said, time.monotonic() - began, done.returncode == 0)


def hunt() -> Done:
    """Hunt every seeded bug."""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "tests/bugs/hunt.py"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False
    )
    sys.stderr.write(done.stdout)
    said = done.stdout.strip().rpartition("\n")[2]
    return Done(int(said.split()[2]) if "caught" in said else 0, said, time.monotonic() - began, done.returncode == 0)


def main() -> int:
    """Run the parts asked for, by default all; returns 1 when one failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("parts", nargs="*", metavar="part", help=f"some of {', '.join((*PARTS, 'bugs'))}")
    parser.add_argument("--scale", type=float, default=1.0)
    asked = parser.parse_args()
    names = asked.parts or [*PARTS, "bugs"]
    if unknown := [name for name in names if name not in (*PARTS, "bugs")]:
        parser.error(f"there is no part {', '.join(unknown)}; there are {', '.join((*PARTS, 'bugs'))}")
    table = Table("part", "figure", "what", "said", "minutes", title="The test programme at its heavier figures")
    is_kept = True
    for name in names:
        what = "seeded bugs" if name == "bugs" else PARTS[name].what
        Console(stderr=True).print(f"{name}: {what}")
        done = hunt() if name == "bugs" else run(name, asked.scale)
        is_kept &= done.is_kept
        said = done.said if done.is_kept else f"[red]{done.said}[/red]"
        table.add_row(name, f"{done.figure:,}", what, said, f"{done.seconds / 60:.1f}")
    Console(width=None if sys.stdout.isatty() else 160).print(table)
    return 0 if is_kept else 1


if __name__ == "__main__":
    sys.exit(main())
