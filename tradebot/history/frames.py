"""Bars as pandas frames for notebooks and for strategies over frames: `tradebot.load_bars`."""

from __future__ import annotations

import contextlib
import os
import re
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from tradebot.domain.instrument import Instrument
from tradebot.domain.market import BarSeries
from tradebot.errors import DataError
from tradebot.history.exchange_calendar import zone_of
from tradebot.history.files.duckdb_files import write_parquet
from tradebot.history.history import History, open_history
from tradebot.history.interval import interval_name, parse_interval
from tradebot.history.resample import can_resample, resample_series

ISO_DATE = re.compile(r"\d{4}([-/])\d{1,2}\1\d{1,2}(?!\d)|\d{8}(?!\d)")
EXPECTED_TIME = "expected one such as 2025-06-02 or 2025-06-02 09:15"
Moment = str | date | datetime | pd.Timestamp | None


def load_bars(
    symbol: str,
    interval: str = "1m",
    *,
    start: Moment = None,
    end: Moment = None,
    source: str | os.PathLike[str] | None = None,
) -> pd.DataFrame:
    """Return the bars of a symbol from the history, `open high low close volume` over a DatetimeIndex named `ts`.

    The index is in the exchange's zone and sorted. Each bar has one row, at its start. Prices are floats. `start` is
    included, `end` is not, except that a date without a time as `end` includes all of that day. Times without a zone
    are in the exchange's zone. When the history has no bars of `interval`, they are made of shorter ones, counted from
    the session's open. `source` is a state directory (default: $TRADEBOT_APP__STATE_DIR, else `state`) or a DSN of
    PostgreSQL. `attrs` names symbol, exchange, interval, the interval the bars were made of, the source, and the venue
    that invented the prices if they were not traded. Raises DataError.

    >>> tradebot.load_bars("RELIANCE", "5min", start="2025-06-02", end="2025-06-06")  # doctest: +SKIP
    """
    where = str(source or os.environ.get("TRADEBOT_APP__STATE_DIR") or "state")
    is_server = where.startswith(("postgresql://", "postgres://"))
    with open_history(Path("." if is_server else where), dsn=where if is_server else "") as history:
        return load_frame(history, symbol.upper(), parse_interval(interval), start=start, end=end)


def load_frame(
    history: History, symbol: str, interval: int, *, start: Moment = None, end: Moment = None
) -> pd.DataFrame:
    """Return the frame of `load_bars` from an open history; `interval` is in ns. Raises DataError."""
    stored = stored_interval(history, symbol, interval)
    instrument = history.instrument_of(symbol, stored)
    zone = zone_of(instrument.exchange)
    since, until = parse_moment(start, zone, is_end=False), parse_moment(end, zone, is_end=True)
    series = resample_series(history.load_series([symbol], stored, since, until)[symbol], interval, instrument.exchange)
    found = series_frame(series, instrument)
    found.attrs |= {
        "made_of": interval_name(stored),
        "source": history.location,
        "invented_by": history.price_inventor(symbol, stored),
    }
    return found


def stored_interval(history: History, symbol: str, interval: int) -> int:
    """Return the longest stored interval (ns) that bars of `interval` can be made of. Raises DataError for none."""
    has = history.stored_intervals(symbol)
    fitting = [one for one in has if can_resample(interval, one)]
    if not fitting:
        there = f"it has {', '.join(map(interval_name, sorted(has)))}" if has else "it has none of this symbol"
        raise DataError(f"{history.location}: no bars that make {interval_name(interval)} of {symbol}; {there}")
    return max(fitting)


def series_frame(series: BarSeries, instrument: Instrument) -> pd.DataFrame:
    """Return a series as a frame, its prices as floats."""
    index = pd.DatetimeIndex(series.starts, tz="UTC", name="ts").as_unit("ns").tz_convert(zone_of(instrument.exchange))
    price, quantity = 10.0**instrument.price_decimals, 10.0**instrument.quantity_decimals
    columns: dict[str, Any] = {name: getattr(series, name) / price for name in ("open", "high", "low", "close")}
    columns["volume"] = series.volume / quantity if instrument.quantity_decimals else series.volume
    found = pd.DataFrame(columns, index=index)
    found.attrs |= {
        "symbol": series.symbol,
        "exchange": instrument.exchange,
        "interval": interval_name(series.interval),
    }
    return found


def parse_moment(value: Moment, zone: str, *, is_end: bool) -> int | None:
    """Return a time in ns UTC; without a zone it is in `zone`, and a date as an end means the end of that day.

    A text has year, month, day in this order. Raises DataError for other orders, because 02-01 is ambiguous.
    """
    if value is None:
        return None
    is_day = isinstance(value, date) and not isinstance(value, datetime)
    is_day = is_day or (isinstance(value, str) and len(value.strip()) <= 10)
    if isinstance(value, str) and not ISO_DATE.match(value.strip()):
        raise DataError(f"{value!r} is no time; {EXPECTED_TIME}")
    try:
        stamp = pd.Timestamp(value)
        if is_end and is_day:
            stamp += pd.Timedelta(days=1)
        stamp = stamp.tz_localize(zone) if stamp.tzinfo is None else stamp
        return int(stamp.as_unit("ns").value)
    except (ValueError, OverflowError, NotImplementedError) as error:  # the last two for years out of range
        raise DataError(f"{value!r} is no time; {EXPECTED_TIME}") from error


def format_time(at: int, exchange: str) -> str:
    """Return a time (ns UTC) as ISO text in the zone of an exchange."""
    return pd.Timestamp(at, unit="ns", tz="UTC").tz_convert(zone_of(exchange)).isoformat()


def write_frame(frame: pd.DataFrame, path: Path) -> None:
    """Write a frame to a file that ends in .csv, .csv.gz, .parquet or .pq. Raises DataError and leaves no new file."""
    name, unfinished = path.name.lower(), path.with_name(f"{path.name}.unfinished")
    try:
        if name.endswith((".csv", ".csv.gz")):
            frame.to_csv(unfinished, compression="gzip" if name.endswith(".gz") else None)
        elif name.endswith((".parquet", ".pq")):
            write_parquet(frame.reset_index(), unfinished)
        else:
            raise DataError(f"{path}: expected a name that ends in .csv, .csv.gz or .parquet")
        unfinished.replace(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error}") from error
    finally:
        with contextlib.suppress(OSError):  # where the file could not be written, it cannot be removed either
            unfinished.unlink(missing_ok=True)
