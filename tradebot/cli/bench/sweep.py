"""The verb `bench sweep`: what a second core is worth to a sweep, on this machine."""

from __future__ import annotations

import os
import sys

import click

from tradebot.clock import WallClock
from tradebot.printing import aside, say, say_json

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@click.command()
@click.option("--trials", type=click.IntRange(10, 400), default=200, show_default=True, help="Sets of parameters.")
@click.option("--bars", type=click.IntRange(1_000, 500_000), default=50_000, show_default=True, help="Bars of each.")
@click.option("--workers", type=click.IntRange(1, 256), default=CORES, show_default="one a core", help="Processes.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def sweep(trials: int, bars: int, workers: int, as_json: bool) -> None:
    """Run the same sweep in one process and on one worker a core; the rows must be the same.

    Both times include the start and the end of what they need.
    """
    from tradebot.bench.report import described
    from tradebot.bench.sweep import measure

    def progress(what: str) -> None:
        if sys.stderr.isatty():
            aside(f"{what} ...")

    found = measure(trials=trials, bars=bars, workers=workers, clock=WallClock(), progress=progress)
    if as_json:
        say_json(found)
        return
    asked = found["asked"]
    say(f"{asked['trials']} trials of {asked['strategy']} over {asked['bars']:,} bars, rows {found['rows']}")
    say(f"one process   {found['one_process_s']:8.2f} s   {found['ms_a_trial']:.1f} ms a trial")
    say(f"{workers} processes   {found['processes_s']:8.2f} s   {found['trials_per_s']:.1f} trials/s")
    say(f"speed-up      {found['speedup']:8.2f}")
    if found["speedup_by_cpu"]:
        cpu = f"{found['one_process_cpu_s']:.2f} s of CPU and {found['processes_cpu_s']:.2f} s"
        say(f"by CPU time   {found['speedup_by_cpu']:8.2f}   what idle cores would give: {cpu}")
    say(described(found["machine"]))
