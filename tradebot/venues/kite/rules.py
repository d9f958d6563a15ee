"""The documented facts of Kite Connect v3, each once: what the client keeps to and the server enforces. No code."""

from __future__ import annotations

from datetime import time

from tradebot.clock import DAY, MINUTE
from tradebot.venues.limiter import RateWindow, rate_windows
from tradebot.venues.venue_rules import VenueRules

REST_URL = "https://api.kite.trade"
TICKER_URL = "wss://ws.kite.trade"
HEADERS = {"X-Kite-Version": "3"}  # of every request

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

ORDERS_PER_SECOND, ORDERS_PER_MINUTE, ORDERS_PER_DAY = 10, 400, 5_000  # changes and cancels count by the second alone
QUOTES_PER_SECOND, CANDLES_PER_SECOND, OTHERS_PER_SECOND = 1, 3, 10
CHANGES_PER_ORDER = 25
TAG_LENGTH = 20
TOKENS_PER_CONNECTION = 3_000
TICKER_CONNECTIONS = 3
QUOTES_PER_REQUEST, PRICES_PER_REQUEST = 500, 1_000  # whole quotes; ohlc and ltp
LOGIN_ENDS = time(6, 0)  # of the Indian day; no answer says when a token was issued or ends
EXCHANGES = ("NSE", "BSE", "NFO", "BFO", "CDS", "BCD", "MCX")
PRODUCTS = ("CNC", "NRML", "MIS")

TOKENS_PER_SUBSCRIBE = 500  # ours: a longer frame has no advantage

KITE_RULES = VenueRules(
    name="kite",
    tag_length=TAG_LENGTH,
    orders_per_second=ORDERS_PER_SECOND,
    orders_per_minute=ORDERS_PER_MINUTE,
    orders_per_day=ORDERS_PER_DAY,
    modifications_per_order=CHANGES_PER_ORDER,
    needs_protection=True,
    finds_by_tag=True,
    # Kite states no bound. What is looked for this long was never taken, and two looks, and what waited for them, are
    # over within the minute in which the books have to agree again.
    absent_after_s=55.0,
    absence_is_proof=False,
    subscriptions=TICKER_CONNECTIONS * TOKENS_PER_CONNECTION,
    login_ends=f"{LOGIN_ENDS:%H:%M}",
    candles={length: name for length, (name, _) in CANDLES.items()},
)

# What we allow ourselves, below the venue's 10/s, 400/min and 5,000/day: an order may come from the owner's phone, and
# when the day is used up even exits are refused. Cancels count toward the second only.
CLIENT_LIMITS: tuple[RateWindow, ...] = rate_windows(
    ("order change", 8, 1.0, 2),
    ("order", 380, 60.0, 60),
    ("order", 4900, None, 500),
    ("quote", 1, 1.0, 0),
    ("history", 3, 1.0, 0),
    ("query", 8, 1.0, 0),
)

# An emergency's reads; nothing else asks then, and the pace of its cancels is not ours to keep.
KILL_LIMITS: tuple[RateWindow, ...] = rate_windows(("query", 8, 1.0, 0))
