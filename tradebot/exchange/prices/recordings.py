"""Opens a file or folder of recorded prices as a price source; the first line of a file tells ticks from bars."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from tradebot.errors import DataError
from tradebot.exchange.prices import tick_file
from tradebot.exchange.prices.recorded_bars import RecordedBars
from tradebot.exchange.prices.recorded_ticks import RecordedTicks
from tradebot.exchange.snapshot import PriceSource

BAR_FILE_COLUMNS = {"open", "high", "low", "close"}


def open_recording(path: Path, *, symbols: Sequence[str] | None = None, day: date | None = None) -> PriceSource:
    """Open recorded ticks (`timestamp,ltp,volume`) or bars (columns by name, open to close), one file per symbol.

    `symbols` None takes all files. `day` None takes the day of the ticks, or the last day of the bars. Raises DataError
    for a missing symbol, a bad file, or a folder that mixes both.
    """
    files = recording_files(path, symbols=symbols)
    kinds = {symbol: _holds_bars(file) for symbol, file in files.items()}
    if len(set(kinds.values())) > 1:
        bars = next(symbol for symbol, is_bars in kinds.items() if is_bars)
        ticks = next(symbol for symbol, is_bars in kinds.items() if not is_bars)
        raise DataError(f"{path}: {files[bars].name} holds bars and {files[ticks].name} ticks; play them apart")
    if any(kinds.values()):
        return RecordedBars(files, date=day)
    return RecordedTicks(path, symbols=tuple(files), date=day)


def recording_files(path: Path, *, symbols: Sequence[str] | None = None) -> dict[str, Path]:
    """Return symbol -> its file of recorded prices, not read yet. Raises DataError for a symbol without one."""
    files = {tick_file.symbol_of(file): file for file in tick_file.find_tick_files(path)}
    wanted = list(files) if symbols is None else list(symbols)
    if missing := [symbol for symbol in wanted if symbol not in files]:
        raise DataError(f"{path}: no prices of {', '.join(missing)}; there are {', '.join(sorted(files))}")
    return {symbol: files[symbol] for symbol in wanted}


def _holds_bars(path: Path) -> bool:
    try:
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
            first = file.readline()
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
    return {word.strip().strip('"').lower() for word in first.split(",")} >= BAR_FILE_COLUMNS
