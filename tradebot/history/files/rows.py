"""Rows of a file to bars: their symbols, times, prices and volumes; errors name the line."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from tradebot.domain.home_exchange import HOME_EXCHANGE
from tradebot.domain.market import Floats, Ints
from tradebot.errors import DataError
from tradebot.history.exchange_calendar import ZONES
from tradebot.history.files.columns import PRICE_COLUMNS, TIME_COLUMNS
from tradebot.history.files.numbers import parse_floats
from tradebot.history.files.tables import FileTable, RowBatch
from tradebot.history.files.timestamps import TimestampParser

MAX_PRICE_OR_VOLUME = 1e12  # the limit for a price or a volume; larger ones have no exact integers
NO_TIME, NO_NUMBER, NOT_POSITIVE = "a time that cannot be read", "a price that is no number", "a price of 0 or less"
MAX_SYMBOL_CHARS = 64
MAX_NAMED = 50  # columns, or series, that a note names
MAX_OTHER_SYMBOLS = 10  # other symbols that an error names
NO_SYMBOL, TO_COME = "no symbol", "a time that is still to come"
MAX_SHOWN_CHARS = 40  # characters of a value in the message about its row
LOW_ABOVE_HIGH, OUTSIDE, BAD_VOLUME = "a high below the low", "open or close outside low to high", "a bad volume"
SHARE_SERIES = ("EQ", "BE", "BZ", "SM", "ST")  # single shares trade in these; BL and others are block deals and bonds
END_OF_TIME_NS = (1 << 63) - 1


class ParseOptions(NamedTuple):
    """How to parse a file of bars."""

    zone: str = ""  # the zone of times that name none
    time_format: str = ""  # strftime's format of unusual times
    symbol: str = ""  # the symbol to take; without a symbol column, the symbol of all rows
    skips_bad: bool = False  # leave bad rows out instead of refusing the file
    mends_range: bool = False  # move a high or low out to an open or close beyond it
    columns: tuple[str, ...] = ()  # the column names of a file without a header
    series: tuple[str, ...] = SHARE_SERIES  # the series of a share to take
    latest_at: int = END_OF_TIME_NS  # ns UTC; later times are refused as still to come


class ParsedRows(NamedTuple):
    """Bars as a file has them: `symbols` and `starts` (ns UTC) of shape (n,), `values` (open to volume) of (5, n)."""

    symbols: npt.NDArray[Any]
    starts: Ints
    values: Floats


class RowParser:
    """Parses the batches of one file in order.

    `skipped` counts the rows left out by reason. `finish_parsing` returns the other notes.
    """

    def __init__(
        self, path: Path, options: ParseOptions, table: FileTable, symbol: str, *, exchange: str = HOME_EXCHANGE
    ) -> None:
        self._path, self._options, self._table, self._exchange = path, options, table, exchange
        self._symbol = symbol  # the symbol of rows that name none
        self._stamps = TimestampParser(
            path, zone=options.zone, time_format=options.time_format, latest_at=options.latest_at
        )
        self._volume = ""  # the column that volumes come from, "" until a row decides it
        # The error about the first row of words after the last bar, and how many follow: a footer, or bad rows.
        self._footer: tuple[str, int] | None = None
        self._others: dict[str, None] = {}  # symbols other than the wanted one
        self.skipped: dict[str, int] = {}
        self.hint = ""  # how the first rows left out could be read, as a part of a sentence
        self._counted: dict[str, int] = {}  # what was done to rows -> number of rows

    def parse_batch(self, batch: RowBatch) -> ParsedRows:
        """Return the bars of a batch. Raises DataError that names file, line and reason."""
        frame = batch.frame
        places = np.arange(batch.first, batch.first + len(frame))
        is_kept = ~frame.isna().all(axis=1).to_numpy()
        frame, places = frame[is_kept], places[is_kept]
        symbols = self._symbols(frame)
        is_kept = self._are_wanted(frame, symbols)
        frame, places, symbols = frame[is_kept], places[is_kept], symbols[is_kept]
        values, is_blank = self._prices(frame)
        frame, places, symbols, values = self._without_end(frame, places, symbols, values, is_blank)
        if not len(frame):  # a header without rows: no time can lack a zone
            return ParsedRows(
                np.empty(0, dtype=object), np.empty(0, dtype=np.int64), np.empty((len(PRICE_COLUMNS) + 1, 0))
            )
        starts, is_timeless = self._stamps.parse_batch_times(frame, places, batch.unit, symbols)
        volume = self._volumes(frame)
        if self._options.mends_range:
            self._widen_range(values)
        reasons = _reasons(values, volume, is_timeless, symbols == "")
        reasons[(reasons == "") & (starts > self._options.latest_at)] = TO_COME
        good = reasons == ""
        if not good.all():
            self._refuse(frame, places, batch.unit, reasons)
        return ParsedRows(symbols[good], starts[good], np.vstack([values, volume])[:, good])

    def finish_parsing(self) -> list[str]:
        """Return the notes for the user, after the last batch. Raises DataError when no row has the wanted symbol."""
        columns, told = self._table.columns, [*self._table.notes, *self._stamps.notes]
        if self._others and self._symbol not in self._others and not self._counted.get("taken"):
            raise DataError(
                f"{self._path}: there are no bars of {self._options.symbol}; it has {', '.join(self._others)}"
            )
        more = len(columns.unread) - MAX_NAMED
        named = ", ".join(columns.unread[:MAX_NAMED]) + (f" and {more} more" if more > 0 else "")
        unread = f"columns not read: {named}" if named else ""
        if columns.position_of("volume") is None and self._volume != "ticks":
            told.append(f"no volume column{f'; {unread}' if unread else ''}: volumes are 0")
        elif unread:
            told.append(unread)
        if self._volume == "ticks":
            told.append("volume is the number of ticks: there is no other, or it is 0")
        if self._footer is not None:
            told.append(f"rows below the table that are no bars: {self._footer[1]}")
        return told + [f"{what}: {count}" for what, count in self._counted.items() if what != "taken"]

    def left_out_reasons(self) -> list[str]:
        """Return why rows were left out so far and how many, each as a part of a sentence."""
        skipped = [f"rows left out for {reason}: {count}" for reason, count in self.skipped.items()]
        return skipped + [f"{what}: {count}" for what, count in self._counted.items() if what.endswith("left out")]

    # ---- symbols

    def _symbols(self, frame: pd.DataFrame) -> npt.NDArray[Any]:
        if "symbol" not in frame:
            self._refuse_unprintable(self._symbol)
            return np.full(len(frame), self._symbol, dtype=object)
        found: npt.NDArray[Any] = (
            frame["symbol"].astype("str").str.strip().str.upper().fillna("").to_numpy(dtype=object)
        )
        names = dict.fromkeys(found.tolist())
        bare = {}  # name with an exchange -> its symbol
        for name in names:
            self._refuse_unprintable(name)
            place, colon, symbol = name.partition(":")
            if not colon or place not in ZONES:
                continue
            if place != self._exchange:
                raise DataError(f"{self._path}: {name} trades on {place}: say --exchange {place}")
            bare[name] = symbol
        return np.array([bare.get(name, name) for name in found], dtype=object) if bare else found

    def _refuse_unprintable(self, symbol: str) -> None:
        # Symbols go into file names, logs and terminals.
        if not symbol.isprintable() or len(symbol) > MAX_SYMBOL_CHARS:
            raise DataError(
                f"{self._path}: the symbol {symbol[:MAX_SYMBOL_CHARS]!r} is none: it has control characters, or"
                " more than"
                f" {MAX_SYMBOL_CHARS} letters"
            )

    def _are_wanted(self, frame: pd.DataFrame, symbols: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        wanted = np.ones(len(frame), dtype=bool)
        if "series" in frame:
            series = frame["series"].astype("str").str.strip().str.upper().fillna("").to_numpy(dtype=object)
            wanted = np.isin(series, self._options.series) | (series == "")
            for name, count in zip(*np.unique(series[~wanted], return_counts=True), strict=True):
                what = f"rows of series {_short(name)} left out"
                is_named = what in self._counted or len(self._counted) < MAX_NAMED
                self._count(what if is_named else "rows of other series left out", int(count))
        if "symbol" in frame and self._options.symbol:
            is_other = (symbols != self._options.symbol) & wanted
            others = dict.fromkeys(symbols[is_other & (symbols != "")].tolist())
            self._others |= dict.fromkeys([*others][: MAX_OTHER_SYMBOLS - len(self._others)])
            self._count("rows of other symbols left out", int(is_other.sum()))
            wanted &= ~is_other
            self._count("taken", int(wanted.sum()))
        return wanted

    def _count(self, what: str, times: int) -> None:
        if times:
            self._counted[what] = self._counted.get(what, 0) + times

    # ---- numbers

    def _prices(self, frame: pd.DataFrame) -> tuple[Floats, npt.NDArray[np.bool_]]:
        read = [parse_floats(frame[name], self._table.notation) for name in PRICE_COLUMNS]
        return np.vstack([numbers for numbers, _ in read]), np.logical_and.reduce([blank for _, blank in read])

    def _volumes(self, frame: pd.DataFrame) -> Floats:
        read = {name: parse_floats(frame[name], self._table.notation) for name in ("volume", "ticks") if name in frame}
        if not self._volume and read:
            # MetaTrader writes a volume of 0 for markets without volumes. Only the tick count is left then.
            is_traded = "volume" in read and ("ticks" not in read or bool((read["volume"][0] > 0).any()))
            self._volume = "volume" if is_traded else "ticks"
        if not self._volume:
            return np.zeros(len(frame))
        volume, is_blank = read[self._volume]
        self._count("rows without a volume, taken as 0", int(is_blank.sum()))
        return np.where(is_blank, 0.0, volume)

    def _widen_range(self, values: Floats) -> None:
        open_, high, low, close = values
        top, bottom = np.fmax(np.fmax(open_, close), high), np.fmin(np.fmin(open_, close), low)
        is_outside = (high >= low) & ((top > high) | (bottom < low))
        self._count("bars whose high or low was moved to their open or close", int(is_outside.sum()))
        values[1], values[2] = np.where(is_outside, top, high), np.where(is_outside, bottom, low)

    # ---- rows that are no bars

    def _without_end(
        self, frame: pd.DataFrame, places: Ints, symbols: npt.NDArray[Any], values: Floats, is_blank: npt.NDArray[Any]
    ) -> tuple[pd.DataFrame, Ints, npt.NDArray[Any], Floats]:
        # Words after the last bar are a footer. Words between bars are bad rows: a bar that follows shows it.
        if self._footer is None and not is_blank.any():
            return frame, places, symbols, values
        time = next(name for name in TIME_COLUMNS if name in frame)
        # A row of words has no number and a time that does not begin with a digit.
        is_prose = is_blank & ~frame[time].astype("str").str.strip().str.match(r"\d", na=False).to_numpy()
        filled = np.flatnonzero(~is_prose)
        last = int(filled[-1]) + 1 if len(filled) else 0
        if last and self._footer is not None:  # a bar follows what looked like a footer in an earlier batch
            raise DataError(f"{self._path}: {self._footer[0]}")
        if last < len(frame):
            footer = self._footer or (f"line {places[last]}: {NO_TIME} ({_shown(frame, last)})", 0)
            self._footer = footer[0], footer[1] + len(frame) - last
        return frame.iloc[:last], places[:last], symbols[:last], values[:, :last]

    def _refuse(self, frame: pd.DataFrame, places: Ints, unit: str, reasons: npt.NDArray[Any]) -> None:
        bad = np.flatnonzero(reasons != "")
        i, hint = int(bad[0]), ""
        if reasons[i] in (NO_TIME, TO_COME) and not self.hint:
            self.hint = hint = self._stamps.format_hint(frame[reasons == reasons[i]])
        if not self._options.skips_bad:
            if reasons[i] == OUTSIDE:
                hint = ", or moves high and low out to them with --mend"
            raise DataError(
                f"{self._path}: {unit} {places[i]}: {reasons[i]} ({_shown(frame, i)}); `tradebot data import` leaves"
                f" such rows out with --skip-bad{hint}"
            )
        for reason, count in zip(*np.unique(reasons[bad], return_counts=True), strict=True):
            self.skipped[str(reason)] = self.skipped.get(str(reason), 0) + int(count)


def _shown(frame: pd.DataFrame, row: int) -> str:
    return ", ".join(f"{name} {_short(frame[name].iloc[row])}" for name in frame)


def _short(value: Any) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= MAX_SHOWN_CHARS else f"{text[:MAX_SHOWN_CHARS]}..."


def _reasons(
    prices: Floats, volume: Floats, is_timeless: npt.NDArray[np.bool_], is_nameless: npt.NDArray[np.bool_]
) -> npt.NDArray[Any]:
    open_, high, low, close = prices
    reasons = np.full(len(open_), "", dtype=object)
    with np.errstate(invalid="ignore"):
        checks = (
            (BAD_VOLUME, ~((volume >= 0) & (volume < MAX_PRICE_OR_VOLUME))),
            (OUTSIDE, (open_ > high) | (open_ < low) | (close > high) | (close < low)),
            (LOW_ABOVE_HIGH, high < low),
            (NOT_POSITIVE, (prices <= 0).any(axis=0)),
            (NO_NUMBER, ~(np.isfinite(prices) & (prices < MAX_PRICE_OR_VOLUME)).all(axis=0)),
            (NO_SYMBOL, is_nameless),
            (NO_TIME, is_timeless),
        )
    for reason, is_bad in checks:  # a later reason replaces an earlier one: it says more
        reasons[is_bad] = reason
    return reasons
