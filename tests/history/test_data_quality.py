"""What is wrong with a series is found, and what is only thin is not."""

from __future__ import annotations

from datetime import date

import msgspec
import numpy as np
import pytest

from tests.history.bars_by_hand import MINUTE, series, walk
from tradebot.clock import SECOND
from tradebot.domain.instrument import Instrument
from tradebot.domain.market import BarSeries
from tradebot.errors import DataError
from tradebot.history.data_quality import examine_series, require_testable
from tradebot.history.interval import MONTH, WEEK
from tradebot.history.resample import resample_series
from tradebot.markets.calendar import HoursClass

DAY = 86_400 * SECOND
RELIANCE = Instrument(symbol="RELIANCE")


def kinds(bars: BarSeries, exchange: str = "NSE") -> dict[str, int]:
    return {finding.kind: finding.times for finding in examine_series(bars, exchange)}


def changed(bars: BarSeries, row: int, **values: int) -> BarSeries:
    columns = {name: getattr(bars, name).copy() for name in values}
    for name, value in values.items():
        columns[name][row] = value
    return msgspec.structs.replace(bars, **columns)


def test_whole_sessions_over_a_holiday_are_sound() -> None:
    # Muharram on the 6th of July 2025 was a Sunday; the 15th and 27th of August were closed on weekdays.
    assert examine_series(walk(days=20, begins=date(2025, 8, 8)), "NSE") == []


def test_a_missing_day_is_a_gap_and_a_holiday_is_none() -> None:
    bars = walk(days=5)
    keep = np.ones(len(bars), dtype=bool)
    keep[375:750] = False

    (finding,) = examine_series(bars.select_bars(keep), "NSE")

    assert (finding.kind, finding.times, finding.is_blocking) == ("missing_days", 1, True)
    assert "1 of 5 trading days have no bars: 2025-06-03" in finding.description


def test_a_hole_inside_a_session_is_a_gap_and_a_quiet_minute_is_none() -> None:
    bars = walk(days=3)
    keep = np.ones(len(bars), dtype=bool)
    keep[[400, 402, 500]] = False
    assert examine_series(bars.select_bars(keep), "NSE") == []
    keep[440:452] = False

    (finding,) = examine_series(bars.select_bars(keep), "NSE")

    assert (finding.kind, finding.times) == ("holes", 1)
    assert "12 bars of 1m in all, the longest 12, the first from 2025-06-03T10:20:00" in finding.description


def test_a_session_that_ends_early_has_a_hole_unless_the_series_ends_there() -> None:
    bars = walk(days=2)

    assert kinds(bars.select_bars(np.r_[0:300, 375:750])) == {"holes": 1}
    assert kinds(bars.select_bars(np.r_[20:700])) == {}


def test_a_market_that_never_closes_has_gaps_at_night_too() -> None:
    starts = np.arange(0, 3 * DAY, MINUTE)
    bars = series("BTC", starts[(starts < DAY + 2 * 3_600 * SECOND) | (starts > DAY + 3 * 3_600 * SECOND)])

    assert kinds(bars, "BINANCE") == {"holes": 1}


def test_new_york_keeps_its_own_days() -> None:
    # The 18th and 20th of June 2025, midnight in New York; the 19th is a holiday there and none in India.
    around = series("AAPL", np.array([20_257, 20_259]) * DAY + 4 * 3_600 * SECOND, interval=DAY)

    assert kinds(around, "NASDAQ") == {}
    assert kinds(around, "NSE") == {"missing_days": 1}


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("not_positive", {"low": 0}),
        ("not_positive", {"open": -5, "low": -5}),
        ("high_below_low", {"high": 1, "low": 2, "open": 1, "close": 1}),
        ("outside_range", {"close": 10**6}),
        ("negative_volume", {"volume": -1}),
    ],
)
def test_impossible_bars_are_found_and_never_accepted(kind: str, values: dict[str, int]) -> None:
    bars = changed(walk(days=1), 7, **values)

    assert kind in kinds(bars)
    with pytest.raises(DataError, match="RELIANCE: 1 bars"):
        require_testable({"RELIANCE": bars}, [RELIANCE], accept_gaps=True)


