"""The venue of the benchmark of a warm start: past bars at a limited rate, quotes of one price, orders that fill."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from decimal import Decimal

import numpy as np

from tradebot.bench.daemon.instant_fills import InstantFillBroker
from tradebot.clock import DAY, MINUTE, Clock
from tradebot.domain.home_exchange import HOME_EXCHANGE
from tradebot.domain.instrument import Instrument, Universe
from tradebot.domain.market import BarSeries, Ints, Quotes
from tradebot.domain.messages import LinkUp, MarketMessage
from tradebot.domain.order import OrderRequest, VenueOrder, VenuePosition
from tradebot.domain.products import INTRADAY
from tradebot.domain.venue_rows import VenueRows
from tradebot.errors import LinkLost
from tradebot.markets.market import HOME_MARKET
from tradebot.venues.limiter import Limiter, rate_windows
from tradebot.venues.venue import Accepted, Reply

PRICE = 15_000  # paise, above the stops of the positions
SESSIONS = 3  # of past bars before a day
CONNECT_S, QUOTE_EVERY_S = 0.1, 1.0
NAME = "warmup"


def past_bars(instrument: Instrument, *, until: int) -> BarSeries:
    """Return the minutes of the last sessions and of the running one that start before `until` (market ns)."""
    market, parts = HOME_MARKET, list[Ints]()
    day = until
    while len(parts) <= SESSIONS:
        session = market.calendar.session_on(market.date_of(day))
        if session is not None:
            parts.insert(0, np.arange(session.opens_at, min(session.closes_at, until), MINUTE))
        day -= DAY
    starts = np.concatenate(parts)
    close = PRICE + (starts // MINUTE * (7 + instrument.token % 13) % 41) * 5
    columns = {"open": close - 5, "high": close + 10, "low": close - 10, "close": close, "volume": close % 997 + 1}
    return BarSeries(symbol=instrument.symbol, interval=MINUTE, starts=starts, **columns)


class WarmupBroker(InstantFillBroker):
    """A broker without a server behind it: it answers by itself, past bars after `latency_s` and at a limited rate."""

    def set_pace(self, per_second: int, latency_s: float, *, held: Sequence[str]) -> None:
        """Set the rate and the delay of past bars, and the symbols of which the account holds one share."""
        self._history_limiter = Limiter(rate_windows(("history", per_second, 1.0, 0)), self._clock)
        self._latency_s, self._held = latency_s, held

    async def submit(self, request: OrderRequest) -> Reply:
        """Accept the order; it is filled in the next turn of the loop."""
        reply = Accepted(venue_order_id=f"W{request.order_id}")
        asyncio.get_running_loop().call_soon(self._fill, request, reply.venue_order_id)
        return reply

    async def fetch_account_id(self) -> str:
        """Return the account of the bench."""
        return "B"

    async def fetch_positions(self) -> VenueRows[VenuePosition]:
        """Return one share of each held symbol."""
        price = Decimal(PRICE) / 100
        return VenueRows(
            VenuePosition(
                symbol=symbol, exchange=HOME_EXCHANGE, product=INTRADAY, quantity=Decimal(1), average_price=price
            )
            for symbol in self._held
        )

    async def fetch_quotes(self, universe: Universe) -> Quotes:
        """Return the one price."""
        return quotes_of(len(universe), self._clock)

    async def fetch_history(self, instrument: Instrument, *, interval: int, start: int, end: int) -> BarSeries:
        """Return the complete past bars. Raises LinkLost beyond the rate, as a real venue's client does."""
        if not await self._history_limiter.acquire("history", within_s=1.0):
            raise LinkLost("more requests for past bars than the rate allows")
        await self._clock.sleep(self._latency_s)
        series = past_bars(instrument, until=min(end, self._clock.market_ns() - interval + 1))
        return series.select_bars(series.starts >= start)


class MarketFeed:
    """A feed of one quote a second of each symbol."""

    def __init__(self, size: int, clock: Clock) -> None:
        self._size, self._clock = size, clock
        self.dropped_counts: dict[str, int] = {}

    async def run(self, on_market: Callable[[MarketMessage], None], on_order: Callable[[VenueOrder], None]) -> None:
        """Deliver quotes for ever."""
        await self._clock.sleep(CONNECT_S)
        on_market(LinkUp(source=NAME, mono=self._clock.monotonic_ns()))
        while True:
            on_market(quotes_of(self._size, self._clock))
            await self._clock.sleep(QUOTE_EVERY_S)

    async def resubscribe(self, ids: Sequence[int]) -> None:
        """Do nothing: every symbol is quoted."""


def quotes_of(size: int, clock: Clock) -> Quotes:
    """Return a quote of each of `size` symbols at the one price."""
    last, many = np.full(size, PRICE), np.full(size, 100_000)
    return Quotes(
        source=NAME,
        seen_at=clock.monotonic_ns(),
        ids=np.arange(size),
        sent_at=np.full(size, clock.market_ns()),
        last=last,
        volume=np.full(size, clock.monotonic_ns() // 10**9),
        bid=last - 5,
        ask=last + 5,
        bid_size=many,
        ask_size=many,
    )
