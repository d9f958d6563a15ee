"""Parses the times of a file to ns UTC: a given format, ISO texts, counts since 1970, Excel's days."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tradebot.domain.market import Ints
from tradebot.errors import DataError
from tradebot.history import exchange_calendar
from tradebot.history.files import numeric_times
from tradebot.history.files.numeric_times import ParsedTimes
from tradebot.markets.market import HOME_MARKET

ZONE_OFFSET_PATTERN = r"(?:[zZ]|[+-]\d{2}:?\d{2})$"
ZONE_NAME_PATTERN = r"\d\s*([A-Za-z_]{2,}(?:/[A-Za-z_]+)*)$"  # a zone's name after a time
SAMPLE_TIMES = 500  # times that decide the form of a batch
MONTH_NAME_PATTERN = r"[A-Za-z]{3}"  # digits after a month's name are a year, not a zone offset
FIRST_TIME, LAST_TIME = pd.Timestamp("1678-01-01"), pd.Timestamp("2262-01-01")
EPOCH, EXCEL = "epoch", "excel"  # words that --time-format takes besides strftime formats
ZONE_ABBREVIATIONS = {
    "UTC": "UTC",
    "GMT": "UTC",
    HOME_MARKET.clock_name: HOME_MARKET.zone_name,
    "EST": "Etc/GMT+5",
    "EDT": "Etc/GMT+4",
    "CST": "Etc/GMT+6",
    "CDT": "Etc/GMT+5",
    "PST": "Etc/GMT+8",
    "PDT": "Etc/GMT+7",
    "CET": "Etc/GMT-1",
    "CEST": "Etc/GMT-2",
}
# Formats with only one reading: the year is first, or the month is a name.
UNAMBIGUOUS_FORMATS = (
    "%Y%m%d %H%M%S",
    "%Y%m%d %H:%M:%S",
    "%Y%m%d %H:%M",
    "%Y%m%d %H%M",
    "%d-%b-%Y",
    "%d-%b-%y",
    "%d %b %Y",
    "%b %d, %Y",
    "%d-%b-%Y %H:%M:%S",
    "%d-%b-%Y %H:%M",
    "%Y-%m-%d %I:%M:%S %p",
    "%Y-%m-%d %I:%M %p",
    "%Y-%m-%d %H%M",
    "%Y-%m-%d %H%M%S",
    "%Y.%m.%d %H%M",
    "%Y.%m.%d %H%M%S",
    "%Y/%m/%d %H%M",
    "%Y/%m/%d %H%M%S",
)
TWO_DIGIT_TIME = pd.Timestamp("2024-12-31 23:59:59")  # its day, month and hour have two digits
SUGGESTED_FORMATS = (
    *(
        f"{day}{time}"
        for mark in "/-."
        for day in (f"%d{mark}%m{mark}%Y", f"%m{mark}%d{mark}%Y", f"%d{mark}%m{mark}%y")
        for time in ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
    ),
    "%d%m%Y",
    "%m%d%Y",
    "%y%m%d",
    "%d%m%y",
    "%Y%m",
    "%Y%m%d%H%M",
    "%Y%m%d%H%M%S",
    "%y%m%d%H%M",
    "%y%m%d%H%M%S",
)


class TimestampParser:
    """Parses the times of one file batch by batch; what the first batch shows applies to all."""

    def __init__(self, path: Path, *, zone: str, time_format: str, latest_at: int) -> None:
        self._path, self._zone, self._time_format = path, zone, time_format
        self._latest_at = latest_at  # ns UTC; later times are no times
        self._zoned: bool | None = None  # whether the times name their zone; None until one decides it
        self._offset: str | None = None  # the zone offset of the first row
        self._digits = 0  # digits of a time of day written as a number, 4 or 6
        self._is_epoch = False
        self.notes: dict[str, None] = {}

    def parse_batch_times(
        self, frame: pd.DataFrame, places: Ints, unit: str, symbols: npt.NDArray[Any]
    ) -> tuple[Ints, npt.NDArray[np.bool_]]:
        """Return the times of a batch (ns UTC), and for each row whether it has none. Raises DataError."""
        column = self._column(frame)
        if (
            not self._time_format
            and (whole := numeric_times.parse_integer_times(column, latest_at=self._latest_at, is_epoch=self._is_epoch))
            is not None
        ):
            self._is_epoch = True
            return whole
        if isinstance(column.dtype, pd.DatetimeTZDtype):
            return to_nanoseconds(column.dt.tz_convert("UTC"))
        if pd.api.types.is_datetime64_any_dtype(column.dtype):
            return self._in_zone(column, places, unit, symbols)
        text = _text(column)
        shown = text.iloc[:: max(len(text) // SAMPLE_TIMES, 1)]  # decides the form; each time is still read by itself
        if self._time_format not in ("", EPOCH, EXCEL):
            return self._formatted(text, places, unit, symbols)
        if self._time_format or shown.str.fullmatch(numeric_times.COUNT_PATTERN, na=False).mean() > 0.5:
            return self._counted(text, text.str.fullmatch(numeric_times.COUNT_PATTERN, na=False), places, unit, symbols)
        if _zone_names(shown).notna().mean() > 0.5:
            return self._named(text, _zone_names(text), places, unit, symbols)
        is_zoned = text.str.contains(ZONE_OFFSET_PATTERN, regex=True, na=False) & (text.str.len() > 10)
        if shown.str.contains(MONTH_NAME_PATTERN, regex=True, na=False).any():
            is_zoned &= ~text.str.contains(MONTH_NAME_PATTERN, regex=True, na=False)
        self._agree(text, is_zoned, places, unit)
        if is_zoned.any():
            return to_nanoseconds(pd.to_datetime(text, format="ISO8601", errors="coerce", utc=True))
        return self._in_zone(_naive(text), places, unit, symbols)

    def format_hint(self, frame: pd.DataFrame) -> str:
        """Return formats that read the times of some rows, as a part of a sentence; "" when a format was given."""
        if self._time_format:
            return ""
        text = _text(self._column(frame).iloc[:1_000])
        found = [one for one in SUGGESTED_FORMATS if pd.to_datetime(text, format=one, errors="coerce").notna().all()]
        if text.str.fullmatch(r"\d+", na=False).all():
            found = [one for one in found if len(TWO_DIGIT_TIME.strftime(one)) == text.str.len().max()]
        if text.str.fullmatch(r"\d{10}", na=False).all() and found:
            found.append(EPOCH)
        shown = " or ".join(repr(one) for one in found[:3]) or "'%d/%m/%Y %H:%M'"
        return f", or reads unusual times with --time-format {shown}"

    # ---- private

    def _column(self, frame: pd.DataFrame) -> pd.Series[Any]:
        if "stamp" in frame:
            return frame["stamp"]
        if "date" not in frame or "time" not in frame:
            return frame["date" if "date" in frame else "time"]
        time = _text(frame["time"])
        if time.str.fullmatch(r"\d{1,6}", na=False).all() and len(time):
            self._digits = self._digits or (4 if int(time.str.len().max()) <= 4 else 6)
            time = time.str.zfill(self._digits)
        return _text(frame["date"]) + " " + time

    def _formatted(
        self, text: pd.Series[Any], places: Ints, unit: str, symbols: npt.NDArray[Any]
    ) -> tuple[Ints, npt.NDArray[np.bool_]]:
        try:
            read = pd.to_datetime(text, format=self._time_format, errors="coerce", utc="%z" in self._time_format)
        except ValueError as error:
            raise DataError(f"{self._path}: --time-format {self._time_format!r}: {error}") from error
        if read.dt.tz is not None:
            return to_nanoseconds(read.dt.tz_convert("UTC"))
        return self._in_zone(read, places, unit, symbols)

    def _counted(
        self, text: pd.Series[Any], is_count: pd.Series[bool], places: Ints, unit: str, symbols: npt.NDArray[Any]
    ) -> tuple[Ints, npt.NDArray[np.bool_]]:
        found: ParsedTimes = numeric_times.parse_times(
            text.where(is_count, ""),
            latest_at=self._latest_at,
            is_epoch=self._is_epoch or self._time_format == EPOCH,
            is_excel=self._time_format == EXCEL,
        )
        if found.description:
            self.notes[f"times are {found.description}"] = None
        if found.is_local:
            return self._in_zone(found.stamps, places, unit, symbols)
        self._is_epoch = self._is_epoch or bool(found.stamps.notna().any())
        return to_nanoseconds(found.stamps)

    def _named(
        self, text: pd.Series[Any], words: pd.Series[Any], places: Ints, unit: str, symbols: npt.NDArray[Any]
    ) -> tuple[Ints, npt.NDArray[np.bool_]]:
        starts, is_missing = np.zeros(len(text), dtype=np.int64), np.ones(len(text), dtype=bool)
        bare = text.str.replace(r"\s*[A-Za-z_]{2,}(?:/[A-Za-z_]+)*$", "", regex=True)
        for word in words.dropna().unique():
            name = ZONE_ABBREVIATIONS.get(word.upper(), word if "/" in word else "")
            if not name:
                continue
            chosen = (words == word).to_numpy()
            part = TimestampParser(self._path, zone=name, time_format="", latest_at=self._latest_at)
            read = part._in_zone(_naive(bare[chosen]), places[chosen], unit, symbols[chosen])
            starts[chosen], is_missing[chosen] = read
            self.notes[f"the zone {word} of its times is {name}"] = None
        return starts, is_missing

    def _in_zone(
        self, naive: pd.Series[Any], places: Ints, unit: str, symbols: npt.NDArray[Any]
    ) -> tuple[Ints, npt.NDArray[np.bool_]]:
        if not self._zone:
            raise DataError(f"{self._path}: its times name no zone; say which it is, such as --tz Asia/Kolkata")
        zone = exchange_calendar.load_zone(self._zone)
        try:
            local = naive.dt.tz_localize(zone, ambiguous="NaT", nonexistent="raise")
        except ValueError as error:
            raise DataError(
                f"{self._path}: a time does not exist in {self._zone}, where clocks go forward: {error}"
            ) from error
        # Where clocks go back, a time exists twice. Two rows of a symbol with that time are its two instants.
        is_twice = (local.isna() & naive.notna()).to_numpy()
        if is_twice.any():
            is_summer = _first_of_two(naive, is_twice, symbols)
            if (single := np.flatnonzero(is_twice & (is_summer < 0))).size:
                raise DataError(
                    f"{self._path}: the time of {unit} {places[single[0]]} ({naive.iloc[single[0]]}) does not exist"
                    f" once in {self._zone}, where clocks go back, and stands in the file as if it did"
                )
            local = naive.dt.tz_localize(zone, ambiguous=is_summer > 0, nonexistent="raise")
        return to_nanoseconds(local.dt.tz_convert("UTC"))

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
        offsets = (
            text.str.extract(f"({ZONE_OFFSET_PATTERN[:-1]})$", expand=False).str.replace(":", "").replace({"z": "Z"})
        )
        self._offset = self._offset or str(offsets[zoned].iloc[0])
        other = np.flatnonzero((offsets != self._offset).to_numpy() & zoned)
        if other.size and not self._zone:
            raise DataError(
                f"{self._path}: mixed zones: {unit} {places[other[0]]} has {offsets.iloc[other[0]]}, the first row has"
                f" {self._offset}; if one zone has both, as where clocks change, name it with --tz"
            )


def to_nanoseconds(stamps: pd.Series[Any]) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Return times as ns UTC, and for each whether it is missing or outside what ns can hold."""
    plain = stamps.dt.tz_localize(None) if stamps.dt.tz is not None else stamps
    # Times outside the range of nanoseconds would silently wrap around to another century.
    is_missing = ~((plain > FIRST_TIME) & (plain < LAST_TIME)).to_numpy(dtype=bool)
    plain = plain.mask(is_missing)
    # pandas 3 keeps microseconds by default.
    values: Ints = plain.to_numpy(dtype="datetime64[ns]").astype(np.int64)
    return np.where(is_missing, 0, values), is_missing


