"""How often a client of Kite may call, as the exchange counts it: the documented numbers by group of routes."""

from __future__ import annotations

from tradebot.exchange.limits import Limit, Span
from tradebot.venues.kite import rules

# "place" counts new orders on top of "orders", which every write of an order uses up.
KITE_LIMITS: dict[str, tuple[Limit, ...]] = {
    "quote": (Limit(count=rules.QUOTES_PER_SECOND, span=Span.SECOND),),
    "historical": (Limit(count=rules.CANDLES_PER_SECOND, span=Span.SECOND),),
    "orders": (Limit(count=rules.ORDERS_PER_SECOND, span=Span.SECOND),),
    "place": (
        Limit(count=rules.ORDERS_PER_MINUTE, span=Span.MINUTE),
        Limit(count=rules.ORDERS_PER_DAY, span=Span.DAY),
    ),
    "other": (Limit(count=rules.OTHERS_PER_SECOND, span=Span.SECOND),),
}
