"""Imports: files of bars into the history, all of them or none; memory is bounded whatever their size.

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
from tradebot.domain.home import HOME_EXCHANGE
from tradebot.domain.instrument import Instrument
from tradebot.domain.market import SERIES_COLUMNS, Series
from tradebot.errors import DataError
from tradebot.history.files.opening import files_at, symbol_of
from tradebot.history.files.rows import Parser, Wanted
from tradebot.history.files.tables import table_at
from tradebot.history.history import History
from tradebot.history.lengths import look_like_ends
from tradebot.history.market import INDIA, as_date, days_of, require_exchange, zone_of
from tradebot.history.merging import Put
from tradebot.history.staging import Reading, Staged, Staging
from tradebot.markets.exchanges import OF_YAHOO, TICK_RULES
from tradebot.markets.listing import universe_for
from tradebot.markets.ticks import tick_of

ENDS = "times look like the ends of their bars, and are taken for their starts; say --stamps end if so"

Progress = Callable[[str, int, int], None]  # (what, done, total)


class Terms(NamedTuple):
    """What files do not say: where the symbols trade, how long a bar is (ns, 0 to find out), decimals of prices to
    round to (None: as many as there are), the table of a database, how long a bar is if a lone one does not tell,
    whether times are those of the ends of bars, which of two bars that differ is kept (first, last, "": none)."""

    exchange: str = HOME_EXCHANGE
    interval: int = 0
    decimals: int | None = None
    table: str = ""
    lone: int = 0
    are_ends: bool = False
    keep: str = ""


class Imported(NamedTuple):
    """What an import did to one series."""

    symbol: str
    interval: int
    put: Put
    unsorted: int


class Report(NamedTuple):
    """What an import did: the series, the rows left out by reason, rows that were there twice, word for word, and what
    else is to be told, a sentence each."""

    series: list[Imported]
    skipped: dict[str, int]
    duplicates: int
    notes: list[str]


class Read(NamedTuple):
    """What files hold, without a history; `unsorted` counts by symbol the rows that came after later ones."""

    instruments: list[Instrument]
    series: dict[str, Series]
    skipped: dict[str, int]
    duplicates: int
    unsorted: dict[str, int]
    notes: list[str]


def import_files(
    path: Path,
    history: History,
    scratch: Path,
    *,
    wanted: Wanted,
    terms: Terms,
    clock: Clock | None = None,
    progress: Progress = lambda what, done, total: None,
) -> Report:
    """Write the bars of a file or folder into the history. Raises DataError; then nothing was written."""
    with _staging(scratch, terms, clock) as staging:
        skipped, notes = _stage(path, staging, wanted, terms, progress, clock)
        staged = staging.symbols()
        done: list[Imported] = []
        with history.transaction():
            for number, (symbol, found) in enumerate(staged.items(), 1):
                instrument = instrument_for(symbol, terms.exchange, found)
                put, are_ends = Put(0, 0, 0), True
                for series in staging.chunks(instrument):
                    put += history.put(instrument, series, source=f"file {path.name}")
                    are_ends = are_ends and look_like_ends(series.starts, series.interval, terms.exchange)
                done.append(Imported(symbol, staging.interval, put, found.unsorted))
                notes += [f"{symbol}: {ENDS}"] if are_ends else []
                progress("writing", number, len(staged))
        return Report(done, skipped, staging.duplicates, notes + staging.told())


def read_files(
    path: Path,
    scratch: Path,
    *,
    wanted: Wanted,
    terms: Terms,
    symbols: Sequence[str] = (),
    clock: Clock | None = None,
    progress: Progress = lambda what, done, total: None,
) -> Read:
    """Return the bars of a file or folder without a history.

    `symbols` chooses among them and gives the order. Raises DataError, naming symbols that are not there.
    """
    with _staging(scratch, terms, clock) as staging:
        skipped, notes = _stage(path, staging, wanted, terms, progress, clock)
        staged = staging.symbols()
        if missing := [symbol for symbol in symbols if symbol not in staged]:
            raise DataError(f"{path}: there are no bars of {', '.join(missing)}; it has {', '.join(list(staged)[:10])}")
        chosen = list(symbols) or list(staged)
        instruments = [instrument_for(symbol, terms.exchange, staged[symbol]) for symbol in chosen]
        series = {i.symbol: joined_series(list(staging.chunks(i))) for i in instruments}
        notes += [
            f"{s.symbol}: {ENDS}" for s in series.values() if look_like_ends(s.starts, s.interval, terms.exchange)
        ]
        unsorted = {symbol: staged[symbol].unsorted for symbol in chosen}
        return Read(instruments, series, skipped, staging.duplicates, unsorted, notes + staging.told())


def joined_series(parts: Sequence[Series]) -> Series:
    """Return at least one series of one symbol, which follow each other, as one."""
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in SERIES_COLUMNS}
    return Series(symbol=parts[0].symbol, interval=parts[0].interval, **columns)


def instrument_for(symbol: str, exchange: str, staged: Staged) -> Instrument:
    """Return the instrument of a symbol that a file brought, with the decimals its numbers need."""
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


def _tick(instrument: Instrument, staged: Staged) -> Decimal:
    # The rule of the last day; where the prices show a finer step, of earlier rules or another listing, that one.
    if not staged.step:
        return instrument.tick_size
    if instrument.is_tradable and instrument.exchange in TICK_RULES:
        (day,) = days_of(np.array([staged.newest], dtype=np.int64), instrument.exchange).tolist()
        close = Decimal(str(staged.month_close))
        tick = tick_of(instrument.symbol, close, as_date(day), exchange=instrument.exchange)
    else:
        tick = instrument.tick_size
    return min(tick, Decimal(staged.step).scaleb(-2))


def _staging(scratch: Path, terms: Terms, clock: Clock | None) -> Staging:
    require_exchange(terms.exchange)
    reading = Reading(terms.exchange.upper(), terms.are_ends, terms.keep, (clock or WallClock()).wall())
    return Staging(scratch, interval=terms.interval, decimals=terms.decimals, lone=terms.lone, reading=reading)


def _stage(
    path: Path, staging: Staging, wanted: Wanted, terms: Terms, progress: Progress, clock: Clock | None
) -> tuple[dict[str, int], list[str]]:
    skipped: dict[str, int] = {}
    notes: dict[str, None] = {}
    # A day more: a zone may be ahead, and a clock behind.
    wanted = wanted._replace(latest=min(wanted.latest, (clock or WallClock()).wall() + DAY))
    for file in files_at(path):
        found = 0

        def tell(done: int, total: int, name: str = file.name) -> None:
            progress(f"reading {name}", done, total)

        opening = table_at(file, columns=wanted.columns, symbol=wanted.symbol, table=terms.table, progress=tell)
        with opening as table:
            symbol = _symbol(file, table.symbol, wanted.symbol, terms.exchange) or symbol_of(table.name)
            parser = Parser(file, wanted, table, symbol, exchange=terms.exchange.upper())
            for batch in table.batches:
                rows = parser.parse(batch)
                found += len(rows.starts)
                staging.add(rows, str(file))
            notes |= dict.fromkeys(parser.end())
        if not found:
            left = "".join(f"; {words}" for words in parser.left_out())
            raise DataError(f"{file}: there are no bars in it{left}{parser.hint}")
        for reason, count in parser.skipped.items():
            skipped[reason] = skipped.get(reason, 0) + count
    return skipped, list(notes)


def _symbol(file: Path, ticker: str, wanted: str, exchange: str) -> str:
    # A ticker of Yahoo's names its exchange: that of TCS.NS is India's first.
    name, dot, suffix = ticker.rpartition(".")
    if dot and suffix in OF_YAHOO:
        if OF_YAHOO[suffix] != exchange.upper():
            raise DataError(f"{file}: {ticker} trades on {OF_YAHOO[suffix]}: say --exchange {OF_YAHOO[suffix]}")
        return wanted or name
    return wanted or ticker
