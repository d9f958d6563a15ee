"""Benchmarks for research: the cost of a bar and of an order in a backtest, and the gain from more cores."""

from __future__ import annotations

from pathlib import Path

import click

from tradebot.cli.bench.output import json_option, show_current, show_result
from tradebot.cli.shared.options import CPU_CORES
from tradebot.clock import WallClock
from tradebot.printing import print_json, print_line


@click.command()
@click.option(
    "--bars", type=click.IntRange(5_000, 5_000_000), default=500_000, show_default=True, help="Of one symbol."
)
@click.option("--symbols", type=click.IntRange(2, 5_000), default=500, show_default=True, help="How many together.")
@click.option("--bars-each", type=click.IntRange(100, 1_000_000), default=5_000, show_default=True, help="Of each.")
@click.option("--workers", type=click.IntRange(1, 256), default=CPU_CORES, show_default="one a core", help="Processes.")
@click.option("--repeats", type=click.IntRange(1, 100), default=5, show_default=True, help="The best of so many.")
@click.option("--rivals", type=click.Path(path_type=Path), help="Their Python.  [default: of `make rivals-env`]")
@json_option
def backtest(
    bars: int, symbols: int, bars_each: int, workers: int, repeats: int, rivals: Path | None, as_json: bool
) -> None:
    """Cross two averages on one symbol of many bars and on many of few: desk, gate, orders and charges on.

    us_a_bar and cpu_s are processor time of a whole run, workers included. Rivals fill at the same opens and know no
    orders, no gate and no states.
    """
    from tradebot.bench.backtest import backtest as benchmark

    found = benchmark.measure_backtests(
        bars=bars,
        symbols=symbols,
        bars_each=bars_each,
        workers=workers,
        repeats=repeats,
        rivals=rivals or benchmark.RIVALS_PYTHON,
        clock=WallClock(),
        progress=show_current,
    )
    if not as_json:
        costs, fills = found["order_us"]["signal_to_booked_fill"], found["order_us"]["fills"]
        pairs = zip(costs, fills, strict=True)
        found["advice"] = [
            f"an order, signal to booked fill: {cost:.1f} us in a run of {n:,} fills" for cost, n in pairs
        ]
        found["advice"] += [f"not measured: {line}" for line in found["absent"]]
    show_result(found, as_json)


@click.command()
@click.option("--trials", type=click.IntRange(10, 400), default=200, show_default=True, help="Sets of parameters.")
@click.option("--bars", type=click.IntRange(1_000, 500_000), default=50_000, show_default=True, help="Bars of each.")
@click.option("--workers", type=click.IntRange(1, 256), default=CPU_CORES, show_default="one a core", help="Processes.")
@json_option
def sweep(trials: int, bars: int, workers: int, as_json: bool) -> None:
    """Run the same sweep in one process and on one worker a core; the rows must be the same.

    Both times include the start and the end of what they need.
    """
    from tradebot.bench.backtest.sweep import measure_sweep
    from tradebot.bench.measuring.report import machine_line

    found = measure_sweep(trials=trials, bars=bars, workers=workers, clock=WallClock(), progress=show_current)
    if as_json:
        print_json(found)
        return
    asked = found["asked"]
    print_line(f"{asked['trials']} trials of {asked['strategy']} over {asked['bars']:,} bars, rows {found['rows']}")
    print_line(f"one process   {found['one_process_s']:8.2f} s   {found['ms_a_trial']:.1f} ms a trial")
    print_line(f"{workers} processes   {found['processes_s']:8.2f} s   {found['trials_per_s']:.1f} trials/s")
    print_line(f"speed-up      {found['speedup']:8.2f}")
    if found["speedup_by_cpu"]:
        cpu = f"{found['one_process_cpu_s']:.2f} s of CPU and {found['processes_cpu_s']:.2f} s"
        print_line(f"by CPU time   {found['speedup_by_cpu']:8.2f}   what idle cores would give: {cpu}")
    print_line(machine_line(found["machine"]))
