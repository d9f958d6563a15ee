"""Rows of a file to bars: times with an explicit zone, prices that can be prices; what is wrong is named by line."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from tradebot.clock import SECOND
from tradebot.domain.market import Floats, Ints
from tradebot.errors import DataError
from tradebot.history import market
from tradebot.history.tabular import PRICES, Batch

LARGEST = 1e12  # of a price or a volume; beyond it their integers are no longer exact
ZONED = r"(?:[zZ]|[+-]\d{2}:?\d{2})$"
# Whole numbers are seconds, milliseconds, microseconds or nanoseconds since 1970, by their size.
EPOCHS = ((1e11, SECOND), (1e14, SECOND // 1_000), (1e17, SECOND // 1_000_000), (np.inf, 1))
FIRST, LAST = pd.Timestamp("1678-01-01"), pd.Timestamp("2262-01-01")
NO_TIME, NO_NUMBER, NOT_POSITIVE = "a time that cannot be read", "a price that is no number", "a price of 0 or less"
NO_SYMBOL = "no symbol"
MOST_SHOWN = 40  # of a value, in the sentence about its row
UNUSUAL = ", or reads unusual times with --time-format '%d/%m/%Y %H:%M'"
LOW_ABOVE_HIGH, OUTSIDE, BAD_VOLUME = "a high below the low", "open or close outside low to high", "a bad volume"


class Wanted(NamedTuple):
    """How a file is to be read: the zone of times that name none, strftime's format of unusual ones, whose bars they
    are where no column says so, and whether bad rows are left out instead of refused."""

    zone: str = ""
    time_format: str = ""
    symbol: str = ""
    skips_bad: bool = False


class Rows(NamedTuple):
    """Bars as they stood in a file: `symbols` and `starts` (ns UTC) of shape (n,), `values` open to volume (5, n)."""

    symbols: npt.NDArray[Any]
    starts: Ints
    values: Floats


class Parser:
    """Reads the batches of one file in order. `skipped` counts the rows left out, by reason."""

    def __init__(self, path: Path, wanted: Wanted, default_symbol: str) -> None:
        self._path, self._wanted = path, wanted
        self._symbol = wanted.symbol or default_symbol
        self._zoned: bool | None = None  # do the times of this file name their zone
        self._offset: str | None = None  # the one they name
        self.skipped: dict[str, int] = {}

    def parse(self, batch: Batch) -> Rows:
        """Return the bars of a batch. Raises DataError naming file, line and reason."""
        frame = batch.frame
        places = np.arange(batch.first, batch.first + len(frame))
        is_blank = frame.isna().all(axis=1).to_numpy()
        frame, places = frame[~is_blank], places[~is_blank]
        if not len(frame):  # a head and nothing below it: no time that could lack a zone
            return Rows(np.empty(0, dtype=object), np.empty(0, dtype=np.int64), np.empty((len(PRICES) + 1, 0)))
        starts, is_timeless = self._starts(frame, places, batch.unit)
        values = np.vstack([self._numbers(frame, name) for name in PRICES])
        volume = self._numbers(frame, "volume") if "volume" in frame else np.zeros(len(frame))
        symbols = self._symbols(frame)
        reasons = _reasons(values, volume, is_timeless, symbols == "")
        is_bad = reasons != ""
        if is_bad.any():
            if not self._wanted.skips_bad:
                i = int(np.flatnonzero(is_bad)[0])
                shown = ", ".join(f"{name} {_short(frame[name].iloc[i])}" for name in frame)
                unusual = UNUSUAL if reasons[i] == NO_TIME and not self._wanted.time_format else ""
                raise DataError(
                    f"{self._path}: {batch.unit} {places[i]}: {reasons[i]} ({shown}); `tradebot data import` leaves"
                    f" such rows out with --skip-bad{unusual}"
                )
            for reason, count in zip(*np.unique(reasons[is_bad], return_counts=True), strict=True):
                self.skipped[str(reason)] = self.skipped.get(str(reason), 0) + int(count)
        good = ~is_bad
        return Rows(symbols[good], starts[good], np.vstack([values, volume])[:, good])

    def _symbols(self, frame: pd.DataFrame) -> npt.NDArray[Any]:
        if "symbol" in frame and not self._wanted.symbol:
            return frame["symbol"].astype(str).str.strip().str.upper().fillna("").to_numpy(dtype=object)
        return np.full(len(frame), self._symbol, dtype=object)

    def _numbers(self, frame: pd.DataFrame, name: str) -> Floats:
        column = frame[name]
        try:
            found = pd.to_numeric(column, errors="coerce")
        except OverflowError:  # a whole number of more than three hundred digits
            found = pd.to_numeric(column.astype(str).where(column.astype(str).str.len() < 300), errors="coerce")
        numbers: Floats = found.to_numpy(dtype=np.float64, na_value=np.nan)
        return numbers

    # ---- times

    def _starts(self, frame: pd.DataFrame, places: Ints, unit: str) -> tuple[Ints, npt.NDArray[np.bool_]]:
        column = frame["stamp" if "stamp" in frame else "date" if "date" in frame else "time"]
        if "stamp" not in frame and "date" in frame and "time" in frame:
            column = column.astype(str).str.strip() + " " + frame["time"].astype(str).str.strip()
        if isinstance(column.dtype, pd.DatetimeTZDtype):
            return _nanoseconds(column.dt.tz_convert("UTC"))
        if pd.api.types.is_datetime64_any_dtype(column.dtype):
            return self._in_zone(column)
        if pd.api.types.is_numeric_dtype(column.dtype):
            return _since_1970(column.to_numpy(dtype=np.float64))
        text = column.astype("str").str.strip()
        if len(text) and text.str.fullmatch(r"\d{9,18}|[1-8]\d{18}", na=False).all():
            return _since_1970(text.to_numpy().astype(np.int64))
        if self._wanted.time_format:
            return self._formatted(text)
        is_zoned = text.str.contains(ZONED, regex=True, na=False) & (text.str.len() > 10)
        self._agree(text, is_zoned, places, unit)
        read = pd.to_datetime(text, format="ISO8601", errors="coerce", utc=bool(is_zoned.any()))
        return _nanoseconds(read) if is_zoned.any() else self._in_zone(read)

    def _formatted(self, text: pd.Series[Any]) -> tuple[Ints, npt.NDArray[np.bool_]]:
        try:
            read = pd.to_datetime(text, format=self._wanted.time_format, errors="coerce", utc=False)
        except ValueError as error:
            raise DataError(f"{self._path}: --time-format {self._wanted.time_format!r}: {error}") from error
        return _nanoseconds(read.dt.tz_convert("UTC")) if read.dt.tz is not None else self._in_zone(read)

    def _in_zone(self, naive: pd.Series[Any]) -> tuple[Ints, npt.NDArray[np.bool_]]:
        if not self._wanted.zone:
            raise DataError(f"{self._path}: its times name no zone; say which it is, such as --tz Asia/Kolkata")
        try:
            local = naive.dt.tz_localize(market.zone(self._wanted.zone), ambiguous="raise", nonexistent="raise")
        except ValueError as error:
            raise DataError(
                f"{self._path}: a time does not exist once in {self._wanted.zone}, where clocks change: {error}"
            ) from error
        return _nanoseconds(local.dt.tz_convert("UTC"))

    def _agree(self, text: pd.Series[Any], is_zoned: pd.Series[bool], places: Ints, unit: str) -> None:
        if not len(text):
            return
        zoned, is_time = is_zoned.to_numpy(), text.str.match(r"\d{4}", na=False).to_numpy()
        if self._zoned is None and is_time.any():
            self._zoned = bool(zoned[is_time][0])
        if (others := np.flatnonzero((zoned != self._zoned) & is_time)).size:
            says = "names no zone and others do" if self._zoned else "names a zone and others do not"
            raise DataError(
                f"{self._path}: mixed zones: the time of {unit} {places[others[0]]} ({text.iloc[others[0]]}) {says}"
            )
        if not self._zoned:
            return
        offsets = text.str.extract(f"({ZONED[:-1]})$", expand=False).str.replace(":", "").replace({"z": "Z"})
        self._offset = self._offset or str(offsets[zoned].iloc[0])
        other = np.flatnonzero((offsets != self._offset).to_numpy() & zoned)
        if other.size and not self._wanted.zone:
            raise DataError(
                f"{self._path}: mixed zones: {unit} {places[other[0]]} has {offsets.iloc[other[0]]}, the first row has"
                f" {self._offset}; if one zone has both, as where clocks change, name it with --tz"
            )


def _short(value: Any) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}..."


def _reasons(
    prices: Floats, volume: Floats, is_timeless: npt.NDArray[np.bool_], is_nameless: npt.NDArray[np.bool_]
) -> npt.NDArray[Any]:
    open_, high, low, close = prices
    reasons = np.full(len(open_), "", dtype=object)
    with np.errstate(invalid="ignore"):
        checks = (
            (BAD_VOLUME, ~((volume >= 0) & (volume < LARGEST))),
            (OUTSIDE, (open_ > high) | (open_ < low) | (close > high) | (close < low)),
            (LOW_ABOVE_HIGH, high < low),
            (NOT_POSITIVE, (prices <= 0).any(axis=0)),
            (NO_NUMBER, ~(np.isfinite(prices) & (prices < LARGEST)).all(axis=0)),
            (NO_SYMBOL, is_nameless),
            (NO_TIME, is_timeless),
        )
    for reason, is_bad in checks:  # the later ones are the more telling
        reasons[is_bad] = reason
    return reasons


def _nanoseconds(stamps: pd.Series[Any]) -> tuple[Ints, npt.NDArray[np.bool_]]:
    plain = stamps.dt.tz_localize(None) if stamps.dt.tz is not None else stamps
    # What nanoseconds cannot hold would come round to another century in silence.
    is_missing = ~((plain > FIRST) & (plain < LAST)).to_numpy(dtype=bool)
    plain = plain.mask(is_missing)
    # pandas 3 keeps microseconds unless it is told otherwise.
    values: Ints = plain.to_numpy(dtype="datetime64[ns]").astype(np.int64)
    return np.where(is_missing, 0, values), is_missing


def _since_1970(numbers: npt.NDArray[Any]) -> tuple[Ints, npt.NDArray[np.bool_]]:
    is_missing = ~np.isfinite(numbers.astype(np.float64))
    sound = np.where(is_missing, 0, numbers)
    largest = float(np.abs(sound).max(initial=0))
    factor = next(factor for limit, factor in EPOCHS if largest < limit)
    is_missing |= np.abs(sound * float(factor)) > LAST.value  # as far as nanoseconds reach
    sound = np.where(is_missing, 0, sound)
    if (sound == np.rint(sound)).all():
        return sound.astype(np.int64) * factor, is_missing
    return np.rint(sound * min(factor, 1_000)).astype(np.int64) * max(factor // 1_000, 1), is_missing
