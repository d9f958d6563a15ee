"""The documented rules of Kite Connect v3, each once: the client respects them, the server enforces them."""

from __future__ import annotations

from datetime import time
from decimal import Decimal
from urllib.parse import urlsplit

from tradebot.clock import DAY, MINUTE
from tradebot.domain.message import Message
from tradebot.venues.limiter import RateWindow, rate_windows
from tradebot.venues.venue_rules import VenueRules

REST_URL = "https://api.kite.trade"
TICKER_URL = "wss://ws.kite.trade"
LOGIN_URL = "https://kite.zerodha.com/connect/login"
# The official sandbox: limit orders near the last price alone, no market orders, no GTT, no margins.
SANDBOX_HOST, SANDBOX_TICKER_HOST = "sandbox.kite.trade", "ws-sandbox.kite.trade"
SANDBOX_PREFIX = "/oms"  # of each of its routes but the instruments and the login page
HEADERS = {"X-Kite-Version": "3"}  # sent with every request

# interval in ns -> (Kite's name, longest span of one request in days)
CANDLES: dict[int, tuple[str, int]] = {
    MINUTE: ("minute", 60),
    3 * MINUTE: ("3minute", 100),
    5 * MINUTE: ("5minute", 100),
    10 * MINUTE: ("10minute", 100),
    15 * MINUTE: ("15minute", 200),
    30 * MINUTE: ("30minute", 200),
    60 * MINUTE: ("60minute", 400),
    DAY: ("day", 2000),
}

# Changes and cancels count only toward the limit per second.
ORDERS_PER_SECOND, ORDERS_PER_MINUTE, ORDERS_PER_DAY = 10, 400, 5_000
QUOTES_PER_SECOND, CANDLES_PER_SECOND, OTHERS_PER_SECOND = 1, 3, 10
CHANGES_PER_ORDER = 25
TAG_LENGTH = 20
TOKENS_PER_CONNECTION = 3_000
TICKER_CONNECTIONS = 3
QUOTES_PER_REQUEST, PRICES_PER_REQUEST = 500, 1_000  # for full quotes; for ohlc and ltp
LOGIN_ENDS = time(6, 0)  # IST; no response says when a token was issued or ends
EXCHANGES = ("NSE", "BSE", "NFO", "BFO", "CDS", "BCD", "MCX")
PRODUCTS = ("CNC", "NRML", "MIS")
# The (exchange, value of InstrumentKind) that take a SL-M order. BSE withdrew it in all its segments on 9 October 2023
# (Upstox on it), NSE for options on 27 September 2021 (SAS Online's bulletin of 2 May 2022: refusal 16052, "Function
# not available"). What is not established (currency, commodities) is left out: a SL order is taken everywhere.
STOP_MARKET: frozenset[tuple[str, str]] = frozenset({("NSE", "equity"), ("NFO", "future")})
# Zerodha's support pages say that 250 GTT orders may be active, other pages say 500; hence the setting `kite.max_gtt`.
MAX_GTT = 250
# Of a trigger from the last price; below Rs 50 it is Rs 0.09 instead. The larger of both is right or a little strict.
GTT_MIN_DISTANCE_PCT, GTT_MIN_DISTANCE = Decimal("0.25"), Decimal("0.09")

TOKENS_PER_SUBSCRIBE = 500  # our own choice: a longer frame has no advantage

# Our own limits, below the venue's 10/s, 400/min and 5,000/day: the owner may also send orders from a phone, and once
# the daily limit is reached even exits are refused. Cancels count only toward the limit per second.
ORDER_LIMITS = (("order change", 8, 1.0, 2), ("order", 380, 60.0, 60), ("order", 4900, None, 500))
CLIENT_LIMITS: tuple[RateWindow, ...] = rate_windows(
    *ORDER_LIMITS, ("quote", 1, 1.0, 0), ("history", 3, 1.0, 0), ("query", 8, 1.0, 0)
)

KITE_RULES = VenueRules(
    name="kite",
    tag_length=TAG_LENGTH,
    orders_per_second=ORDERS_PER_SECOND,
    orders_per_minute=ORDERS_PER_MINUTE,
    orders_per_day=ORDERS_PER_DAY,
    modifications_per_order=CHANGES_PER_ORDER,
    needs_protection=True,
    finds_by_tag=True,
    # Kite states no bound. An order that does not appear for this long was never accepted. Two polls and the work that
    # waits for them then end within the one minute in which the books must agree again.
    absent_after_s=55.0,
    absence_is_proof=False,
    subscriptions=TICKER_CONNECTIONS * TOKENS_PER_CONNECTION,
    login_ends=f"{LOGIN_ENDS:%H:%M}",
    client_limits=ORDER_LIMITS,
    candles_per_second=CANDLES_PER_SECOND,
    stop_market=STOP_MARKET,
    max_gtt=MAX_GTT,
    gtt_min_distance_pct=GTT_MIN_DISTANCE_PCT,
    gtt_min_distance=GTT_MIN_DISTANCE,
    candles={length: name for length, (name, _) in CANDLES.items()},
)

# The reads of the kill switch. Nothing else sends requests then, and its cancels are not limited here.
KILL_LIMITS: tuple[RateWindow, ...] = rate_windows(("query", 8, 1.0, 0))


class RestOffer(Message, frozen=True):
    """What the HTTP API at an address has: the prefix of its routes but the instruments, and the GTT orders allowed."""

    prefix: str = ""
    max_gtt: int = MAX_GTT


def rest_offer(rest: str, max_gtt: int = MAX_GTT) -> RestOffer:
    """Return what the API at the address `rest` has; the sandbox has no GTT orders, others `max_gtt`."""
    prefix = route_prefix(rest)
    return RestOffer(prefix=prefix, max_gtt=0 if prefix else max_gtt)


def route_prefix(rest: str) -> str:
    """Return the prefix of every route at the address `rest` but the instruments: that of the sandbox, else ""."""
    return SANDBOX_PREFIX if urlsplit(rest).hostname == SANDBOX_HOST else ""
