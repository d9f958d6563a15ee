"""Where a backtest trades: exchange, zone, money, hours and bill; the command line and Python both ask here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from tradebot.backtest.job import Bill
from tradebot.clock import DAY
from tradebot.domain.market_data import BarSeries
from tradebot.errors import ConfigError
from tradebot.history.exchange_calendar import INDIA, NEW_YORK, are_in_session, require_known_exchange, zone_of
from tradebot.markets.market import HOME_MARKET, market_of

DEFAULT_CURRENCY = "USD"
EXCHANGE_OF_ZONE = {NEW_YORK: "NASDAQ"}  # the exchange that a zone means where none is said
DEFAULT_EXCHANGE = "CRYPTO"  # around the clock, in UTC
IN_SESSION_SHARE = (
    0.5  # of the bars, that lie in sessions of the exchange: some have auctions, or trades after hours, beside
)


class ExchangeSettings(NamedTuple):
    """An exchange, the zone it lives by, and the currency of its prices."""

    exchange: str
    zone: str
    currency: str


def exchange_settings(exchange: str = "", *, zone: str = "", currency: str = "") -> ExchangeSettings:
    """Return where is traded, by what is said of it; without a word that is the home exchange.

    Another currency than the home market's is of New York's exchanges where that is the zone, else of a market around
    the clock. Raises DataError for an exchange that is not known, ConfigError for money that one does not trade in.
    """
    name = exchange.strip().upper()
    if not name:
        name = (
            HOME_MARKET.exchange
            if currency in ("", HOME_MARKET.currency)
            else EXCHANGE_OF_ZONE.get(zone, DEFAULT_EXCHANGE)
        )
    require_known_exchange(name)
    lives_by = zone_of(name)
    own = market_of(name).currency
    if own and currency not in ("", own):
        raise ConfigError(f"{name} trades in {own}, not in {currency}; say exchange= for another market")
    return ExchangeSettings(name, lives_by, currency or own or DEFAULT_CURRENCY)


def default_market(exchange: str, interval_ns: int, series: Mapping[str, BarSeries]) -> str:
    """Return the market of `job.Hours`: India's sessions for bars below a day that mostly lie in them, else always."""
    if zone_of(exchange) != INDIA or interval_ns >= DAY:
        return "always"
    inside = [are_in_session(one.starts, exchange) for one in series.values()]
    bars, there = sum(map(len, inside)), sum(int(part.sum()) for part in inside)
    return "nse" if there >= bars * IN_SESSION_SHARE else "always"


def default_bill(exchange: str) -> Bill:
    """Return whose bill fills get where nothing else is said: India's on its exchanges, none elsewhere."""
    return Bill.INDIA if zone_of(exchange) == INDIA else Bill.NONE
