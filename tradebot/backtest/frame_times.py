"""The times of a frame as ns UTC: a format that can mean only one time is read, any other is refused with advice."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tradebot.clock import SECOND
from tradebot.domain.market import Ints
from tradebot.errors import DataError

TIME_COLUMNS = ("ts", "datetime", "timestamp", "date", "time")
FIRST, LAST = pd.Timestamp("1678-01-01"), pd.Timestamp("2262-01-01")  # the years that int64 nanoseconds reach
OLDEST, NEWEST = pd.Timestamp("1980-01-01"), pd.Timestamp("2100-01-01")
# Whole numbers count seconds, milliseconds, microseconds or nanoseconds since 1970; their size says which.
EPOCH_UNITS = ((1e11, SECOND), (1e14, SECOND // 1_000), (1e17, SECOND // 1_000_000), (np.inf, 1))
DAY_FORMAT = "%Y%m%d"
ZONE_SUFFIX = r"(?:[zZ]|[+-]\d{2}:?\d{2})$"
KNOWN_FORMATS = tuple(
    f"{day}{time}"
    for day in (
        "%d-%m-%Y",
        "%m-%d-%Y",
        "%d/%m/%Y",
        "%m/%d/%Y",
        "%d.%m.%Y",
        "%d-%m-%y",
        "%d/%m/%y",
        "%m/%d/%y",
        "%d-%b-%Y",
        "%d %b %Y",
        "%b %d, %Y",
        "%Y%m%d",
        "%Y.%m.%d",
        "%Y/%m/%d",
    )
    for time in ("", " %H:%M", " %H:%M:%S", " %I:%M %p")
)
DIGIT_FORMATS = {10: "%y%m%d%H%M", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}  # length of a number -> its possible format
SAMPLE_ROWS = 1_000  # rows that a format is tried on


def bar_starts(symbol: str, frame: pd.DataFrame, zone: str) -> tuple[Ints, str]:
    """Return the times of a frame's rows in ns UTC, and a sentence if they begin before 1980, else "".

    They are its index, or a column `ts`, `datetime`, `timestamp`, `date` or `time`; without a zone they are in `zone`.
    Texts are read if the year comes first (ISO 8601), whole numbers as YYYYMMDD or as counts since 1970. Raises
    DataError for other texts, and for times that all lie before 1980: those come from numbers that were not counts.
    """
    given = _given(symbol, frame)
    if given.hasnans:
        raise DataError(f"{symbol}: row {int(given.isna().argmax()) + 1} has no time")
    first, last = given.min().tz_localize(None), given.max().tz_localize(None)
    if not FIRST < first <= last < LAST:
        raise DataError(f"{symbol}: its times go from {given.min()} to {given.max()}, beyond what nanoseconds reach")
    if last < OLDEST or last > NEWEST:
        raise DataError(
            f"{symbol}: its times go from {given.min()} to {given.max()}: numbers that were no counts since 1970 give"
            f" such; make times of them, as pd.to_datetime(frame['date'], format='{DAY_FORMAT}')"
        )
    if given.tz is None:
        try:
            given = given.tz_localize(zone)
        except ValueError as fault:
            raise DataError(f"{symbol}: a time does not exist, or exists twice, in {zone}: {one_line(fault)}") from None
    old = f"{symbol}: its bars begin on {first:%Y-%m-%d}, before 1980" if first < OLDEST else ""
    return np.asarray(given.as_unit("ns").asi8), old


def one_line(fault: Exception) -> str:
    """Return the message of an error in one line of at most 120 characters."""
    return " ".join(str(fault).split())[:120]


def _given(symbol: str, frame: pd.DataFrame) -> pd.DatetimeIndex:
    index = frame.index
    if isinstance(index, pd.DatetimeIndex):
        return index
    if isinstance(index, pd.PeriodIndex):
        return index.to_timestamp()
    name = next((name for name in TIME_COLUMNS if name in frame.columns), None)
    if name is None:
        if isinstance(index, pd.RangeIndex | pd.MultiIndex):
            raise DataError(f"{symbol}: no times: the index must hold them, or a column {', '.join(TIME_COLUMNS)}")
        return _read(symbol, "index", index.to_series())
    column = frame[name]
    if name == "date" and "time" in frame.columns:
        column = _text(column).str.removesuffix(" 00:00:00") + " " + _text(frame["time"])
    return _read(symbol, f"column {name}", column)


def _read(symbol: str, what: str, column: pd.Series[Any]) -> pd.DatetimeIndex:
    kind = column.dtype
    if isinstance(kind, pd.DatetimeTZDtype) or pd.api.types.is_datetime64_any_dtype(kind):
        return pd.DatetimeIndex(column)
    if pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_bool_dtype(kind):
        return _counted(symbol, what, column.to_numpy(np.float64, na_value=np.nan), column)
    there = column.dropna()
    if len(there) and all(isinstance(value, date | datetime) for value in there):
        try:
            return pd.DatetimeIndex(pd.to_datetime(column))
        except (ValueError, TypeError) as fault:
            raise DataError(f"{symbol}: the {what} holds no times of one zone: {one_line(fault)}") from None
    return _texts(symbol, what, column)


def _texts(symbol: str, what: str, column: pd.Series[Any]) -> pd.DatetimeIndex:
    text = _text(column)
    if len(text) and text.str.fullmatch(r"\d+", na=False).all():
        return _counted(symbol, what, text.to_numpy().astype(np.float64), text)
    is_zoned = text.str.contains(ZONE_SUFFIX, regex=True, na=False) & (text.str.len() > 10)
    if is_zoned.any() and not is_zoned.all():
        raise DataError(f"{symbol}: the {what} holds no times of one zone: some name theirs and others do not")
    read = pd.to_datetime(text, format="ISO8601", errors="coerce", utc=bool(is_zoned.any()))
    if read.isna().any():
        raise DataError(_refused(symbol, what, text, int(read.isna().to_numpy().argmax())))
    return pd.DatetimeIndex(read)


def _counted(symbol: str, what: str, numbers: npt.NDArray[np.float64], column: pd.Series[Any]) -> pd.DatetimeIndex:
    is_none = ~np.isfinite(numbers)
    if is_none.any():
        raise DataError(f"{symbol}: row {int(is_none.argmax()) + 1} has no time")
    if ((numbers >= 19_800_101) & (numbers <= 21_001_231) & (numbers == np.rint(numbers))).all():
        days = pd.to_datetime(pd.Series(numbers.astype(np.int64).astype(str)), format=DAY_FORMAT, errors="coerce")
        if days.notna().all():
            return pd.DatetimeIndex(days)
    if _reads_as_date(text := _text(column).str.removesuffix(".0")):
        raise DataError(_refused(symbol, what, text, 0))
    factor = next(factor for limit, factor in EPOCH_UNITS if float(np.abs(numbers).max(initial=0)) < limit)
    if (np.abs(numbers) * factor > LAST.value).any() or float(numbers.max(initial=0)) * factor < OLDEST.value:
        raise DataError(_refused(symbol, what, text, 0))
    is_whole = pd.api.types.is_integer_dtype(column.dtype) or not pd.api.types.is_numeric_dtype(column.dtype)
    exact = column.astype(np.int64).to_numpy() * factor if is_whole else np.rint(numbers * 1_000) * (factor / 1_000)
    return pd.DatetimeIndex(np.asarray(exact).astype(np.int64), tz="UTC")


def _refused(symbol: str, what: str, text: pd.Series[Any], row: int) -> str:
    sample = text.iloc[:SAMPLE_ROWS]
    digits = DIGIT_FORMATS.get(len(sample.iloc[0])) if sample.str.fullmatch(r"\d+").all() else None
    tried = [digits] if digits else KNOWN_FORMATS
    fitting = [one for one in tried if pd.to_datetime(sample, format=one, errors="coerce").notna().all()]
    shown = " or ".join(repr(one) for one in fitting[:3]) or "'%d-%m-%Y %H:%M'"
    return (
        f"{symbol}: row {row + 1} of the {what}, {text.iloc[row]!r}, does not say one time alone; make times of it with"
        f" its format first: pd.to_datetime(..., format={shown})"
    )


def _reads_as_date(text: pd.Series[Any]) -> bool:
    # 202401021530 is also a count of milliseconds, in 1976. A few counts may look like dates by chance; the caller
    # refuses them, and the error tells the user to say which they are.
    form = DIGIT_FORMATS.get(len(text.iloc[0])) if len(text) else None
    return form is not None and bool(
        pd.to_datetime(text.iloc[:SAMPLE_ROWS], format=form, errors="coerce").notna().all()
    )


def _text(column: pd.Series[Any]) -> pd.Series[Any]:
    return column.astype("str").str.strip()