def test_order_comes_before_everything_else() -> None:
    bars = walk(days=1)

    assert kinds(bars.select_bars(np.r_[0:5, 3:9])) == {"unsorted": 1}
    assert kinds(bars.select_bars(np.r_[0:5, 4:9])) == {"duplicates": 1}


@pytest.mark.parametrize(("factor", "words"), [(5, "1 share became 5"), (2, "became 2"), (1.5, "became 1.5")])
def test_a_split_that_was_not_adjusted_is_named_with_its_day(factor: float, words: str) -> None:
    bars = walk(days=4)
    columns = {name: getattr(bars, name).copy() for name in ("open", "high", "low", "close")}
    for column in columns.values():
        column[750:] = column[750:] / factor

    (finding,) = examine_series(msgspec.structs.replace(bars, **columns), "NSE")

    assert finding.kind == "split"
    assert "2025-06-04" in finding.description
    assert words in finding.description


def test_a_fall_by_a_third_of_a_fifth_is_no_split() -> None:
    bars = walk(days=2)
    columns = {name: getattr(bars, name).copy() for name in ("open", "high", "low", "close")}
    for column in columns.values():
        column[375:] = column[375:] * 0.8

    assert examine_series(msgspec.structs.replace(bars, **columns), "NSE") == []


def test_bars_outside_the_session_are_told_and_pass() -> None:
    bars = walk(days=1)
    early = series("RELIANCE", np.append(bars.starts[0] - 7 * MINUTE, bars.starts))

    assert kinds(early) == {"outside_session": 1}
    require_testable({"RELIANCE": early}, [RELIANCE])


def test_a_finding_names_its_first_bar_in_the_time_of_the_exchange() -> None:
    bars = walk(days=1)
    late = series("RELIANCE", np.append(bars.starts, bars.starts[-1] + 8 * MINUTE))
    opens_at = int(bars.starts[0]) + (13 * 60 + 30 - 3 * 60 - 45) * MINUTE  # 09:30 in New York, in summer
    early = series("AAPL", np.array([opens_at - MINUTE, opens_at], dtype=np.int64))

    (told,), (american,) = examine_series(late, "NSE"), examine_series(early, "NASDAQ")

    assert told.description == "1 bars start outside the session, the first at 2025-06-02T15:37:00+05:30"
    assert american.description == "1 bars start outside the session, the first at 2025-06-02T09:29:00-04:00"


def test_gaps_are_refused_until_they_are_accepted() -> None:
    bars = walk(days=3).select_bars(np.r_[0:375, 750:1125])

    with pytest.raises(DataError, match=r"RELIANCE: 1 of 3 trading days .* or say --accept-gaps"):
        require_testable({"RELIANCE": bars}, [RELIANCE])
    require_testable({"RELIANCE": bars}, [RELIANCE], accept_gaps=True)


def test_one_bar_and_none_are_sound() -> None:
    bars = walk(days=1)

    assert examine_series(bars.select_bars(np.r_[0:1]), "NSE") == []
    assert examine_series(bars.select_bars(np.r_[0:0]), "NSE") == []


def test_a_share_with_derivatives_misses_nothing_after_its_own_close_and_another_one_does() -> None:
    bars = walk(days=4, begins=date(2026, 7, 31))
    minutes = np.arange(len(bars)) % 375
    day = np.arange(len(bars)) // 375
    early = bars.select_bars((day == 0) | (minutes < 360))  # from the second day on the auction begins at 15:15

    assert examine_series(early, "NSE", HoursClass.UNDERLYING) == []
    assert [f.kind for f in examine_series(early, "NSE", HoursClass.SHARE)] == ["holes"]
    require_testable({"RELIANCE": early}, [msgspec.structs.replace(RELIANCE, has_derivatives=True)])
    with pytest.raises(DataError, match="2 holes inside sessions, 30 bars"):
        require_testable({"RELIANCE": early}, [msgspec.structs.replace(RELIANCE, has_derivatives=False)])


