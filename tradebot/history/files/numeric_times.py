"""Parses times written as one number: s, ms, us or ns since 1970 by their size, YYYYMMDD, Excel's days. Pure."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from tradebot.clock import SECOND
from tradebot.domain.market import Ints

COUNT_PATTERN = r"[+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?"
DIGITS_PATTERN = r"\d{9,18}|[1-8]\d{18}"
# Each number is judged by its own size: Binance's files hold microseconds since 2025, milliseconds before.
EPOCH_UNITS = ((10**11, SECOND), (10**14, SECOND // 1_000), (10**17, SECOND // 1_000_000), (1 << 62, 1))
MIN_EPOCH_S = 10**8  # s since 1970, in 1973; a number of eight digits may be a date
MAX_NS = (1 << 63) - 1
EXCEL_ZERO = pd.Timestamp("1899-12-30")
EXCEL_FIRST, EXCEL_LAST = 20_000, 80_000  # days from 1954 to 2119; counts since 1970 are far larger
DAY_S = 86_400


class ParsedTimes(NamedTuple):
    """Parsed times, NaT for none. Local times have no zone. `description` says in words what the numbers were."""

    stamps: pd.Series[Any]
    is_local: bool = False
    description: str = ""


def parse_times(text: pd.Series[Any], *, latest_at: int, is_epoch: bool, is_excel: bool) -> ParsedTimes:
    """Return the times that numbers stand for.

    Times after `latest_at` (ns UTC) are NaT. Digits that also read as a date are NaT, unless `is_epoch` says that they
    count since 1970.
    """
    numbers = pd.to_numeric(text, errors="coerce").to_numpy(dtype=np.float64)
    found = numbers[np.isfinite(numbers)]
    if is_excel or (not is_epoch and len(found) and ((found >= EXCEL_FIRST) & (found < EXCEL_LAST)).all()):
        return ParsedTimes(_excel(numbers, text.index), is_local=True, description="days as Excel counts them")
    if not is_epoch and text.str.fullmatch(r"\d{8}", na=False).mean() > 0.5:
        return ParsedTimes(
            pd.to_datetime(text, format="%Y%m%d", errors="coerce").mask(text.str[:2] < "17"), is_local=True
        )
    is_whole = text.str.fullmatch(DIGITS_PATTERN, na=False)
    if is_whole.all():
        counted = text.to_numpy(dtype=object).astype(np.int64)
        if not is_epoch and _read_as_dates(counted, int(text.str.len().max())):
            return ParsedTimes(pd.Series(pd.NaT, index=text.index, dtype="datetime64[ns]"))
        starts, is_none = _since_1970(counted)
    else:
        starts, is_none = _exact(text)
    is_none |= starts > latest_at
    stamps = pd.Series(starts.astype("datetime64[ns]"), index=text.index)
    return ParsedTimes(stamps.mask(is_none))


def parse_integer_times(
    column: pd.Series[Any], *, latest_at: int, is_epoch: bool
) -> tuple[Ints, npt.NDArray[np.bool_]] | None:
    """Return the times (ns UTC) of a column of whole numbers since 1970, and for each number whether it is no time.

    Return None where `parse_times` must read them from their text.
    """
    if not (pd.api.types.is_string_dtype(column.dtype) or pd.api.types.is_integer_dtype(column.dtype)) or not len(
        column
    ):
        return None
    try:
        numbers: Ints = column.to_numpy(dtype=object).astype(np.int64)
    except (ValueError, TypeError, OverflowError):
        return None
    if (numbers < MIN_EPOCH_S).any():
        return None
    digits = len(str(int(numbers.max())))
    if not is_epoch and _read_as_dates(numbers, digits):
        return None
    starts, is_none = _since_1970(numbers)
    return starts, is_none | (starts > latest_at)


def _since_1970(numbers: Ints) -> tuple[Ints, npt.NDArray[np.bool_]]:
    factors = np.select([numbers < limit for limit, _ in EPOCH_UNITS], [factor for _, factor in EPOCH_UNITS], default=1)
    is_none = np.abs(numbers.astype(np.float64) * factors) > MAX_NS
    return np.where(is_none, 0, numbers) * factors, is_none


def _exact(text: pd.Series[Any]) -> tuple[Ints, npt.NDArray[np.bool_]]:
    # Such as 1704167100.250 and 1.7041671e+12. A float of that size would round; Decimal keeps all digits.
    starts, is_none = np.zeros(len(text), dtype=np.int64), np.ones(len(text), dtype=bool)
    for place, cell in enumerate(text):
        try:
            number = Decimal(cell)
        except InvalidOperation:
            continue
        if not (10**8 <= number < 9 * 10**18):
            continue
        factor = next(factor for limit, factor in EPOCH_UNITS if number < limit)
        starts[place] = min(int(number * factor), MAX_NS)
        is_none[place] = number * factor > MAX_NS
    return starts, is_none


def _excel(numbers: npt.NDArray[np.float64], index: pd.Index[Any]) -> pd.Series[Any]:
    # Rounded to the second: finer parts of a day's fraction are its rounding error.
    is_none = ~((numbers >= EXCEL_FIRST) & (numbers < EXCEL_LAST))
    seconds = np.rint(np.where(is_none, 0, numbers) * DAY_S).astype(np.int64)
    return pd.Series(EXCEL_ZERO + pd.to_timedelta(seconds, unit="s"), index=index).mask(is_none)


def _read_as_dates(numbers: Ints, digits: int) -> bool:
    # The forms are YYMMDDHHMM, YYYYMMDDHHMM or YYMMDDHHMMSS, and YYYYMMDDHHMMSS. Numbers that fit one in every row
    # are dates, not counts.
    seconds = {10: False, 12: False, 14: True}.get(digits)
    if seconds is None or not len(numbers):
        return False
    if digits == 12 and _is_clock(numbers, has_seconds=True):
        return True
    return _is_clock(numbers, has_seconds=seconds)


def _is_clock(numbers: Ints, *, has_seconds: bool) -> bool:
    rest = numbers
    if has_seconds:
        if (rest % 100 >= 60).any():
            return False
        rest = rest // 100
    minute, hour, day, month = rest % 100, rest // 100 % 100, rest // 10**4 % 100, rest // 10**6 % 100
    sound = (minute < 60) & (hour < 24) & (day >= 1) & (day <= 31) & (month >= 1) & (month <= 12)
    return bool(sound.all())