def _naive(text: pd.Series[Any]) -> pd.Series[Any]:
    read = pd.to_datetime(text, format="ISO8601", errors="coerce")
    for form in UNAMBIGUOUS_FORMATS:
        missing = read.isna()
        if not missing.any():
            break
        sample = text[missing].iloc[:1]
        if pd.to_datetime(sample, format=form, errors="coerce").notna().all():
            found = pd.to_datetime(text[missing], format=form, errors="coerce")
            read = read.astype("datetime64[us]").where(~missing, found.reindex(text.index).astype("datetime64[us]"))
    return read


def _text(column: pd.Series[Any]) -> pd.Series[Any]:
    if pd.api.types.is_float_dtype(column.dtype):
        return column.map(repr)
    text = column.astype("str")
    shown = text.iloc[:: max(len(text) // SAMPLE_TIMES, 1)]
    if shown.str.contains(r"^\s|\s$|\s\s", regex=True, na=False).any():
        text = text.str.strip().str.replace(r"\s+", " ", regex=True)
    return text


def _zone_names(text: pd.Series[Any]) -> pd.Series[Any]:
    # The name of a zone after each time, NaN without one; AM and PM are none.
    return text.str.extract(ZONE_NAME_PATTERN, expand=False).where(
        ~text.str.endswith(("AM", "PM", "am", "pm"), na=False)
    )


def _first_of_two(naive: pd.Series[Any], is_twice: npt.NDArray[np.bool_], symbols: npt.NDArray[Any]) -> Ints:
    # 1 for the earlier of two rows with the same time, 0 for the later, -1 for a time without a second row.
    rows = pd.DataFrame({"time": naive.to_numpy(), "symbol": symbols, "is_twice": is_twice})[is_twice]
    groups = rows.groupby(["symbol", "time"], sort=False)["is_twice"]
    number, size = groups.cumcount(), groups.transform("size")
    is_falling = naive.iloc[0] > naive.iloc[-1]  # newest row first: then the later of the two comes first
    found = np.full(len(naive), -1, dtype=np.int64)
    found[np.flatnonzero(is_twice)] = np.where(size == 2, (number == (1 if is_falling else 0)).astype(int), -1)
    return found
