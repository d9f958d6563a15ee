"""A market: the calendar, currency and time zone of an exchange, looked up by the exchange of an instrument."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, time, tzinfo
from functools import cached_property, lru_cache
from zoneinfo import ZoneInfo

from tradebot.clock import DAY, IST, SECOND
from tradebot.domain.home_exchange import HOME_EXCHANGE
from tradebot.errors import DataError
from tradebot.markets.calendar import TradingCalendar
from tradebot.markets.exchanges import INDIA, NEW_YORK, opening_of, zone_name_of

CURRENCIES = {INDIA: "INR", NEW_YORK: "USD"}
CURRENCY_WORDS = {"INR": "rupees", "USD": "dollars"}  # the words for users


class Market:
    """The market of an exchange. The exchanges of one time zone have the same market data."""

    def __init__(self, exchange: str) -> None:
        self.exchange = exchange  # the one of the lookup
        self.zone_name = zone_name_of(exchange)
        self.opens: time = opening_of(exchange)
        self.currency = CURRENCIES.get(self.zone_name, "")  # empty where each instrument has its own currency
        self.currency_word = CURRENCY_WORDS.get(self.currency, self.currency)
        self.tzinfo: tzinfo = IST if self.zone_name == INDIA else ZoneInfo(self.zone_name)
        self._ahead = int(IST.utcoffset(None).total_seconds()) * SECOND if self.zone_name == INDIA else None

    @property
    def has_calendar(self) -> bool:
        """Return whether the sessions of this market are known."""
        return self.zone_name == INDIA

    @cached_property
    def calendar(self) -> TradingCalendar:
        """Return the calendar of its sessions. Raises DataError for a market without one."""
        if not self.has_calendar:
            raise DataError(f"{self.exchange}: the calendar of its sessions is not at hand")
        return TradingCalendar()

    @property
    def clock_name(self) -> str:
        """Return the name of the market's time for users, such as IST."""
        return self.tzinfo.tzname(None) or self.zone_name

    def utc_offset_ns(self, at: int) -> int:
        """Return the market's offset from UTC in ns at `at` (ns UTC)."""
        if self._ahead is not None:
            return self._ahead
        offset = datetime.fromtimestamp(at // SECOND, self.tzinfo).utcoffset()
        return int(offset.total_seconds()) * SECOND if offset else 0

    def date_of(self, at: int) -> date:
        """Return the date of `at` (ns UTC) in the market's zone."""
        return datetime.fromtimestamp(at // SECOND, self.tzinfo).date()

    def day_number(self, at: int) -> int:
        """Return the number of the day of `at` (ns UTC) in the market's zone, counted from 1970-01-01."""
        return (at + self.utc_offset_ns(at)) // DAY

    def day_start_at(self, at: int) -> int:
        """Return the midnight in the market's zone, in ns UTC, that began the day of `at` (ns UTC)."""
        return self.day_number(at) * DAY - self.utc_offset_ns(at)

    def to_ns(self, day: date, at: time) -> int:
        """Return a date and a time of day in the market's zone as ns UTC."""
        return int(datetime.combine(day, at, self.tzinfo).timestamp()) * SECOND


@lru_cache(maxsize=64)
def market_of(exchange: str) -> Market:
    """Return the market of an exchange."""
    return Market(exchange)


def common_market(exchanges: Iterable[str]) -> Market:
    """Return the market that all `exchanges` share, or the home market for no exchange.

    Raises DataError where they belong to different markets: a run has one calendar, one currency and one account.
    """
    names = dict.fromkeys(exchanges)
    markets = {market.zone_name: market for market in map(market_of, names)}
    if len(markets) > 1:
        raise DataError(f"exchanges of different hours cannot be traded together: {', '.join(sorted(names))}")
    return next(iter(markets.values()), HOME_MARKET)


HOME_MARKET = market_of(HOME_EXCHANGE)  # the default market
