"""The rules of Kite Connect v3 as data: limits, candles, addresses; dated facts of the venue, no code."""

from __future__ import annotations

from tradebot.clock import SECOND
from tradebot.venues.limiter import Window, limits
from tradebot.venues.venue import Profile

REST = "https://api.kite.trade"
TICKER = "wss://ws.kite.trade"

KITE = Profile(
    name="kite",
    tag_length=20,
    orders_per_second=10,
    orders_per_minute=400,
    orders_per_day=5000,
    modifications_per_order=25,
    needs_protection=True,
    finds_by_tag=True,
    # Kite states no bound. What is looked for this long was never taken, and two looks, and what waited for them, are
    # over within the minute in which the books have to agree again.
    absent_after_s=55.0,
    absence_is_proof=False,
    subscriptions=9000,  # 3 connections of 3,000 tokens
    login_ends="06:00",  # no answer says when a token was issued or ends
)

TOKENS_PER_CONNECTION = 3000
CONNECTIONS = 3
TOKENS_PER_SUBSCRIBE = 500
QUOTES_PER_REQUEST = 500

# What we allow ourselves, below the venue's 10/s, 400/min and 5,000/day: an order may come from the owner's phone, and
# when the day is used up even exits are refused. Cancels count toward the second only.
LIMITS: tuple[Window, ...] = limits(
    ("order change", 8, 1.0, 2),
    ("order", 380, 60.0, 60),
    ("order", 4900, None, 500),
    ("quote", 1, 1.0, 0),
    ("history", 3, 1.0, 0),
    ("query", 8, 1.0, 0),
)

MINUTE = 60 * SECOND
DAY = 86_400 * SECOND
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
