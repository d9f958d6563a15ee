"""The zone of an exchange and its session on a day, for the history."""

from __future__ import annotations

import warnings
from datetime import date, datetime, tzinfo
from difflib import get_close_matches
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import numpy.typing as npt
import pandas as pd

from tradebot.clock import DAY, SECOND
from tradebot.domain.market import Ints
from tradebot.errors import DataError
from tradebot.markets import exchanges
from tradebot.markets.calendar import HoursClass
from tradebot.markets.market import market_of

INDIA, NEW_YORK, UTC_ZONE, ZONES = exchanges.INDIA, exchanges.NEW_YORK, exchanges.UTC_ZONE, exchanges.ZONE_NAMES
zone_of = exchanges.zone_name_of
# These trade around the clock, in UTC. An unknown exchange is refused, because its hours would be a guess.
ALWAYS_OPEN_EXCHANGES = (
    "BINANCE",
    "BITFINEX",
    "BITGET",
    "BITMEX",
    "BITSTAMP",
    "BYBIT",
    "COINBASE",
    "COINDCX",
    "CRYPTO",
    "DELTA",
    "DERIBIT",
    "DYDX",
    "FOREX",
    "FTX",
    "GATEIO",
    "GEMINI",
    "HTX",
    "HUOBI",
    "HYPERLIQUID",
    "KRAKEN",
    "KUCOIN",
    "MEXC",
    "OANDA",
    "OKX",
    "POLONIEX",
    "UPBIT",
    "WAZIRX",
)
# Indian exchanges with other hours and contracts.
UNSUPPORTED_EXCHANGES = (
    "CDS",
    "BCD",
    "MCX",
    "NCDEX",
    "NCO",
    "NSEIX",
)


class ExchangeHours(NamedTuple):
    """One session in ns UTC, [opens_at, closes_at)."""

    opens_at: int
    closes_at: int


def require_known_exchange(exchange: str) -> None:
    """Raise DataError for an exchange with unknown hours and currency."""
    name = exchange.strip().upper()
    if name in ZONES or name in ALWAYS_OPEN_EXCHANGES:
        return
    if name in UNSUPPORTED_EXCHANGES:
        raise DataError(f"--exchange {name}: its hours and contracts are not known here; it cannot be tested on yet")
    near = get_close_matches(name, [*ZONES, *ALWAYS_OPEN_EXCHANGES], n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise DataError(
        f"--exchange {exchange}: there is no such exchange; {hint}known are {', '.join(ZONES)}, and around the clock"
        f" {', '.join(ALWAYS_OPEN_EXCHANGES)}"
    )


def load_zone(name: str) -> tzinfo:
    """Return the time zone of a name. Raises DataError for an unknown one."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise DataError(
            f"there is no time zone {name!r}; names are such as Asia/Kolkata, America/New_York, UTC"
        ) from error


def exchange_days(starts: Ints, exchange: str) -> Ints:
    """Return the day of each time (ns UTC) at the exchange, counted from 1970-01-01."""
    local = pd.DatetimeIndex(starts, tz="UTC").as_unit("ns").tz_convert(zone_of(exchange)).tz_localize(None)
    days: Ints = local.asi8 // DAY
    return days


def day_number(day: date) -> int:
    """Return the number of a day, counted from 1970-01-01."""
    return day.toordinal() - date(1970, 1, 1).toordinal()


def date_of_day(number: int) -> date:
    """Return the date of a day's number, counted from 1970-01-01."""
    return date.fromordinal(number + date(1970, 1, 1).toordinal())


class ExchangeCalendar:
    """The sessions of one exchange; days are counted from 1970-01-01 in the exchange's zone."""

    def __init__(self, exchange: str) -> None:
        self.exchange, self.zone = exchange, zone_of(exchange)
        self._indian = market_of(exchange).calendar if self.zone == INDIA else None
        # (day, line) -> its session; a backtest needs the same sessions for every symbol
        self._known: dict[tuple[int, HoursClass], ExchangeHours | None] = {}

    def session_hours(self, day: int, line: HoursClass = HoursClass.SHARE) -> ExchangeHours | None:
        """Return the session of a day, None when the exchange is closed; in India it depends on `line`."""
        if (day, line) not in self._known:
            self._known[day, line] = self._hours(day, line)
        return self._known[day, line]

    def _hours(self, day: int, line: HoursClass) -> ExchangeHours | None:
        if self._indian is not None:
            session = self._indian.session_on(date_of_day(day), line)
            return None if session is None else ExchangeHours(session.opens_at, session.closes_at)
        if self.zone == NEW_YORK:
            return _american(date_of_day(day).year).get(day)
        return ExchangeHours(day * DAY, (day + 1) * DAY)

    def trading_days(self, first: int, last: int) -> list[int]:
        """Return the trading days from `first` to `last`, both included."""
        return [day for day in range(first, last + 1) if self.session_hours(day) is not None]

    def session_opens(self, days: Ints) -> Ints:
        """Return for each day when its session opens (ns UTC), midnight of the zone for a day without a session."""
        found = {day: self._opens_at(day) for day in np.unique(days).tolist()}
        return np.array([found[day] for day in days.tolist()], dtype=np.int64)

    def _opens_at(self, day: int) -> int:
        hours = self.session_hours(day)
        return self.midnight_at(day) if hours is None else hours.opens_at

    def midnight_at(self, day: int) -> int:
        """Return when a day begins in the exchange's zone, ns UTC."""
        begin = datetime.combine(date_of_day(day), datetime.min.time(), load_zone(self.zone))
        return int(begin.timestamp()) * SECOND


@lru_cache(maxsize=16)
def calendar_of(exchange: str) -> ExchangeCalendar:
    """Return the calendar of an exchange; all callers share one."""
    return ExchangeCalendar(exchange)


def are_in_session(starts: Ints, exchange: str) -> npt.NDArray[np.bool_]:
    """Return for each time (ns UTC, ascending) whether it is inside a session of the exchange."""
    calendar, days = calendar_of(exchange), exchange_days(starts, exchange)
    found = np.zeros(len(starts), dtype=bool)
    traded = np.unique(days)
    edges = np.searchsorted(days, traded).tolist()
    for day, begin, end in zip(traded.tolist(), edges, [*edges[1:], len(days)], strict=True):
        if (hours := calendar.session_hours(day)) is not None:
            part = starts[begin:end]
            found[begin:end] = (part >= hours.opens_at) & (part < hours.closes_at)
    return found


@lru_cache(maxsize=64)
def _american(year: int) -> dict[int, ExchangeHours]:
    import pandas_market_calendars  # it takes a second to load, and only American exchanges need it

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the library's use of pandas causes them
        schedule = pandas_market_calendars.get_calendar("NYSE").schedule(f"{year}-01-01", f"{year}-12-31")
    opens = schedule["market_open"].dt.as_unit("ns").astype("int64")
    closes = schedule["market_close"].dt.as_unit("ns").astype("int64")
    return {
        day_number(stamp.date()): ExchangeHours(int(o), int(c))
        for stamp, o, c in zip(schedule.index, opens, closes, strict=True)
    }
