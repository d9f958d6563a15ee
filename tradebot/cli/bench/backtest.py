"""The verb `bench backtest`: what a bar and an order of a backtest cost here, beside tools without an order machine."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from tradebot.clock import WallClock
from tradebot.printing import aside, say_json

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@click.command()
@click.option(
    "--bars", type=click.IntRange(5_000, 5_000_000), default=500_000, show_default=True, help="Of one symbol."
)
@click.option("--symbols", type=click.IntRange(2, 5_000), default=500, show_default=True, help="How many together.")
@click.option("--bars-each", type=click.IntRange(100, 1_000_000), default=5_000, show_default=True, help="Of each.")
@click.option("--workers", type=click.IntRange(1, 256), default=CORES, show_default="one a core", help="Processes.")
@click.option("--repeats", type=click.IntRange(1, 100), default=5, show_default=True, help="The best of so many.")
@click.option("--rivals", type=click.Path(path_type=Path), help="Their Python.  [default: of `make rivals-env`]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def backtest(
    bars: int, symbols: int, bars_each: int, workers: int, repeats: int, rivals: Path | None, as_json: bool
) -> None:
    """Cross two averages on one symbol of many bars and on many of few: desk, gate, orders and charges on.

    us_a_bar and cpu_s are processor time of a whole run, workers included. Rivals fill at the same opens and know no
    orders, no gate and no states.
    """
    from rich.console import Console

    from tradebot.bench import backtest as benchmark
    from tradebot.bench.rivals import show
    from tradebot.cli.shared.tables import WIDE

    def progress(what: str) -> None:
        if sys.stderr.isatty():
            aside(f"{what} ...")

    found = benchmark.measure(
        bars=bars,
        symbols=symbols,
        bars_each=bars_each,
        workers=workers,
        repeats=repeats,
        rivals=rivals or benchmark.RIVALS,
        clock=WallClock(),
        progress=progress,
    )
    if as_json:
        say_json(found)
        return
    costs, fills = found["order_us"]["signal_to_booked_fill"], found["order_us"]["fills"]
    pairs = zip(costs, fills, strict=True)
    advice = [f"an order, signal to booked fill: {cost:.1f} us in a run of {n:,} fills" for cost, n in pairs]
    advice += [f"not measured: {line}" for line in found["absent"]]
    show(found | {"advice": advice}, Console(highlight=False, width=None if sys.stdout.isatty() else WIDE))
