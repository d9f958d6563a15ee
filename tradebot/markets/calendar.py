"""When NSE trades: sessions day by day from dated data, asked by the bars, the gate, the exchange and the app.

The closures of 2019 to `covered_through` are plain data, so that a start costs no import of pandas; other years come
from pandas_market_calendars, loaded when first asked. That library knows no weekend sessions, no change of hours, and
takes every weekday of a year it has no list for as open: hence the overlay, and `covered_through` as a guard.
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
MAX_BREAK_DAYS = 30  # no exchange is closed longer; past it the data is wrong, not the market closed


class HoursClass(StrEnum):
    """What is traded, as far as its hours go; the values name the closes in the data."""

    SHARE = "closes"  # without derivatives
    UNDERLYING = "closes_underlying"  # has them: a share, or an index that stands still when its shares do
    CONTRACT = "closes_contract"


class Session(Message, frozen=True):
    """One continuous session, ns UTC: trading in [opens_at, closes_at), intraday positions flat by `square_off_at`."""

    opens_at: int
    closes_at: int
    square_off_at: int
    name: str = ""

    def is_open(self, at: int) -> bool:
        return self.opens_at <= at < self.closes_at


class SpecialDay(Message, frozen=True):
    """A day with hours of its own, IST; stands above weekends, closures and the ordinary hours."""

    day: date
    opens: time
    closes: time
    name: str = ""


class OrdinaryHours(Message, frozen=True):
    """Ordinary hours from `since` on, IST."""

    since: date
    opens: time
    closes: dict[HoursClass, time]
    exit_minutes: int


class TradingCalendar:
    """NSE's trading days; `closed` and `special` are the operator's additions and win over the shipped data.

    `covered_through` is the last day the data speaks for; later days are answered as if no holiday existed, so nobody
    may trade real money on them.
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
            )
            for row in sorted(data["hours"], key=lambda row: row["from"])
        ]
        # day -> its own hours, or None where the operator closed it
        self._special: dict[date, SpecialDay | None] = {
            row["date"]: SpecialDay(day=row["date"], opens=row["opens"], closes=row["closes"], name=row["name"])
            for row in data["special"]
        }
        self._special |= dict.fromkeys(closed)
        self._special |= {s.day: s for s in special}

    def session_on(self, day: date, line: HoursClass = HoursClass.SHARE) -> Session | None:
        """Return the continuous session of `day` for a line, None where the market is closed.

        A day with hours of its own has them for every line, unless they are those of an ordinary day.
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

    def is_trading_day(self, day: date) -> bool:
        return self._special[day] is not None if day in self._special else self._is_ordinary(day)

    def next_trading_day(self, day: date) -> date:
        """Return the first trading day after `day`."""
        return self._nearest(day, ONE_DAY)

    def previous_trading_day(self, day: date) -> date:
        """Return the last trading day before `day`."""
        return self._nearest(day, -ONE_DAY)

    def is_covered(self, day: date) -> bool:
        """True up to the last day whose closures are known."""
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
    """Return the weekdays of `year` on which the library has no session; loads pandas."""
    import pandas_market_calendars  # costs a second: only years outside the data pay it

    calendar = pandas_market_calendars.get_calendar("NSE")
    days = calendar.valid_days(start_date=f"{year}-01-01", end_date=f"{year}-12-31")
    is_open = {day.date() for day in days}
    weekdays = (date(year, 1, 1) + n * ONE_DAY for n in range(366))
    return frozenset(day for day in weekdays if day.year == year and day.weekday() < 5 and day not in is_open)


def ist_to_ns(day: date, at: time) -> int:
    """Return an Indian date and time of day as ns UTC."""
    return int(datetime.combine(day, at, IST).timestamp()) * SECOND


def ist_date(at: int) -> date:
    """Return the Indian date of `at` (ns UTC)."""
    return datetime.fromtimestamp(at // SECOND, IST).date()


def ist_day_number(at: int) -> int:
    """Return the number of the Indian day of `at` (ns UTC): equal on one day, and cheap."""
    return (at + IST_OFFSET_NS) // DAY


def _session(day: date, opens: time, closes: time, exit_minutes: int, name: str = "") -> Session:
    closes_at = ist_to_ns(day, closes)
    return Session(
        opens_at=ist_to_ns(day, opens), closes_at=closes_at, square_off_at=closes_at - exit_minutes * MINUTE, name=name
    )


@lru_cache(maxsize=8)
def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((DATA_FOLDER / name).read_text(encoding="utf-8"))
