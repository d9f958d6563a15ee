"""Where a backtest trades: exchange, zone, currency, hours and bill; used by the command line and by Python."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from tradebot.backtest.job import Bill
from tradebot.clock import DAY
from tradebot.domain.market import BarSeries
from tradebot.errors import ConfigError
from tradebot.history.exchange_calendar import INDIA, NEW_YORK, are_in_session, require_known_exchange, zone_of
from tradebot.markets.market import HOME_MARKET, market_of

DEFAULT_CURRENCY = "USD"
EXCHANGE_OF_ZONE = {NEW_YORK: "NASDAQ"}  # zone -> the exchange that it means where none is given
DEFAULT_EXCHANGE = "CRYPTO"  # around the clock, in UTC
IN_SESSION_SHARE = (
    0.5  # share of bars that must lie in sessions: data may have auctions or trades after hours beside them
)


class ExchangeSettings(NamedTuple):
    """An exchange, its zone, and the currency of its prices."""

    exchange: str
    zone: str
    currency: str


def exchange_settings(exchange: str = "", *, zone: str = "", currency: str = "") -> ExchangeSettings:
    """Return the exchange with its zone and currency; without arguments the home exchange.

    A currency other than the home market's means New York's exchanges where `zone` is theirs, else a market around the
    clock. Raises DataError for an unknown exchange, ConfigError for a currency that the exchange does not trade in.
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
    """Return the default `market` of `TradingHours`.

    India's sessions ("nse") for bars of its exchanges that are shorter than a day and mostly lie in sessions, else
    "always".
    """
    if zone_of(exchange) != INDIA or interval_ns >= DAY:
        return "always"
    inside = [are_in_session(one.starts, exchange) for one in series.values()]
    bars, there = sum(map(len, inside)), sum(int(part.sum()) for part in inside)
    return "nse" if there >= bars * IN_SESSION_SHARE else "always"


def default_bill(exchange: str) -> Bill:
    """Return the default bill of fills: India's on its exchanges, none elsewhere."""
    return Bill.INDIA if zone_of(exchange) == INDIA else Bill.NONE
