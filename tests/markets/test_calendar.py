"""The trading calendar: data against library, special days, the closing auction's hours, the operator's additions."""

from __future__ import annotations

import subprocess
import sys
from datetime import date, time, timedelta

import pytest

from tradebot.clock import IST, MILLISECOND, format_iso
from tradebot.markets import closures
from tradebot.markets.calendar import DATA_FOLDER, HoursClass, Session, SpecialDay, TradingCalendar, ist_date, ist_to_ns

CALENDAR = TradingCalendar()


def hours(session: Session | None) -> str:
    assert session is not None
    return f"{format_iso(session.opens_at, IST)[11:16]}-{format_iso(session.closes_at, IST)[11:16]}"


def test_the_shipped_closures_are_what_the_library_says() -> None:
    assert (DATA_FOLDER / "nse_closed.toml").read_text() == closures.render_closures()


def test_sessions_on_weekdays_agree_with_the_library_until_the_closing_auction() -> None:
    import pandas_market_calendars

    schedule = pandas_market_calendars.get_calendar("NSE").schedule("2019-01-01", "2026-08-02")
    library = {
        row.Index.date(): (row.market_open.as_unit("ns").value, row.market_close.as_unit("ns").value)
        for row in schedule.itertuples()
    }
    ours = {}
    day = date(2019, 1, 1)
    while day < date(2026, 8, 3):
        session = CALENDAR.session_on(day, HoursClass.UNDERLYING)
        if session and day.weekday() < 5:
            ours[day] = (session.opens_at, session.closes_at)
        day += timedelta(days=1)
    assert ours == library


@pytest.mark.parametrize(
    ("day", "line", "expected"),
    [
        (date(2021, 6, 11), HoursClass.UNDERLYING, "09:15-15:30"),
        (date(2026, 7, 31), HoursClass.UNDERLYING, "09:15-15:30"),
        (date(2026, 8, 3), HoursClass.UNDERLYING, "09:15-15:15"),
        (date(2026, 8, 3), HoursClass.SHARE, "09:15-15:30"),
        (date(2026, 7, 31), HoursClass.CONTRACT, "09:15-15:30"),
        (date(2026, 8, 3), HoursClass.CONTRACT, "09:15-15:40"),
        (date(2024, 1, 20), HoursClass.SHARE, "09:15-15:30"),
        (date(2026, 2, 1), HoursClass.SHARE, "09:15-15:30"),
        (date(2025, 10, 21), HoursClass.UNDERLYING, "13:45-14:45"),
        (date(2026, 11, 8), HoursClass.UNDERLYING, "18:00-19:15"),
        (date(2026, 11, 8), HoursClass.CONTRACT, "18:00-19:15"),
        (date(2021, 2, 24), HoursClass.UNDERLYING, "09:15-17:00"),
    ],
)
def test_the_hours_of_a_day_are_those_the_exchange_announced(day: date, line: HoursClass, expected: str) -> None:
    assert hours(CALENDAR.session_on(day, line)) == expected


@pytest.mark.parametrize("day", [date(2026, 1, 15), date(2026, 12, 25), date(2024, 1, 22), date(2026, 8, 1)])
def test_holidays_and_weekends_have_no_session(day: date) -> None:
    assert CALENDAR.session_on(day) is None
    assert not CALENDAR.is_trading_day(day)


def test_an_intraday_position_is_out_ten_minutes_before_its_own_close() -> None:
    session = CALENDAR.session_on(date(2026, 8, 3), HoursClass.UNDERLYING)
    assert session is not None
    assert format_iso(session.square_off_at, IST)[11:16] == "15:05"


def test_a_session_is_open_from_its_first_instant_to_before_its_last() -> None:
    session = CALENDAR.session_on(date(2026, 7, 31))
    assert session is not None
    open_at = [session.opens_at - MILLISECOND, session.opens_at, session.closes_at - MILLISECOND, session.closes_at]
    assert [session.is_open(at) for at in open_at] == [False, True, True, False]


def test_the_next_trading_day_skips_weekends_and_holidays_and_finds_a_sunday_session() -> None:
    assert CALENDAR.next_trading_day(date(2026, 1, 23)) == date(2026, 1, 27)
    assert CALENDAR.next_trading_day(date(2026, 1, 30)) == date(2026, 2, 1)
    assert CALENDAR.previous_trading_day(date(2026, 11, 9)) == date(2026, 11, 8)


def test_the_operator_can_close_a_day_and_open_another() -> None:
    friday, saturday = date(2026, 7, 3), date(2026, 7, 4)
    drill = SpecialDay(day=saturday, opens=time(9, 15), closes=time(10, 0), name="drill")
    calendar = TradingCalendar(closed=[friday], special=[drill])
    assert calendar.session_on(friday) is None
    assert hours(calendar.session_on(saturday)) == "09:15-10:00"
    assert calendar.next_trading_day(date(2026, 7, 2)) == saturday


def test_a_full_day_on_a_weekend_ends_for_each_line_as_an_ordinary_one_does() -> None:
    saturday = date(2026, 9, 5)
    budget = SpecialDay(day=saturday, opens=time(9, 15), closes=time(15, 30), name="Union Budget")
    calendar = TradingCalendar(special=[budget])
    assert [hours(calendar.session_on(saturday, line))[6:] for line in HoursClass] == ["15:30", "15:15", "15:40"]


def test_days_after_the_data_are_not_covered_unless_the_operator_says_so() -> None:
    assert CALENDAR.is_covered(date(2026, 12, 31))
    assert not CALENDAR.is_covered(date(2027, 1, 1))
    assert TradingCalendar(covered_through=date(2027, 6, 30)).is_covered(date(2027, 1, 1))


def test_years_without_data_come_from_the_library() -> None:
    assert CALENDAR.session_on(date(2018, 1, 26)) is None
    assert hours(CALENDAR.session_on(date(2018, 1, 25))) == "09:15-15:30"
    assert CALENDAR.next_trading_day(date(2026, 12, 31)) == date(2027, 1, 1)


def test_a_day_within_the_data_costs_no_import_of_pandas() -> None:
    program = (
        "import sys; from datetime import date; from tradebot.markets.calendar import TradingCalendar;"
        "assert TradingCalendar().session_on(date(2026, 7, 1)); sys.exit('pandas' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_a_moment_and_its_day_belong_together() -> None:
    assert ist_date(ist_to_ns(date(2026, 7, 1), time(0, 0))) == date(2026, 7, 1)
    assert ist_date(ist_to_ns(date(2026, 7, 1), time(0, 0)) - 1) == date(2026, 6, 30)


def test_a_fixed_holiday_past_the_data_is_no_trading_day() -> None:
    assert not CALENDAR.is_trading_day(date(2027, 1, 26))
    assert CALENDAR.next_trading_day(date(2027, 1, 25)) == date(2027, 1, 27)
