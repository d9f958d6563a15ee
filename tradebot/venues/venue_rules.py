"""The rules of a venue as data. This file imports little, so that every command can read the rules."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from tradebot.domain.home_exchange import HOME_EXCHANGE
from tradebot.domain.message import Message


class VenueRules(Message, frozen=True):
    """The rules of a venue as data. Differences between venues are stated here and not in code.

    An order that is missing from two complete queries, both begun `absent_after_s` after it was sent, was never
    accepted. `absence_is_proof` is False where the venue states no such bound, so that the absence is only presumed.
    `finds_by_tag` is True where our order id comes back in the order list. `exchange` is the default exchange of an
    instrument. `login_ends` is the time of day (HH:MM, in the zone of that exchange's market) at which every login
    ends, empty where the venue names none. Limits count per second, minute and day of the wall clock;
    `candles_per_second` counts requests for past bars and is 0 where the venue states no limit. `client_limits` are our
    own, below the venue's, as rows for `limiter.rate_windows`; a paper account keeps them as well.

    `stop_market` holds the (exchange, kind of instrument) that take a SL-M order; elsewhere a stop is a SL order with a
    limit. `max_gtt` is how many GTT orders may be active, 0 where the venue has none. A trigger of it
    must be further from the last price than `gtt_min_distance_pct` percent of it, and than `gtt_min_distance`.
    """

    name: str
    tag_length: int
    orders_per_second: int
    orders_per_minute: int
    orders_per_day: int
    modifications_per_order: int
    needs_protection: bool
    finds_by_tag: bool = True
    absent_after_s: float = 60.0
    absence_is_proof: bool = False
    subscriptions: int = 3000
    exchange: str = HOME_EXCHANGE
    login_ends: str = ""
    client_limits: tuple[tuple[str, int, float | None, int], ...] = ()
    candles_per_second: int = 0
    stop_market: frozenset[tuple[str, str]] = frozenset()
    max_gtt: int = 0
    gtt_min_distance_pct: Decimal = Decimal(0)
    gtt_min_distance: Decimal = Decimal(0)
    candles: Mapping[int, str] = {}  # interval of a past bar in ns -> the venue's name for it
