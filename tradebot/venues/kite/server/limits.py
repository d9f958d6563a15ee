"""Kite's rate limits as the simulated exchange enforces them: the documented numbers by group of routes."""

from __future__ import annotations

from tradebot.exchange.rate_limits import LimitSpan, RequestLimit
from tradebot.venues.kite import rules

# "place" counts only new orders; it comes on top of "orders", which counts every write of an order.
KITE_LIMITS: dict[str, tuple[RequestLimit, ...]] = {
    "quote": (RequestLimit(count=rules.QUOTES_PER_SECOND, span=LimitSpan.SECOND),),
    "historical": (RequestLimit(count=rules.CANDLES_PER_SECOND, span=LimitSpan.SECOND),),
    "orders": (RequestLimit(count=rules.ORDERS_PER_SECOND, span=LimitSpan.SECOND),),
    "place": (
        RequestLimit(count=rules.ORDERS_PER_MINUTE, span=LimitSpan.MINUTE),
        RequestLimit(count=rules.ORDERS_PER_DAY, span=LimitSpan.DAY),
    ),
    "other": (RequestLimit(count=rules.OTHERS_PER_SECOND, span=LimitSpan.SECOND),),
}
