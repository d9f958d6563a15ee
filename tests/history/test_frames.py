"""`tradebot.load_bars`: a tidy frame in the exchange's zone, longer bars counted from the session's open."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tradebot
from tests.history.bars_by_hand import MINUTE, series, walk
from tradebot.clock import DAY, SECOND
from tradebot.domain.instrument import Instrument
from tradebot.errors import DataError
from tradebot.history.frames import write_frame
from tradebot.history.history import open_history
from tradebot.history.interval import MONTH, WEEK
from tradebot.history.resample import align_to_calendar, resample_series

BARS = walk(days=5)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with open_history(tmp_path, writes=True) as history, history.transaction():
        history.write_bars(Instrument(symbol="RELIANCE"), BARS, source="by hand")
        night = series("BTC", np.arange(0, 2 * 86_400, 60) * 1_000_000_000)
        history.write_bars(Instrument(symbol="BTC", exchange="BINANCE", quantity_decimals=3), night, source="by hand")
    return tmp_path


def test_the_frame_is_tidy(folder: Path) -> None:
    frame = tradebot.load_bars("reliance", "1m", source=folder)

    assert list(frame.columns) == ["open", "high", "low", "close", "volume"]
    assert frame.index.name == "ts"
    assert str(frame.index.dtype) == "datetime64[ns, Asia/Kolkata]"
    assert frame.index.is_monotonic_increasing
    assert frame.index.is_unique
    assert frame.index[0] == pd.Timestamp("2025-06-02 09:15", tz="Asia/Kolkata")
    np.testing.assert_array_equal(frame["close"].to_numpy(), BARS.close / 100)
    assert frame["volume"].dtype == np.int64
    assert frame.attrs["symbol"] == "RELIANCE"
    assert frame.attrs["source"].endswith("history.sqlite3")


def test_longer_bars_begin_with_the_session(folder: Path) -> None:
    minutes = tradebot.load_bars("RELIANCE", "1m", source=folder)

    frame = tradebot.load_bars("RELIANCE", "10min", source=folder)

    assert frame.attrs["made_of"] == "1m"
    first = frame.index[:3].strftime("%H:%M").tolist()
    assert first == ["09:15", "09:25", "09:35"]
    # 375 minutes are 37 bars and a short one that ends with the session, not one that runs into the next day.
    assert len(frame) == 5 * 38
    wanted = minutes.groupby([minutes.index.date, np.tile(np.arange(375) // 10, 5)]).agg(
        {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}
    )
    np.testing.assert_array_equal(frame.to_numpy(), wanted.to_numpy())


def test_days_begin_at_midnight_of_the_exchange(folder: Path) -> None:
    frame = tradebot.load_bars("RELIANCE", "1d", source=folder)

    assert frame.index.equals(pd.DatetimeIndex(["2025-06-02", "2025-06-03", "2025-06-04", "2025-06-05", "2025-06-06"],
                                               tz="Asia/Kolkata", name="ts").as_unit("ns"))  # fmt: skip
    assert frame["volume"].sum() == BARS.volume.sum()


@pytest.mark.parametrize(
    ("start", "end", "bars"),
    [
        ("2025-06-03", "2025-06-03", 375),
        ("2025-06-03", "2025-06-04", 750),
        (date(2025, 6, 3), date(2025, 6, 3), 375),
        ("2025-06-03 10:00", "2025-06-03 10:05", 5),
        (pd.Timestamp("2025-06-03 04:30", tz="UTC"), pd.Timestamp("2025-06-03 04:35", tz="UTC"), 5),
        (None, "2025-06-02", 375),
    ],
)
def test_a_start_is_included_and_a_day_as_an_end_too(folder: Path, start, end, bars: int) -> None:
    assert len(tradebot.load_bars("RELIANCE", "1m", start=start, end=end, source=folder)) == bars


def test_a_market_around_the_clock_is_in_utc(folder: Path) -> None:
    frame = tradebot.load_bars("BTC", "4h", source=folder)

    assert frame.index[:2].strftime("%H:%M").tolist() == ["00:00", "04:00"]
    assert str(frame.index.tz) == "UTC"
    assert frame["volume"].dtype == np.float64


@pytest.mark.parametrize(
    ("symbol", "interval", "start", "sentence"),
    [
        ("TCS", "1m", None, "it has none of this symbol"),
        ("RELIANCE", "90s", None, "no bars that make 90s of RELIANCE; it has 1m"),
        ("RELIANCE", "30s", None, "it has 1m"),
        ("RELIANCE", "soon", None, "the interval 'soon' is none"),
        ("RELIANCE", "1m", "2031-01-01", "no 1m bars of RELIANCE in the asked span"),
        ("RELIANCE", "1m", "yesterday-ish", "is no time"),
        ("RELIANCE", "1m", "02-06-2025", "'02-06-2025' is no time; expected one such as 2025-06-02"),
        ("RELIANCE", "1m", "02/06/2025 10:00", "is no time; expected one such as 2025-06-02"),
        ("RELIANCE", "1m", "2025-06", "is no time; expected one such as 2025-06-02"),
        ("RELIANCE", "1m", "2025", "is no time; expected one such as 2025-06-02"),
    ],
)
def test_what_cannot_be_loaded_is_said(folder: Path, symbol: str, interval: str, start: str, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        tradebot.load_bars(symbol, interval, start=start, source=folder)


def test_the_state_directory_of_the_environment_is_the_default(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADEBOT_APP__STATE_DIR", str(folder))

    assert len(tradebot.load_bars("RELIANCE", "1h")) == 5 * 7


@pytest.mark.parametrize("name", ["out.csv", "out.csv.gz", "out.parquet"])
def test_a_frame_is_written_whole(folder: Path, name: str) -> None:
    if name.endswith("parquet"):
        pytest.importorskip("duckdb")
    frame = tradebot.load_bars("RELIANCE", "1d", source=folder)

    write_frame(frame, folder / name)

    if not name.endswith("parquet"):
        again = pd.read_csv(folder / name, index_col="ts", parse_dates=True)
        np.testing.assert_array_equal(again.to_numpy(), frame.to_numpy())
    assert (folder / name).stat().st_size > 0
    assert not list(folder.glob("*.unfinished"))
    with pytest.raises(DataError, match="ends in"):
        write_frame(frame, folder / "out.xls")


def test_a_minute_is_what_its_name_says() -> None:
    assert MINUTE == 60_000_000_000


def test_weeks_begin_on_their_monday_and_months_on_their_first() -> None:
    days = walk(days=60, interval=2_700 * SECOND)  # 2 June to 26 August
    weeks, months = resample_series(days, WEEK, "NSE"), resample_series(days, MONTH, "NSE")

    at = pd.DatetimeIndex(days.starts, tz="UTC").tz_convert("Asia/Kolkata").tz_localize(None)
    for made, rule in ((weeks, at.to_period("W-SUN")), (months, at.to_period("M"))):
        groups = pd.Series(days.volume).groupby(rule).sum()
        assert (made.starts == groups.index.start_time.tz_localize("Asia/Kolkata").as_unit("ns").asi8).all()
        assert made.volume.tolist() == groups.tolist()
    assert resample_series(resample_series(days, DAY, "NSE"), MONTH, "NSE").close.tolist() == months.close.tolist()
    with pytest.raises(DataError, match="bars of 1mo cannot be made of bars of 1w"):
        resample_series(weeks, MONTH, "NSE")


def test_weeks_are_made_of_the_minutes_that_there_are(folder: Path) -> None:
    frame = tradebot.load_bars("RELIANCE", "1w", source=folder)
    assert (len(frame), frame.attrs["interval"], frame.attrs["made_of"]) == (1, "1w", "1m")


def test_a_week_is_known_by_any_stamp_of_it() -> None:
    stamps = pd.DatetimeIndex(["2024-01-07", "2024-01-08", "2024-01-16", "2024-01-26"], tz="Asia/Kolkata")
    found = align_to_calendar(stamps.as_unit("ns").asi8, WEEK, "NSE")
    days = pd.DatetimeIndex(found, tz="UTC").tz_convert("Asia/Kolkata").strftime("%m-%d").tolist()
    assert days == ["01-08", "01-08", "01-15", "01-22"]  # the Sunday before stands for the week to come
