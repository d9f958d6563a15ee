"""Reads one CSV file of bars as other programs write it, columns by name in any case; for `recorded_bars`."""

from __future__ import annotations

import csv
import gzip
import io
import math
import zlib
from datetime import datetime, tzinfo
from pathlib import Path

import numpy as np

from tradebot.clock import SECOND
from tradebot.domain.market import Ints
from tradebot.domain.message import Message
from tradebot.errors import DataError
from tradebot.markets.market import HOME_MARKET

TIME_NAMES = ("timestamp", "datetime", "date", "time", "ts")
PRICE_NAMES = ("open", "high", "low", "close")
LARGEST_VALUE = 1e12  # of prices in Rs and of quantities; beyond it the integers are no longer exact


class BarFile(Message, frozen=True, eq=False):
    """The bars of one file, oldest first: starts in ns UTC, prices in paise, volumes in units; shape (n,) each."""

    symbol: str
    path: Path
    starts: Ints
    open: Ints
    high: Ints
    low: Ints
    close: Ints
    volume: Ints


def read_bar_file(path: Path, *, symbol: str, zone: tzinfo = HOME_MARKET.tzinfo) -> BarFile:
    """Read one CSV or CSV.gz file. Rows may be in any order; a time without a zone is taken in `zone`.

    A file without a volume column has volume 0. Raises DataError naming file, line and what was expected.
    """
    lines = csv.reader(io.StringIO(_text(path), newline=""))
    header = [name.strip().lower() for name in next(lines, [])]
    time_name = next((name for name in TIME_NAMES if name in header), None)
    missing = [name for name in PRICE_NAMES if name not in header]
    if time_name is None or missing:
        wanted = f"one of {', '.join(TIME_NAMES)}" if time_name is None else ", ".join(missing)
        raise DataError(f"{path}:1: expected a column {wanted}; found {','.join(header)[:80]!r}")
    at = header.index(time_name)
    prices = [header.index(name) for name in PRICE_NAMES]
    volume = header.index("volume") if "volume" in header else None
    rows: list[tuple[int, ...]] = []
    for row in lines:
        if not row:
            continue
        try:
            rows.append(_parse(row, at, prices, volume, zone, len(header)))
        except ValueError as error:
            raise DataError(f"{path}:{lines.line_num}: {error}, found {','.join(row)[:80]!r}") from error
    if not rows:
        raise DataError(f"{path}: no bars after the header")
    rows.sort(key=lambda r: r[0])
    table: Ints = np.array(rows, dtype=np.int64).T
    if twice := np.flatnonzero(table[0][1:] == table[0][:-1]).tolist():
        moment = datetime.fromtimestamp(int(table[0][twice[0]]) // SECOND, zone)
        raise DataError(f"{path}: two bars start at {moment.isoformat()}; expected one")
    starts, open_, high, low, close, volumes = table
    return BarFile(symbol=symbol, path=path, starts=starts, open=open_, high=high, low=low, close=close, volume=volumes)


def _parse(row: list[str], at: int, prices: list[int], volume: int | None, zone: tzinfo, width: int) -> tuple[int, ...]:
    if len(row) != width:
        raise ValueError(f"expected {width} values")
    try:
        moment = datetime.fromisoformat(row[at].strip())
    except ValueError as error:
        raise ValueError("expected a time such as 2021-06-11 09:15:00") from error
    moment = moment if moment.tzinfo else moment.replace(tzinfo=zone)
    try:
        open_, high, low, close = (float(row[k]) for k in prices)
        traded = float(row[volume]) if volume is not None else 0.0
    except ValueError as error:
        raise ValueError("expected numbers for prices and volume") from error
    if not all(math.isfinite(v) and 0 < v < LARGEST_VALUE for v in (open_, high, low, close)):
        raise ValueError("expected finite prices above 0")
    if not (low <= min(open_, close) and max(open_, close) <= high):
        raise ValueError("expected low <= open, close <= high")
    if not (math.isfinite(traded) and 0 <= traded < LARGEST_VALUE):
        raise ValueError("expected a finite volume of 0 or more")
    paise = (round(v * 100) for v in (open_, high, low, close))
    return (int(moment.timestamp()) * SECOND, *paise, round(traded))


def _text(path: Path) -> str:
    try:
        raw = path.read_bytes()
        return (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not text: {error}") from error
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
