"""Imports: files of bars into the history, all of them or none; memory is bounded whatever their size.

file ──batches──▶ parsing ──rows──▶ staging (scratch file) ──chunks──▶ history, in one transaction
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from tradebot.domain.instrument import Instrument
from tradebot.domain.market import SERIES_COLUMNS, Series
from tradebot.errors import DataError
from tradebot.history.history import History
from tradebot.history.market import INDIA, zone_of
from tradebot.history.merging import Put
from tradebot.history.parsing import Parser, Wanted
from tradebot.history.staging import Staged, Staging
from tradebot.history.tabular import batches, files_at, symbol_of
from tradebot.markets.listing import universe_for

Progress = Callable[[str, int, int], None]  # (what, done, total)


class Terms(NamedTuple):
    """What files do not say: where the symbols trade, how long a bar is (ns, 0 to find out), decimals of prices to
    round to (None: as many as there are), the table of a database, how long a bar is if a lone one does not tell."""

    exchange: str = "NSE"
    interval: int = 0
    decimals: int | None = None
    table: str = ""
    lone: int = 0


class Imported(NamedTuple):
    """What an import did to one series."""

    symbol: str
    interval: int
    put: Put
    unsorted: int


class Report(NamedTuple):
    """What an import did: the series, the rows left out by reason, and rows that were there twice, word for word."""

    series: list[Imported]
    skipped: dict[str, int]
    duplicates: int


class Read(NamedTuple):
    """What files hold, without a history; `unsorted` counts by symbol the rows that came after later ones."""

    instruments: list[Instrument]
    series: dict[str, Series]
    skipped: dict[str, int]
    duplicates: int
    unsorted: dict[str, int]


def import_files(
    path: Path, history: History, scratch: Path, *, wanted: Wanted, terms: Terms,
    progress: Progress = lambda what, done, total: None,
) -> Report:  # fmt: skip
    """Write the bars of a file or folder into the history. Raises DataError; then nothing was written."""
    with Staging(scratch, interval=terms.interval, decimals=terms.decimals) as staging:
        skipped = _stage(path, staging, wanted, terms, progress)
        staged = staging.symbols()
        done: list[Imported] = []
        with history.transaction():
            for number, (symbol, found) in enumerate(staged.items(), 1):
                instrument = instrument_for(symbol, terms.exchange, found)
                put = Put(0, 0, 0)
                for series in staging.chunks(instrument):
                    put += history.put(instrument, series, source=f"file {path.name}")
                done.append(Imported(symbol, staging.interval, put, found.unsorted))
                progress("writing", number, len(staged))
        return Report(done, skipped, staging.duplicates)


def read_files(
    path: Path, scratch: Path, *, wanted: Wanted, terms: Terms, symbols: Sequence[str] = (),
    progress: Progress = lambda what, done, total: None,
) -> Read:  # fmt: skip
    """Return the bars of a file or folder without a history.

    `symbols` chooses among them and gives the order. Raises DataError, naming symbols that are not there.
    """
    with Staging(scratch, interval=terms.interval, decimals=terms.decimals, lone=terms.lone) as staging:
        skipped = _stage(path, staging, wanted, terms, progress)
        staged = staging.symbols()
        if missing := [symbol for symbol in symbols if symbol not in staged]:
            raise DataError(f"{path}: there are no bars of {', '.join(missing)}; it has {', '.join(list(staged)[:10])}")
        chosen = list(symbols) or list(staged)
        instruments = [instrument_for(symbol, terms.exchange, staged[symbol]) for symbol in chosen]
        series = {i.symbol: joined_series(list(staging.chunks(i))) for i in instruments}
        return Read(
            instruments, series, skipped, staging.duplicates, {symbol: staged[symbol].unsorted for symbol in chosen}
        )


def joined_series(parts: Sequence[Series]) -> Series:
    """Return at least one series of one symbol, which follow each other, as one."""
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in SERIES_COLUMNS}
    return Series(symbol=parts[0].symbol, interval=parts[0].interval, **columns)


def instrument_for(symbol: str, exchange: str, staged: Staged) -> Instrument:
    """Return the instrument of a symbol that a file brought, with the decimals its numbers need."""
    if zone_of(exchange) == INDIA:
        instrument = msgspec.structs.replace(universe_for([symbol])[0], exchange=exchange.upper())
    else:
        cents = Decimal("0.01")
        instrument = Instrument(
            symbol=symbol, exchange=exchange.upper(), tick_size=cents, currency="USD",
            lot_size=Decimal(1).scaleb(-staged.quantity_decimals),
        )  # fmt: skip
    decimals = max(staged.price_decimals, instrument.price_decimals)
    finest = Decimal(1).scaleb(-staged.price_decimals)
    return msgspec.structs.replace(
        instrument,
        price_decimals=decimals,
        quantity_decimals=staged.quantity_decimals,
        tick_size=min(instrument.tick_size, finest) if staged.price_decimals > 2 else instrument.tick_size,
    )


def _stage(path: Path, staging: Staging, wanted: Wanted, terms: Terms, progress: Progress) -> dict[str, int]:
    skipped: dict[str, int] = {}
    for file in files_at(path):
        parser, found = Parser(file, wanted, symbol_of(file)), 0

        def tell(done: int, total: int, name: str = file.name) -> None:
            progress(f"reading {name}", done, total)

        for batch in batches(file, table=terms.table, progress=tell):
            rows = parser.parse(batch)
            found += len(rows.starts)
            staging.add(rows, str(file))
        if not found:
            raise DataError(f"{file}: there are no bars in it")
        for reason, count in parser.skipped.items():
            skipped[reason] = skipped.get(reason, 0) + count
    return skipped
