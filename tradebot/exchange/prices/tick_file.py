"""Reads one file of recorded ticks, `timestamp,ltp,volume`, as it is, bad ticks included; for the recorded prices."""

from __future__ import annotations

import csv
import gzip
import io
import math
import zlib
from pathlib import Path

import numpy as np

from tradebot.clock import SECOND, parse_iso
from tradebot.domain.market import Ints
from tradebot.domain.message import Message
from tradebot.errors import DataError
from tradebot.exchange.prices.bar_aggregation import UTC_OFFSET_NS
from tradebot.markets.market import HOME_MARKET

TICK_HEADER = ["timestamp", "ltp", "volume"]
LARGEST_PRICE = 1e12  # Rs; beyond it integer paise are no longer exact
TICK_SUFFIXES = (".csv.gz", ".csv")
# File name -> symbol: a file name cannot hold every character of a symbol.
FILE_SYMBOLS = {"INDEX_Nifty": "NIFTY 50", "INDEX_Nifty_Bank": "NIFTY BANK", "MM": "M&M", "MMFIN": "M&MFIN"}


class TickFile(Message, frozen=True, eq=False):
    """The rows of one file in file order: stamps in ns UTC, prices in paise, cumulative volumes; shape (n,) each."""

    symbol: str
    path: Path
    stamps: Ints
    prices: Ints
    volumes: Ints


def symbol_of(path: Path) -> str:
    """Return the symbol of a file named for it: BAJAJ_AUTO.csv.gz -> BAJAJ-AUTO, INDEX_Nifty.csv -> NIFTY 50."""
    stem = next((path.name.removesuffix(s) for s in TICK_SUFFIXES if path.name.endswith(s)), path.name)
    return FILE_SYMBOLS.get(stem, stem.replace("_", "-"))


def find_tick_files(paths: Path | list[Path]) -> list[Path]:
    """Return the tick files of a folder, or the given files, sorted by name. Raises DataError when there is none."""
    if isinstance(paths, Path):
        found = sorted(p for s in TICK_SUFFIXES for p in paths.glob(f"*{s}")) if paths.is_dir() else [paths]
    else:
        found = sorted(paths)
    if not found:
        raise DataError(f"{paths}: no tick file here; expected SYMBOL.csv or SYMBOL.csv.gz")
    return found


def read_tick_file(path: Path) -> TickFile:
    """Read one file. Its rows look like `2021-06-11 09:15:52,2188.65,133620`, with Indian times.

    Raises DataError naming file, line and what was expected.
    """
    import pandas as pd  # the import takes half a second, and only a run on recorded ticks needs it

    text = _bytes(path)
    try:
        if [line.strip().count(b",") for line in text.split(b"\n", 2)[:2] if line.strip()] not in ([2], [2, 2]):
            raise ValueError("columns")  # the library would only warn and drop a fourth value of the first row
        frame = pd.read_csv(
            io.BytesIO(text),
            dtype={"timestamp": str, "ltp": np.float64, "volume": np.int64},
            keep_default_na=False,
            index_col=False,
            on_bad_lines="error",
        )
        if list(frame.columns) != TICK_HEADER:
            raise ValueError("header")
        local = pd.to_datetime(frame["timestamp"], format="%Y-%m-%d %H:%M:%S").to_numpy().astype("datetime64[s]")
        stamps = local.astype(np.int64) * SECOND - UTC_OFFSET_NS
        prices = frame["ltp"].to_numpy()
        if not (np.abs(prices) < LARGEST_PRICE).all():
            raise ValueError("price")
        volumes = frame["volume"].to_numpy(dtype=np.int64, copy=True)
    except (ValueError, OverflowError, UnicodeDecodeError) as error:  # the library's parser errors are ValueErrors
        raise _first_problem(path, text, error) from error
    if len(stamps) == 0:
        raise DataError(f"{path}: no rows after the header; expected lines such as 2021-06-11 09:15:52,2188.65,133620")
    paise = np.rint(prices * 100).astype(np.int64)
    return TickFile(symbol=symbol_of(path), path=path, stamps=stamps, prices=paise, volumes=volumes)


def _bytes(path: Path) -> bytes:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    if path.suffix != ".gz":
        return raw
    try:
        return gzip.decompress(raw)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: not a whole gzip file: {error}") from error


def _first_problem(path: Path, text: bytes, error: Exception) -> DataError:
    lines = csv.reader(io.StringIO(text.decode("utf-8", errors="replace"), newline=""))
    header = next(lines, [])
    if header != TICK_HEADER:
        return DataError(f"{path}:1: expected the header {','.join(TICK_HEADER)}, found {','.join(header)[:80]!r}")
    for row in lines:
        if row and (expected := _expected(row)):
            return DataError(f"{path}:{lines.line_num}: expected {expected}, found {','.join(row)[:80]!r}")
    return DataError(f"{path}: cannot be read as {','.join(TICK_HEADER)}: {error}")


def _expected(row: list[str]) -> str:
    if len(row) != len(TICK_HEADER):
        return f"{len(TICK_HEADER)} values"
    stamp, price, volume = row
    try:
        if len(stamp) != 19:
            return "a time such as 2021-06-11 09:15:52"
        parse_iso(stamp, HOME_MARKET.tzinfo)
    except ValueError:
        return "a time such as 2021-06-11 09:15:52"
    try:
        if not (math.isfinite(float(price)) and abs(float(price)) < LARGEST_PRICE):
            return "a finite price"
    except ValueError:
        return "a price such as 2188.65"
    digits = volume.strip().removeprefix("-")
    return "" if digits.isdecimal() and len(digits) < 19 else "a whole number of shares traded so far"
