"""The verb `bench`: measures this machine; its command `ticks` measures the whole tick path over real sockets."""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import Any

import click

from tradebot.cli.bench import baselines, daemon_paths, research
from tradebot.cli.bench.output import duration_s, json_option
from tradebot.clock import WallClock
from tradebot.printing import print_json

MAX_SYMBOLS = 9_000  # three streaming connections of 3,000
MAX_LENGTH_S = 3_600.0


@click.group(invoke_without_command=True)
@baselines.add_overview_options
@click.pass_context
def bench(context: click.Context, symbols: int, latency: str, as_json: bool) -> None:
    """Measure this machine; without a command a short look at quotes, indicators and pools, and what to choose."""
    if context.invoked_subcommand is None:
        baselines.show_overview(symbols, latency, as_json)


for command in (
    baselines.indicators,
    baselines.fetch,
    baselines.pool,
    daemon_paths.orders,
    daemon_paths.api,
    daemon_paths.start,
    research.sweep,
    research.backtest,
    daemon_paths.burst,
    daemon_paths.startup,
    daemon_paths.warmup,
    baselines.cycle,
    baselines.history,
):
    bench.add_command(command)


@bench.command()
@click.option("--symbols", type=click.IntRange(1, MAX_SYMBOLS), default=3000, show_default=True, help="How many tick.")
@click.option("--for", "length", default="60s", show_default=True, help="How long they tick.")
@click.option("--rate", type=click.FloatRange(0.1, 60), default=1.0, show_default=True, help="Ticks a second of each.")
@click.option("--strategy", default="ema_cross", show_default=True, help="A shipped name, file.py:Class, or none.")
@click.option("--interval", default="1s", show_default=True, help="Length of a bar: each is a close of all symbols.")
@click.option("--workers", default="1", show_default=True, help='Worker processes, 0 for none, or "auto".')
@click.option("--sustained", is_flag=True, help="As many as one core takes, from the socket to the bars, by rivals.")
@json_option
def ticks(
    symbols: int, length: str, rate: float, strategy: str, interval: str, workers: str, sustained: bool, as_json: bool
) -> None:
    """Stream ticks from an exchange in its own process into a daemon in another, and account for every one.

    With --sustained a server sends as fast as it is read, and what a tick costs is set beside the plain ways. The
    figures are for reading: the exit code tells only whether the measurement could be made.
    """
    if sustained:
        daemon_paths.measure_sustained_ticks(symbols, as_json)
        return
    from tradebot.bench.measuring.report import library_versions, machine_state
    from tradebot.bench.ticks.report import print_ticks, tick_verdicts
    from tradebot.bench.ticks.ticks import TickLoad
    from tradebot.cli.shared.tables import standard_console

    load = TickLoad(
        symbols=symbols,
        for_s=duration_s(length, longest_s=MAX_LENGTH_S),
        rate=rate,
        strategy=None if strategy == "none" else strategy,
        interval=interval,
        workers=workers,
    )
    box = machine_state()
    try:
        result = asyncio.run(_measure(load))
    except asyncio.CancelledError:
        raise click.Abort from None
    result |= {"machine": box, "versions": library_versions()}
    result["verdicts"] = tick_verdicts(result)
    if as_json:
        print_json(result)
    else:
        print_ticks(result, standard_console())


async def _measure(load: Any) -> dict[str, Any]:
    from rich.console import Console
    from rich.progress import Progress

    from tradebot.bench.ticks.ticks import measure_ticks

    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None, "this is a coroutine of a task"
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    errors = Console(stderr=True)
    with Progress(console=errors, transient=True, disable=not sys.stderr.isatty()) as bar:
        shown = bar.add_task(f"{load.symbols:,} symbols", total=None)
        return await measure_ticks(
            load, clock=WallClock(), progress=lambda done, total: bar.update(shown, completed=done, total=total)
        )
