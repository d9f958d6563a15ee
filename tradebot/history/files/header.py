"""Finds the header of a text table: after other lines, over several rows, or none; its columns and notation."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tradebot.errors import DataError
from tradebot.history.files.columns import PRICE_COLUMNS, TableColumns, describe_missing, match_columns, normalized_name
from tradebot.history.files.numbers import PLAIN_NUMBER, NumberNotation, detect_notation

SEPARATORS = ",;\t|"
MAX_LINES_ABOVE = 12  # lines above a header
NUMBER_PATTERN = r"-?\d+(?:\.\d+)?"


class FileHeader(NamedTuple):
    """What the first lines of a text say.

    `skipped_lines` lines come before the first row. `symbol` is the symbol of all rows, "" when the header names none.
    """

    separator: str
    names: tuple[str, ...]
    columns: TableColumns
    skipped_lines: int
    notation: NumberNotation
    symbol: str = ""
    notes: tuple[str, ...] = ()


class HeaderlessFormat(NamedTuple):
    """A table that a known program writes without a header: its column names, and the pattern of a row."""

    source: str
    names: tuple[str, ...]
    row: re.Pattern[str]


HEADERLESS_FORMATS = (
    HeaderlessFormat(
        "klines of Binance",
        (
            "open_time",
            *PRICE_COLUMNS,
            "volume",
            "close_time",
            "quote_volume",
            "count",
            "taker",
            "taker_quote",
            "ignore",
        ),
        re.compile(rf"(?:\d{{13}}|\d{{16}})(?:,{NUMBER_PATTERN}){{5}},(?:\d{{13}}|\d{{16}})(?:,{NUMBER_PATTERN}){{5}}"),
    ),
    HeaderlessFormat(
        "bars of AmiBroker",
        ("ticker", "date", "time", *PRICE_COLUMNS, "volume", "openint"),
        re.compile(rf"[^,\d][^,]*,\d{{8}},\d\d:\d\d(?::\d\d)?(?:,{NUMBER_PATTERN}){{6}}"),
    ),
    HeaderlessFormat(
        "bars of AmiBroker",
        ("ticker", "date", "time", *PRICE_COLUMNS, "volume"),
        re.compile(rf"[^,\d][^,]*,\d{{8}},\d\d:\d\d(?::\d\d)?(?:,{NUMBER_PATTERN}){{5}}"),
    ),
    HeaderlessFormat(
        "bars of HistData",
        ("timestamp", *PRICE_COLUMNS, "volume"),
        re.compile(rf"\d{{8}} \d{{6}}(?:;{NUMBER_PATTERN}){{5}}"),
    ),
    HeaderlessFormat(
        "bars of MetaTrader 4",
        ("date", "time", *PRICE_COLUMNS, "volume"),
        re.compile(rf"\d{{4}}\.\d\d\.\d\d,\d\d:\d\d(?:,{NUMBER_PATTERN}){{5}}"),
    ),
)


def read_header(path: Path, lines: Sequence[str], column_names: Sequence[str] = (), symbol: str = "") -> FileHeader:
    """Return the header that the first lines of a text hold. Raises DataError.

    `column_names` names the columns of a file without a header. `symbol` chooses a ticker of a wide table.
    """
    filled = [place for place, line in enumerate(lines) if line.strip()]
    if not filled:
        raise DataError(f"{path}: the file is empty")
    first = filled[0]
    if column_names:
        cells, separator = _cells(lines[first])
        is_head = not any(PLAIN_NUMBER.fullmatch(cell.strip()) for cell in cells)
        return _told(path, column_names, separator, lines, first + is_head)
    if (wide := _of_yfinance(path, lines, filled, symbol)) is not None:
        return wide
    for place in filled[:MAX_LINES_ABOVE]:
        names, separator = _cells(lines[place])
        columns = match_columns(names)
        if columns is not None:
            notes = tuple(f"not read: {lines[n].strip()[:60]!r}, above the head" for n in filled if n < place)
            return _head(separator, names, columns, lines, place + 1)._replace(notes=notes)
    for form in HEADERLESS_FORMATS:
        if all(form.row.fullmatch(lines[place].strip()) for place in filled):
            note = f"{path.name} has no head: read as {form.source} ({', '.join(form.names)})"
            return _told(path, form.names, _cells(lines[first])[1], lines, first)._replace(notes=(note,))
    raise DataError(f"{path}: {_unknown(lines, filled)}")


def _told(path: Path, names: Sequence[str], separator: str, lines: Sequence[str], skipped: int) -> FileHeader:
    columns = match_columns(names)
    if columns is None:
        raise DataError(f"{path}: {describe_missing(names)}")
    return _head(separator, names, columns, lines, skipped)


def _head(
    separator: str, names: Sequence[str], columns: TableColumns, lines: Sequence[str], skipped: int
) -> FileHeader:
    numeric = [
        place for place, ours in columns.names_by_position.items() if ours in (*PRICE_COLUMNS, "volume", "ticks")
    ]
    rows = csv.reader((line for line in lines[skipped:] if line.strip()), delimiter=separator, skipinitialspace=True)
    cells = (row[place] for row in rows for place in numeric if place < len(row))
    return FileHeader(separator, tuple(names), columns, skipped, detect_notation(cells, separator))


def _of_yfinance(path: Path, lines: Sequence[str], filled: Sequence[int], symbol: str) -> FileHeader | None:
    # pandas writes columns of two levels so: Price,Close,High,... / Ticker,TCS.NS,TCS.NS,... / Date,,,...
    if len(filled) < 3:
        return None
    rows = {normalized_name((cells := _cells(lines[place])[0])[0]): cells for place in filled[:3]}
    first, second, third = [*rows, "", "", ""][:3]
    if {first, second} != {"price", "ticker"} or third not in ("date", "datetime"):
        return None
    tickers = [ticker.strip().upper() for ticker in rows["ticker"]]
    there = list(dict.fromkeys(filter(None, tickers[1:])))
    asked = [ticker for ticker in there if symbol in (ticker, ticker.rpartition(".")[0])]
    if symbol and not asked:
        raise DataError(f"{path}: there are no bars of {symbol}; it has {', '.join(there[:10])}")
    if len(there) > 1 and not asked:
        raise DataError(f"{path}: holds {', '.join(there[:10])} side by side; choose one with --symbol")
    chosen = (asked or there)[0]
    kept = zip(rows["price"][1:], tickers[1:], strict=False)
    names = [third, *(name if ticker == chosen else "" for name, ticker in kept)]
    return _told(path, names, ",", lines, filled[2] + 1)._replace(symbol=chosen)


def _cells(line: str) -> tuple[list[str], str]:
    text = line.strip("\r\n").lstrip("\ufeff")
    separator = max(SEPARATORS, key=text.count)
    cells = next(csv.reader([text], delimiter=separator, skipinitialspace=True), [""])
    return [cell.strip() for cell in cells], separator


def _unknown(lines: Sequence[str], filled: Sequence[int]) -> str:
    heads = [_cells(lines[place])[0] for place in filled[:MAX_LINES_ABOVE]]
    if all(sum(bool(PLAIN_NUMBER.fullmatch(cell)) for cell in cells) >= len(PRICE_COLUMNS) for cells in heads):
        return (
            f"no column for time, {', '.join(PRICE_COLUMNS)}: it has no head ({lines[filled[0]].strip()[:60]});"
            " name its"
            " columns in order, such as --columns date,time,open,high,low,close,volume"
        )
    return describe_missing(
        max(heads[:MAX_LINES_ABOVE], key=lambda cells: sum(not PLAIN_NUMBER.fullmatch(cell) for cell in cells))
    )
