"""The benchmarks of `bench` that set our way of doing a thing beside the others: indicators, fetch, pool, cycle."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import click

from tradebot.clock import WallClock
from tradebot.config.values import seconds
from tradebot.printing import aside, say_json

MOST_SYMBOLS = 20_000
MAX_LATENCY_S = 10.0
REPEATS = click.IntRange(1, 1000)
WIDE = 160  # columns, where no terminal says how many there are


def _numbers(context: click.Context, option: click.Parameter, text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and 1 <= int(part) <= MOST_SYMBOLS for part in parts):
        raise click.BadParameter(f"should be numbers from 1 to {MOST_SYMBOLS:,} such as 50,500, not {text!r}")
    return tuple(map(int, parts))


def symbols_option(default: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return the option `--symbols`: numbers, in turn."""
    return click.option("--symbols", callback=_numbers, default=default, show_default=True, help="How many, in turn.")


def _options(symbols: str, repeats: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    def add(command: Callable[..., None]) -> Callable[..., None]:
        for option in (
            click.option("--json", "as_json", is_flag=True, help="Print one JSON object."),
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
    from tradebot.bench.indicators import measure

    _tell(measure(symbols, window=window, repeats=repeats, clock=WallClock(), progress=progress), as_json)


@click.command()
@_options("10,50,100,1000", 1)
@click.option("--latency", default="200ms", show_default=True, help="What the server waits before each answer.")
def fetch(symbols: tuple[int, ...], repeats: int, latency: str, as_json: bool) -> None:
    """Fetch a quote of every symbol from a slow server on this machine: one by one, in pools, at once.

    Fetching one by one is measured on at most 50 symbols and scaled beyond.
    """
    from tradebot.bench.fetch import measure

    latency_s = _latency(latency)
    _tell(measure(symbols, latency_s=latency_s, repeats=repeats, clock=WallClock(), progress=progress), as_json)


@click.command()
@_options("1,10,50,200,1000", 15)
@click.option("--window", type=click.IntRange(60, 5_000), default=500, show_default=True, help="Bars of history.")
def pool(symbols: tuple[int, ...], repeats: int, window: int, as_json: bool) -> None:
    """Find from how many symbols on threads or processes pay for the way there and back."""
    from tradebot.bench.pool import measure

    _tell(measure(symbols, window=window, repeats=repeats, clock=WallClock(), progress=progress), as_json)


@click.command()
@click.option("--symbols", type=click.IntRange(1, MOST_SYMBOLS), default=500, show_default=True, help="How many.")
@click.option("--bars", type=click.IntRange(1_000, 1_000_000), default=100_000, show_default=True, help="Of each.")
@click.option("--dsn", default="", help="A PostgreSQL to measure too; the series BENCH00000 and on come and go there.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def history(symbols: int, bars: int, dsn: str, as_json: bool) -> None:
    """Write past bars and load them into arrays: our chunks, files of numpy, Parquet, DuckDB, a row a bar.

    All bars of the largest test are held at once: 40 bytes each, 2 GB for 500 symbols of 100,000. All symbols
    have a bar in the same minutes, as those of one market mostly do.
    """
    from tradebot.bench.history import measure

    _tell(measure(symbols=symbols, bars=bars, dsn=dsn, clock=WallClock(), progress=progress), as_json)


@click.command()
@_options("50", 3)
@click.option("--latency", default="200ms", show_default=True, help="What the server waits before each answer.")
@click.option("--window", type=click.IntRange(60, 5_000), default=500, show_default=True, help="Bars of history.")
def cycle(symbols: tuple[int, ...], repeats: int, latency: str, window: int, as_json: bool) -> None:
    """Fetch, compute eleven indicators and decide for every symbol: one by one, threads + processes, and our way."""
    from tradebot.bench.cycle import measure

    found = measure(
        symbols, latency_s=_latency(latency), window=window, repeats=repeats, clock=WallClock(), progress=progress
    )
    _tell(found, as_json)


def overview_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of `bench` without a command."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print one JSON object."),
        click.option("--latency", default="50ms", show_default=True, help="What the server of quotes waits."),
        click.option(
            "--symbols", type=click.IntRange(1, MOST_SYMBOLS), default=80, show_default=True, help="How many you watch."
        ),
    ):
        command = option(command)
    return command


def overview(symbols: int, latency: str, as_json: bool) -> None:
    """Take the short look and tell."""
    from tradebot.bench.overview import measure

    _tell(measure(symbols, latency_s=_latency(latency), clock=WallClock(), progress=progress), as_json)


def _latency(text: str) -> float:
    try:
        latency_s = seconds(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--latency") from None
    if latency_s > MAX_LATENCY_S:
        raise click.BadParameter(f"{MAX_LATENCY_S:g} s is the longest", param_hint="--latency")
    return latency_s


def progress(what: str) -> None:
    """Say on a terminal what is measured now."""
    if sys.stderr.isatty():
        aside(f"{what} ...")


def _tell(result: dict[str, Any], as_json: bool) -> None:
    from rich.console import Console

    from tradebot.bench.rivals import show

    if as_json:
        say_json(result)
    else:
        width = None if sys.stdout.isatty() else WIDE
        show(result, Console(highlight=False, soft_wrap=True, width=width))
