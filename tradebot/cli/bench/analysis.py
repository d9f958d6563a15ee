"""The benchmarks of `bench` that follow a close through the analysis: burst, startup."""

from __future__ import annotations

import click

from tradebot.cli.bench.paths import tell
from tradebot.cli.bench.rivals import progress, symbols_option
from tradebot.clock import WallClock


@click.command()
@symbols_option("50,500,5000")
@click.option(
    "--bursts", type=click.IntRange(2, 10_000), default=100, show_default=True, help="One symbol in 50 fires."
)
@click.option("--full", type=click.IntRange(1, 1000), default=4, show_default=True, help="Bursts where all fire.")
@click.option("--workers", default="auto", show_default=True, help='Worker processes, 0 for none, or "auto".')
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def burst(symbols: tuple[int, ...], bursts: int, full: int, workers: str, as_json: bool) -> None:
    """Close a bar of all symbols at one instant: how long to the last signal and to the last order on the wire.

    The whole daemon with its workers and its journal, over a venue in another process; eleven indicators a symbol.
    """
    from tradebot.bench.burst import Load, measure, verdicts
    from tradebot.bench.burst_daemon import Crew

    if workers != "auto" and not (workers.isascii() and workers.isdigit() and int(workers) <= 64):
        raise click.BadParameter(f"should be auto or a number up to 64, not {workers!r}", param_hint="--workers")
    chosen: Crew = "auto" if workers == "auto" else int(workers)
    load = Load(symbols=symbols, bursts=bursts, full=full, workers=chosen)
    tell(measure(load, clock=WallClock(), progress=progress), verdicts, as_json)


@click.command()
@symbols_option("500,5000")
@click.option("--bars", type=click.IntRange(60, 5_000), default=500, show_default=True, help="History of each symbol.")
@click.option("--repeats", type=click.IntRange(1, 100), default=3, show_default=True, help="Medians of so many.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def startup(symbols: tuple[int, ...], bars: int, repeats: int, as_json: bool) -> None:
    """Warm the indicators of all symbols up from bars in memory: time to the first close answered, and memory.

    How long a venue takes to hand the bars out is not in it.
    """
    from tradebot.bench.startup import Load, measure, verdicts

    load = Load(symbols=symbols, bars=bars, repeats=repeats)
    tell(measure(load, clock=WallClock(), progress=progress), verdicts, as_json)
