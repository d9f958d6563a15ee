"""The trading calendar of NSE: the session of each day from dated data; bars, gate, exchange and app read it.

The closures from 2019 to `covered_through` are plain data, so that a start does not import pandas. Other years come
from pandas_market_calendars, which is loaded on first use. That library knows no weekend sessions and no change of
hours, and it treats every weekday of a year without a list as open. Our data therefore overrides it, and
`covered_through` limits the days that may be traded.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any

from tradebot.clock import DAY, IST, MINUTE, SECOND
from tradebot.domain.message import Message

DATA_FOLDER = Path(__file__).with_name("data")
ONE_DAY = timedelta(days=1)
IST_OFFSET_NS = 19_800 * SECOND  # +05:30
MAX_BREAK_DAYS = 30  # no exchange is closed longer: a longer break means that the data is wrong


class HoursClass(StrEnum):
    """The classes of instruments with different closing times; the values are the keys of the closes in the data."""

    SHARE = "closes"  # a share without derivatives
    UNDERLYING = "closes_underlying"  # a share with derivatives, or an index, which stops moving when its shares do
    CONTRACT = "closes_contract"


class Session(Message, frozen=True):
    """One continuous session, ns UTC: trading in [opens_at, closes_at), intraday positions flat by `square_off_at`."""

    opens_at: int
    closes_at: int
    square_off_at: int
    name: str = ""

    def is_open(self, at: int) -> bool:
        """Return True if the session is open at `at` (ns UTC)."""
        return self.opens_at <= at < self.closes_at


class SpecialDay(Message, frozen=True):
    """A day with its own hours (IST). It overrides weekends, closures and the ordinary hours."""

    day: date
    opens: time
    closes: time
    name: str = ""


class OrdinaryHours(Message, frozen=True):
    """The ordinary hours (IST) from the day `since` on."""

    since: date
    opens: time
    closes: dict[HoursClass, time]
    exit_minutes: int
    risk_desk_minutes: dict[HoursClass, int]


class TradingCalendar:
    """NSE's trading days. `closed` and `special` are the operator's additions; they override the shipped data.

    `covered_through` is the last day that the data covers. Later days are treated as if no holiday existed, so real
    money must not be traded on them.
    """

    def __init__(
        self,
        *,
        closed: Iterable[date] = (),
        special: Iterable[SpecialDay] = (),
        covered_through: date | None = None,
    ) -> None:
        data, listed = _read("nse_sessions.toml"), _read("nse_closed.toml")
        self.covered_from: date = listed["covered_from"]
        self.covered_through: date = covered_through or data["covered_through"]
        self._listed_through: date = listed["covered_through"]
        self._closed: frozenset[date] = frozenset(listed["closed"]) | frozenset(data["closed"])
        self._hours = [
            OrdinaryHours(
                since=row["from"],
                opens=row["opens"],
                closes={line: row[line] for line in HoursClass},
                exit_minutes=row["exit_minutes"],
                risk_desk_minutes={line: row["risk_desk_minutes"][line] for line in HoursClass},
            )
            for row in sorted(data["hours"], key=lambda row: row["from"])
        ]
        # day -> its special hours; None where the operator declared it closed
        self._special: dict[date, SpecialDay | None] = {
            row["date"]: SpecialDay(day=row["date"], opens=row["opens"], closes=row["closes"], name=row["name"])
            for row in data["special"]
        }
        self._special |= dict.fromkeys(closed)
        self._special |= {s.day: s for s in special}

    def session_on(self, day: date, line: HoursClass = HoursClass.SHARE) -> Session | None:
        """Return the continuous session of `day` for an hours class, or None where the market is closed.

        Special hours hold for every hours class, unless they equal those of an ordinary day.
        """
        hours = self._hours_of(day)
        if day in self._special:
            special = self._special[day]
            if special is None:
                return None
            is_full = (special.opens, special.closes) == (hours.opens, hours.closes[HoursClass.SHARE])
            closes = hours.closes[line] if is_full else special.closes
            return _session(day, special.opens, closes, hours.exit_minutes, special.name)
        if not self._is_ordinary(day):
            return None
        return _session(day, hours.opens, hours.closes[line], hours.exit_minutes)

    def risk_desk_minutes(self, day: date, line: HoursClass) -> int:
        """Return how many minutes before the close of an hours class a broker squares off; not established."""
        return self._hours_of(day).risk_desk_minutes[line]

    def is_trading_day(self, day: date) -> bool:
        """Return True if the market has a session on `day`."""
        return self._special[day] is not None if day in self._special else self._is_ordinary(day)

    def next_trading_day(self, day: date) -> date:
        """Return the first trading day after `day`."""
        return self._nearest(day, ONE_DAY)

    def previous_trading_day(self, day: date) -> date:
        """Return the last trading day before `day`."""
        return self._nearest(day, -ONE_DAY)

    def is_covered(self, day: date) -> bool:
        """Return True up to the last day for which the closures are known."""
        return day <= self.covered_through

    def _nearest(self, day: date, stride: timedelta) -> date:
        for _ in range(MAX_BREAK_DAYS):
            day += stride
            if self.is_trading_day(day):
                return day
        raise AssertionError(f"no trading day within {MAX_BREAK_DAYS} days of {day}")

    def _is_ordinary(self, day: date) -> bool:
        if day.weekday() >= 5 or day in self._closed:
            return False
        if self.covered_from <= day <= self._listed_through:
            return True
        return day not in library_closures(day.year)

    def _hours_of(self, day: date) -> OrdinaryHours:
        found = self._hours[0]
        for hours in self._hours[1:]:
            if hours.since <= day:
                found = hours
        return found


@lru_cache(maxsize=64)
def library_closures(year: int) -> frozenset[date]:
    """Return the weekdays of `year` without a session, by the calendar library; imports pandas."""
    import pandas_market_calendars  # the import takes a second, so only for years outside the data

    calendar = pandas_market_calendars.get_calendar("NSE")
    days = calendar.valid_days(start_date=f"{year}-01-01", end_date=f"{year}-12-31")
    is_open = {day.date() for day in days}
    weekdays = (date(year, 1, 1) + n * ONE_DAY for n in range(366))
    return frozenset(day for day in weekdays if day.year == year and day.weekday() < 5 and day not in is_open)


def ist_to_ns(day: date, at: time) -> int:
    """Return a date and time of day in IST as ns UTC."""
    return int(datetime.combine(day, at, IST).timestamp()) * SECOND


def ist_date(at: int) -> date:
    """Return the Indian date of `at` (ns UTC)."""
    return datetime.fromtimestamp(at // SECOND, IST).date()


def ist_day_number(at: int) -> int:
    """Return the number of the Indian day of `at` (ns UTC), counted from 1970-01-01; cheaper than the date."""
    return (at + IST_OFFSET_NS) // DAY


def _session(day: date, opens: time, closes: time, exit_minutes: int, name: str = "") -> Session:
    closes_at = ist_to_ns(day, closes)
    return Session(
        opens_at=ist_to_ns(day, opens), closes_at=closes_at, square_off_at=closes_at - exit_minutes * MINUTE, name=name
    )


@lru_cache(maxsize=8)
def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((DATA_FOLDER / name).read_text(encoding="utf-8"))
