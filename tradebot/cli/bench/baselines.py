"""Benchmarks that compare our way with baselines: indicators, fetch, pool, history, cycle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from tradebot.cli.bench.output import MAX_SYMBOLS, duration_s, json_option, show_current, show_result, symbols_option
from tradebot.clock import WallClock

MAX_LATENCY_S = 10.0
REPEATS = click.IntRange(1, 1000)


def _options(symbols: str, repeats: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    def add(command: Callable[..., None]) -> Callable[..., None]:
        for option in (
            json_option,
            click.option("--repeats", type=REPEATS, default=repeats, show_default=True, help="Medians of so many."),
            symbols_option(symbols),
        ):
            command = option(command)
        return command

    return add


@click.command()
@_options("50,500,5000", 7)
@click.option("--window", type=click.IntRange(60, 5_000), default=500, show_default=True, help="Bars of history.")
def indicators(symbols: tuple[int, ...], repeats: int, window: int, as_json: bool) -> None:
    """Compute eleven indicators for one new bar of every symbol, by rivals in turns.

    What is timed is the cost of the newest values: the whole window again, or one step of a carried state.
    """
    from tradebot.bench.analysis.indicators import measure_indicators

    _tell(
        measure_indicators(symbols, window=window, repeats=repeats, clock=WallClock(), progress=show_current), as_json
    )


@click.command()
@_options("10,50,100,1000", 1)
@click.option("--latency", default="200ms", show_default=True, help="What the server waits before each answer.")
def fetch(symbols: tuple[int, ...], repeats: int, latency: str, as_json: bool) -> None:
    """Fetch a quote of every symbol from a slow server on this machine: one by one, in pools, at once.

    Fetching one by one is measured on at most 50 symbols and scaled beyond.
    """
    from tradebot.bench.data.fetch import measure_fetch

    latency_s = _latency(latency)
    _tell(
        measure_fetch(symbols, latency_s=latency_s, repeats=repeats, clock=WallClock(), progress=show_current), as_json
    )


@click.command()
@_options("1,10,50,200,1000", 15)
@click.option("--window", type=click.IntRange(60, 5_000), default=500, show_default=True, help="Bars of history.")
def pool(symbols: tuple[int, ...], repeats: int, window: int, as_json: bool) -> None:
    """Find from how many symbols on threads or processes pay for the way there and back."""
    from tradebot.bench.analysis.pool import measure_pools

    _tell(measure_pools(symbols, window=window, repeats=repeats, clock=WallClock(), progress=show_current), as_json)


@click.command()
@click.option("--symbols", type=click.IntRange(1, MAX_SYMBOLS), default=500, show_default=True, help="How many.")
@click.option("--bars", type=click.IntRange(1_000, 1_000_000), default=100_000, show_default=True, help="Of each.")
@click.option("--dsn", default="", help="A PostgreSQL to measure too; the series BENCH00000 and on come and go there.")
@json_option
def history(symbols: int, bars: int, dsn: str, as_json: bool) -> None:
    """Write past bars and load them into arrays: our chunks, files of numpy, Parquet, DuckDB, a row a bar.

    All bars of the largest test are held at once: 40 bytes each, 2 GB for 500 symbols of 100,000. All symbols
    have a bar in the same minutes, as those of one market mostly do.
    """
    from tradebot.bench.data.history import measure_history

    _tell(measure_history(symbols=symbols, bars=bars, dsn=dsn, clock=WallClock(), progress=show_current), as_json)


@click.command()
@_options("50", 3)
@click.option("--latency", default="200ms", show_default=True, help="What the server waits before each answer.")
@click.option("--window", type=click.IntRange(60, 5_000), default=500, show_default=True, help="Bars of history.")
def cycle(symbols: tuple[int, ...], repeats: int, latency: str, window: int, as_json: bool) -> None:
    """Fetch, compute eleven indicators and decide for every symbol: one by one, threads + processes, and our way."""
    from tradebot.bench.analysis.cycle import measure_cycle

    found = measure_cycle(
        symbols, latency_s=_latency(latency), window=window, repeats=repeats, clock=WallClock(), progress=show_current
    )
    _tell(found, as_json)


def add_overview_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of `bench` without a command to `command`."""
    for option in (
        json_option,
        click.option("--latency", default="50ms", show_default=True, help="What the server of quotes waits."),
        click.option(
            "--symbols", type=click.IntRange(1, MAX_SYMBOLS), default=80, show_default=True, help="How many you watch."
        ),
    ):
        command = option(command)
    return command


def show_overview(symbols: int, latency: str, as_json: bool) -> None:
    """Run the short measurement of `bench` without a command, and print the result."""
    from tradebot.bench.overview import measure_overview

    _tell(measure_overview(symbols, latency_s=_latency(latency), clock=WallClock(), progress=show_current), as_json)


def _latency(text: str) -> float:
    return duration_s(text, longest_s=MAX_LATENCY_S, option="--latency")


def _tell(result: dict[str, Any], as_json: bool) -> None:
    show_result(result, as_json, soft_wrap=True)
