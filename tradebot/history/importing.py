"""Imports files of bars into the history, all or none; memory is bounded for files of any size.

file ──tables──▶ rows ──▶ staging (scratch file) ──chunks──▶ history, in one transaction
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from tradebot.clock import DAY, Clock, WallClock
from tradebot.domain.home_exchange import HOME_EXCHANGE
from tradebot.domain.instrument import Instrument
from tradebot.domain.market import SERIES_COLUMNS, BarSeries
from tradebot.errors import DataError
from tradebot.history.bar_lengths import look_like_end_stamps
from tradebot.history.exchange_calendar import INDIA, date_of_day, exchange_days, require_known_exchange, zone_of
from tradebot.history.files.rows import ParseOptions, RowParser
from tradebot.history.files.tables import open_bar_file
from tradebot.history.files.text_files import bar_files, symbol_from_name
from tradebot.history.history import History
from tradebot.history.merging import WriteCounts
from tradebot.history.staging import StagedSymbol, Staging, StagingOptions
from tradebot.markets.exchanges import TICK_RULE_EXCHANGES, YAHOO_SUFFIXES
from tradebot.markets.listing import universe_for
from tradebot.markets.ticks import tick_of

END_STAMPS_NOTE = "times look like the ends of their bars, and are taken for their starts; say --stamps end if so"

Progress = Callable[[str, int, int], None]  # (what, done, total)


class ImportOptions(NamedTuple):
    """What the files of bars do not state themselves."""

    exchange: str = HOME_EXCHANGE  # where the symbols trade
    interval: int = 0  # ns, 0 to find it out from the rows
    price_decimals: int | None = None  # round prices to so many; None keeps all
    table: str = ""  # the table of a DuckDB file
    lone_interval: int = 0  # ns; the interval of single bars, which do not show it
    are_end_stamps: bool = False  # times are the ends of bars
    keep: str = ""  # which of two differing bars of one start to keep: first, last, "" refuses them


class ImportedSeries(NamedTuple):
    """The result of an import for one series; `unsorted` counts the rows that came after later ones."""

    symbol: str
    interval: int
    counts: WriteCounts
    unsorted: int


class ImportReport(NamedTuple):
    """The result of an import."""

    series: list[ImportedSeries]
    skipped: dict[str, int]  # reason -> rows left out
    duplicates: int  # rows that repeat an earlier one exactly
    notes: list[str]  # other sentences for the user


class FileBars(NamedTuple):
    """The bars of files; `unsorted` counts by symbol the rows that came after later ones."""

    instruments: list[Instrument]
    series: dict[str, BarSeries]
    skipped: dict[str, int]
    duplicates: int
    unsorted: dict[str, int]
    notes: list[str]


def import_files(
    path: Path,
    history: History,
    scratch_dir: Path,
    *,
    parse_options: ParseOptions,
    options: ImportOptions,
    clock: Clock | None = None,
    progress: Progress = lambda what, done, total: None,
) -> ImportReport:
    """Write the bars of a file or folder into the history. Raises DataError and then writes nothing."""
    with _staging(scratch_dir, options, clock) as staging:
        skipped, notes = _stage(path, staging, parse_options, options, progress, clock)
        staged = staging.staged_symbols()
        done: list[ImportedSeries] = []
        with history.transaction():
            for number, (symbol, found) in enumerate(staged.items(), 1):
                instrument = instrument_for(symbol, options.exchange, found)
                put, are_ends = WriteCounts(0, 0, 0), True
                for series in staging.sorted_chunks(instrument):
                    put += history.write_bars(instrument, series, source=f"file {path.name}")
                    are_ends = are_ends and look_like_end_stamps(series.starts, series.interval, options.exchange)
                done.append(ImportedSeries(symbol, staging.interval, put, found.unsorted))
                notes += [f"{symbol}: {END_STAMPS_NOTE}"] if are_ends else []
                progress("writing", number, len(staged))
        return ImportReport(done, skipped, staging.duplicates, notes + staging.row_notes())


def read_files(
    path: Path,
    scratch_dir: Path,
    *,
    parse_options: ParseOptions,
    options: ImportOptions,
    symbols: Sequence[str] = (),
    clock: Clock | None = None,
    progress: Progress = lambda what, done, total: None,
) -> FileBars:
    """Return the bars of a file or folder without a history.

    `symbols` chooses symbols and their order. Raises DataError; it names wanted symbols without bars.
    """
    with _staging(scratch_dir, options, clock) as staging:
        skipped, notes = _stage(path, staging, parse_options, options, progress, clock)
        staged = staging.staged_symbols()
        if missing := [symbol for symbol in symbols if symbol not in staged]:
            raise DataError(f"{path}: there are no bars of {', '.join(missing)}; it has {', '.join(list(staged)[:10])}")
        chosen = list(symbols) or list(staged)
        instruments = [instrument_for(symbol, options.exchange, staged[symbol]) for symbol in chosen]
        series = {i.symbol: join_series(list(staging.sorted_chunks(i))) for i in instruments}
        notes += [
            f"{s.symbol}: {END_STAMPS_NOTE}"
            for s in series.values()
            if look_like_end_stamps(s.starts, s.interval, options.exchange)
        ]
        unsorted = {symbol: staged[symbol].unsorted for symbol in chosen}
        return FileBars(instruments, series, skipped, staging.duplicates, unsorted, notes + staging.row_notes())


def join_series(parts: Sequence[BarSeries]) -> BarSeries:
    """Return one series of consecutive parts, at least one, of one symbol."""
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in SERIES_COLUMNS}
    return BarSeries(symbol=parts[0].symbol, interval=parts[0].interval, **columns)


def instrument_for(symbol: str, exchange: str, staged: StagedSymbol) -> Instrument:
    """Return the instrument of a staged symbol, with the decimals that its numbers need."""
    if zone_of(exchange) == INDIA:
        instrument = msgspec.structs.replace(universe_for([symbol])[0], symbol=symbol, exchange=exchange.upper())
        instrument = msgspec.structs.replace(instrument, tick_size=_tick(instrument, staged))
    else:
        cents = Decimal("0.01")
        instrument = Instrument(
            symbol=symbol,
            exchange=exchange.upper(),
            tick_size=cents,
            currency="USD",
            lot_size=Decimal(1).scaleb(-staged.quantity_decimals),
        )
    decimals = max(staged.price_decimals, instrument.price_decimals)
    finest = Decimal(1).scaleb(-staged.price_decimals)
    return msgspec.structs.replace(
        instrument,
        price_decimals=decimals,
        quantity_decimals=staged.quantity_decimals,
        tick_size=min(instrument.tick_size, finest) if staged.price_decimals > 2 else instrument.tick_size,
    )


def _tick(instrument: Instrument, staged: StagedSymbol) -> Decimal:
    # The tick rule of the last day counts. The prices may show a finer step, by earlier rules or another listing; then
    # that step counts.
    if not staged.price_step:
        return instrument.tick_size
    if instrument.is_tradable and instrument.exchange in TICK_RULE_EXCHANGES:
        (day,) = exchange_days(np.array([staged.newest_at], dtype=np.int64), instrument.exchange).tolist()
        close = Decimal(str(staged.month_close))
        tick = tick_of(instrument.symbol, close, date_of_day(day), exchange=instrument.exchange)
    else:
        tick = instrument.tick_size
    return min(tick, Decimal(staged.price_step).scaleb(-2))


def _staging(scratch: Path, terms: ImportOptions, clock: Clock | None) -> Staging:
    require_known_exchange(terms.exchange)
    reading = StagingOptions(terms.exchange.upper(), terms.are_end_stamps, terms.keep, (clock or WallClock()).wall_ns())
    return Staging(
        scratch,
        interval=terms.interval,
        price_decimals=terms.price_decimals,
        lone_interval=terms.lone_interval,
        options=reading,
    )


def _stage(
    path: Path, staging: Staging, wanted: ParseOptions, terms: ImportOptions, progress: Progress, clock: Clock | None
) -> tuple[dict[str, int], list[str]]:
    skipped: dict[str, int] = {}
    notes: dict[str, None] = {}
    # One day more, because a zone may be ahead and a clock behind.
    wanted = wanted._replace(latest_at=min(wanted.latest_at, (clock or WallClock()).wall_ns() + DAY))
    for file in bar_files(path):
        found = 0

        def tell(done: int, total: int, name: str = file.name) -> None:
            progress(f"reading {name}", done, total)

        opening = open_bar_file(file, columns=wanted.columns, symbol=wanted.symbol, table=terms.table, progress=tell)
        with opening as table:
            symbol = _symbol(file, table.symbol, wanted.symbol, terms.exchange) or symbol_from_name(table.name)
            parser = RowParser(file, wanted, table, symbol, exchange=terms.exchange.upper())
            for batch in table.batches:
                rows = parser.parse_batch(batch)
                found += len(rows.starts)
                staging.add_rows(rows, str(file))
            notes |= dict.fromkeys(parser.finish_parsing())
        if not found:
            left = "".join(f"; {words}" for words in parser.left_out_reasons())
            raise DataError(f"{file}: there are no bars in it{left}{parser.hint}")
        for reason, count in parser.skipped.items():
            skipped[reason] = skipped.get(reason, 0) + count
    return skipped, list(notes)


def _symbol(file: Path, ticker: str, wanted: str, exchange: str) -> str:
    # The suffix of a Yahoo ticker names its exchange: the one of TCS.NS is in India.
    name, dot, suffix = ticker.rpartition(".")
    if dot and suffix in YAHOO_SUFFIXES:
        if YAHOO_SUFFIXES[suffix] != exchange.upper():
            raise DataError(
                f"{file}: {ticker} trades on {YAHOO_SUFFIXES[suffix]}: say --exchange {YAHOO_SUFFIXES[suffix]}"
            )
        return wanted or name
    return wanted or ticker