@pytest.mark.parametrize(("interval", "what"), [(WEEK, "1 of 12 weeks"), (MONTH, "1 of 3 months")])
def test_a_missing_week_or_month_is_a_gap(interval: int, what: str) -> None:
    bars = resample_series(walk(days=58, interval=2_700 * SECOND), interval, "NSE")
    assert examine_series(bars, "NSE") == []

    (finding,) = examine_series(bars.select_bars(np.arange(len(bars)) != 1), "NSE")

    assert finding.kind == "missing_days"
    assert finding.description.startswith(what)


def daily(closes: list[float], days: list[str]) -> BarSeries:
    starts = np.array([np.datetime64(day, "ns") for day in days]).astype(np.int64) - 330 * MINUTE
    columns = {name: (np.array(closes) * 100).astype(np.int64) for name in ("open", "high", "low", "close")}
    return BarSeries(
        symbol="RELIANCE", interval=DAY, starts=starts, volume=np.ones(len(starts), dtype=np.int64), **columns
    )


WEEK = ["2025-06-02", "2025-06-03", "2025-06-04", "2025-06-05"]


def test_a_demerger_is_told_as_a_doubt_with_its_date_until_it_is_accepted() -> None:
    bars = daily([201.0, 203.55, 89.85, 90.0], WEEK)

    (finding,) = examine_series(bars, "NSE")

    assert (finding.kind, finding.is_blocking) == ("jump", False)
    assert "opens on 2025-06-04 55.9% below the close before: a demerger" in finding.description
    assert "`tradebot data accept RELIANCE 2025-06-04`" in finding.description
    day = (date(2025, 6, 4) - date(1970, 1, 1)).days
    assert examine_series(bars, "NSE", accepted={("NSE", "RELIANCE", day)}) == []
    assert examine_series(bars, "NSE", accepted={("BSE", "RELIANCE", day), ("NSE", "RELIANCE", day + 1)}) == [finding]


def test_a_fall_within_a_day_is_no_jump_between_days() -> None:
    bars = daily([201.0, 203.55, 89.85, 90.0], WEEK)
    opens = bars.open.copy()
    opens[2], highs = 20_300, np.maximum(bars.high, 20_300 * (np.arange(4) == 2))

    assert examine_series(msgspec.structs.replace(bars, open=opens, high=highs), "NSE") == []


def test_a_split_is_accepted_by_itself_and_not_with_the_gaps() -> None:
    bars = daily([200.0, 200.0, 100.0, 100.0], WEEK)
    day = (date(2025, 6, 4) - date(1970, 1, 1)).days

    with pytest.raises(DataError, match=r"1 share became 2; if it is true, `tradebot data accept .* mend the data$"):
        require_testable({"RELIANCE": bars}, [RELIANCE], accept_gaps=True)
    require_testable({"RELIANCE": bars}, [RELIANCE], accepted={("NSE", "RELIANCE", day)})


def test_many_jumps_are_told_in_few_lines() -> None:
    days = [str(np.datetime64("2025-06-02") + week + day) for week in (0, 7, 14) for day in range(5)]
    bars = daily([100.0, 140.0] * 6 + [100.0] * 3, days)

    found = examine_series(bars, "NSE")

    assert [finding.kind for finding in found] == ["jump"] * 11
    assert found[-1].times == 2
    assert found[-1].description.startswith("2 more, the next: opens on 2025-06-17")


def test_days_on_which_the_exchange_was_closed_are_told() -> None:
    bars = daily([100.0] * 4, ["2025-06-05", "2025-06-06", "2025-06-07", "2025-06-08"])

    (finding,) = examine_series(bars, "NSE")

    assert (finding.kind, finding.times, finding.is_blocking) == ("closed_days", 2, False)
    assert "closed: 2025-06-07 (Saturday), 2025-06-08 (Sunday); a wrong zone shifts days" in finding.description


def test_a_saturday_with_a_session_is_no_closed_day() -> None:
    assert examine_series(daily([100.0] * 2, ["2024-01-19", "2024-01-20"]), "NSE") == []  # a special session


def test_stamps_at_the_end_are_told() -> None:
    bars = walk(days=2)
    late = msgspec.structs.replace(bars, starts=bars.starts + MINUTE)

    assert "end_stamps" in kinds(late)
    assert "end_stamps" in kinds(msgspec.structs.replace(bars, starts=bars.starts + 59 * SECOND))
    require_testable({"RELIANCE": late}, [RELIANCE])
