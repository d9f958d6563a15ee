"""Loads the bars that the options of `backtest` and `sweep` name: from the history, from files, or invented."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click

from tradebot.cli.shared.progress import Progress
from tradebot.printing import print_error_line

SAMPLE_DAYS = 120


class BacktestBars(NamedTuple):
    """The bars of a backtest with their instruments; all have one interval."""

    instruments: tuple[Any, ...]
    series: Mapping[str, Any]
    invented: tuple[str, ...] = ()  # symbols with invented prices


def load_requested_bars(config: Any, given: Mapping[str, Any], show_progress: Progress) -> BacktestBars:
    """Return the bars that `bar_options` name, after the data checks. Raises DataError or UsageError."""
    from tradebot.cli.shared.history import accepted_jumps_of
    from tradebot.history.data_quality import require_testable
    from tradebot.history.interval import parse_interval
    from tradebot.history.resample import resample_series
    from tradebot.markets.symbols import parse_symbols

    symbols = parse_symbols(given["symbols"], cwd=Path.cwd()) if given["symbols"] else ()
    interval = parse_interval(given["interval"]) if given["interval"] else 0
    if given["sample"]:
        if given["data"] != "history":
            raise click.UsageError("--sample makes its own bars; leave out --data")
        found = _sample(symbols)
    elif given["data"] == "history":
        found = _from_history(
            config, symbols or config.app.symbols, interval or parse_interval(str(config.bars.interval))
        )
    else:
        found = _from_files(Path(given["data"]), symbols, interval, given, show_progress)
    if interval:
        exchanges = {i.symbol: i.exchange for i in found.instruments}
        series = {name: resample_series(one, interval, exchanges[name]) for name, one in found.series.items()}
        found = found._replace(series=series)
    gaps, accepted = given["accept_gaps"], () if given["sample"] else accepted_jumps_of(config)
    require_testable(found.series, found.instruments, accept_gaps=gaps, accepted=accepted)
    return found


def _sample(symbols: Sequence[str]) -> BacktestBars:
    from tradebot.backtest.sample import SYMBOLS, sample_bars

    universe, series = sample_bars(symbols or SYMBOLS, days=SAMPLE_DAYS)
    return BacktestBars(universe.instruments, series, universe.symbols)


def _from_history(config: Any, symbols: Sequence[str], interval: int) -> BacktestBars:
    from tradebot.cli.shared.history import open_configured_history
    from tradebot.errors import DataError
    from tradebot.history.frames import stored_interval

    if not symbols:
        raise DataError("say which bars: --symbols RELIANCE,TCS from the history, --data PATH, or --sample")
    with open_configured_history(config) as history:
        by_length: dict[int, list[str]] = {}
        for symbol in symbols:
            by_length.setdefault(stored_interval(history, symbol, interval), []).append(symbol)
        series: dict[str, Any] = {}
        instruments: dict[str, Any] = {}
        invented: list[str] = []
        for stored, names in by_length.items():
            series |= history.load_series(names, stored)
            instruments |= {name: history.instrument_of(name, stored) for name in names}
            invented += [instruments[name].symbol for name in names if history.price_inventor(name, stored)]
    return BacktestBars(
        tuple(instruments[name] for name in symbols),
        {instruments[name].symbol: series[name] for name in symbols},
        tuple(invented),
    )


def _from_files(
    path: Path, symbols: Sequence[str], lone: int, given: Mapping[str, Any], tell: Progress
) -> BacktestBars:
    from tradebot.errors import DataError
    from tradebot.history.exchange_calendar import load_zone
    from tradebot.history.files.rows import ParseOptions
    from tradebot.history.importing import ImportOptions, read_files

    if given["zone"]:
        load_zone(given["zone"])  # a wrong zone is refused even when the files do not need it
    wanted = ParseOptions(zone=given["zone"], time_format=given["time_format"])
    terms = ImportOptions(exchange=given["exchange"], lone_interval=lone, are_end_stamps=given["stamps"] == "end")
    bare = [symbol.removeprefix(f"{terms.exchange.upper()}:") for symbol in symbols]
    with tempfile.TemporaryDirectory() as scratch:
        read = read_files(path, Path(scratch), parse_options=wanted, options=terms, symbols=bare, progress=tell)
    for note in read.notes:
        print_error_line(note)
    late = sum(read.unsorted.values())
    for count, words in ((read.duplicates, "that say the same as one before"), (late, "that come after later ones")):
        if count and not given["accept_gaps"]:
            raise DataError(
                f"{path}: rows {words}: {count}; `tradebot data import` puts that right, or say --accept-gaps"
            )
    return BacktestBars(tuple(read.instruments), read.series)
