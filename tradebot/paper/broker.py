"""The broker of a paper account: reads instruments, quotes and history at the venue, trades on the paper market.

It is built over a `VenueReader`, which has no order route: nothing here can send an order to the venue.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import time
from decimal import Decimal
from typing import Any

import msgspec

from tradebot.clock import Clock
from tradebot.domain.instrument import Instrument, Universe
from tradebot.domain.market import BarSeries, Quotes
from tradebot.domain.order import Fill, OrderRequest, VenueHolding, VenueOrder, VenuePosition
from tradebot.domain.venue_reports import AccountProfile
from tradebot.domain.venue_rows import VenueRows
from tradebot.exchange.exchange import Exchange
from tradebot.exchange.market_protection import automatic_protection
from tradebot.exchange.refusals import ExchangeRefusal
from tradebot.exchange.ticket import BookOrder
from tradebot.markets.market import market_of
from tradebot.paper.paper_market import PaperMarket
from tradebot.paper.quote_source import renumber_quotes
from tradebot.paper.rows import changes_of, fill_of, ticket_of, venue_holding_of, venue_order_of, venue_position_of
from tradebot.venues.limiter import Limiter, rate_windows
from tradebot.venues.venue import Accepted, NotSent, Refused, Reply, VenueReader, VenueRules

MIDNIGHT = time(0)
MAX_WRITE_WAIT_S = 1.0  # an order that waits longer for the rate limit is stale
NO_GTT_REASON = "a paper account has no GTT orders"
RefusalReply = Callable[[ExchangeRefusal], Reply]


class PaperBroker:
    """Implements `Broker` for the paper account of `market`, which `trade_on` sets before the first order.

    `name_account(venue's account id)` returns the name of the paper account. `reply_to(refusal)` returns the venue's
    reply to what its exchange would refuse. `wake()` is called after each request, so that its arrival is not missed.
    A paper account has no GTT orders, whatever the venue has.
    """

    def __init__(
        self,
        reader: VenueReader,
        clock: Clock,
        *,
        reply_to: RefusalReply,
        name_account: Callable[[str], str],
        wake: Callable[[], None],
    ) -> None:
        self.venue_rules: VenueRules = msgspec.structs.replace(reader.venue_rules, max_gtt=0)
        self._reader, self._clock = reader, clock
        self._reply_to, self._name_account, self._wake = reply_to, name_account, wake
        self._limiter = order_limiter(reader.venue_rules, clock)
        self._market: PaperMarket | None = None

    @property
    def market(self) -> PaperMarket:
        """Return the paper market, once it is set."""
        assert self._market is not None, "the paper account is not open yet"
        return self._market

    def trade_on(self, market: PaperMarket) -> None:
        """Set the paper market; before that only the venue can be read."""
        self._market = market

    def resume_day(self, sent: int) -> None:
        """Add the orders that earlier processes sent on this market day: the venue would count them as well."""
        self._limiter.resume_day(sent)

    async def fetch_account_id(self) -> str:
        """Return the paper account's id. It asks the venue, which shows whether the login is valid."""
        venue_account = await self._reader.fetch_account_id()
        if self._market is not None:
            return self._market.account_id
        return await asyncio.to_thread(self._name_account, venue_account)

    async def fetch_profile(self) -> AccountProfile:
        """Return what the venue's account may trade."""
        return await self._reader.fetch_profile()

    async def fetch_instruments(self, symbols: Sequence[str]) -> VenueRows[Instrument]:
        """Return the venue's instruments of `symbols`."""
        return await self._reader.fetch_instruments(symbols)

    async def fetch_orders(self) -> VenueRows[VenueOrder]:
        """Return every order of the paper account of the day."""
        exchange, since = self._up_to_date(), self._day_begins_at()
        return VenueRows(venue_order_of(order) for order in exchange.latest_orders() if order.placed_at >= since)

    async def fetch_fills(self) -> VenueRows[Fill]:
        """Return every fill of the paper account of the day, oldest first."""
        exchange, since = self._up_to_date(), self._day_begins_at()
        return VenueRows(fill_of(trade) for trade in exchange.trade_rows() if trade.traded_at >= since)

    async def fetch_positions(self) -> VenueRows[VenuePosition]:
        """Return the net positions of the paper account, flat ones included."""
        return VenueRows(venue_position_of(row) for row in self._up_to_date().account.net_positions())

    async def fetch_holdings(self) -> VenueRows[VenueHolding]:
        """Return the paper account's shares from earlier days."""
        return VenueRows(venue_holding_of(row) for row in self._up_to_date().account.demat_holdings())

    async def fetch_cash(self) -> Decimal:
        """Return the paper account's funds for new orders."""
        return self._up_to_date().account.available_funds

    async def fetch_quotes(self, universe: Universe) -> Quotes:
        """Return the venue's newest quotes, which the paper market meets as well: the stream may be down."""
        quotes = await self._reader.fetch_quotes(universe)
        if self._market is not None:
            known = renumber_quotes(quotes, asked=universe, known=self._market.universe)
            self._market.take_quotes(known, self._clock.market_ns())
            self._wake()
        return quotes

    async def fetch_history(self, instrument: Instrument, *, interval: int, start: int, end: int) -> BarSeries:
        """Return the venue's past bars."""
        return await self._reader.fetch_history(instrument, interval=interval, start=start, end=end)

    async def close(self) -> None:
        """Close the connections to the venue within at most two seconds."""
        await self._reader.close()

    async def submit(self, request: OrderRequest) -> Reply:
        """Place an order on the paper market, once."""
        if request.gtt is not None:
            return Refused(reason=NO_GTT_REASON)
        if not await self._has_room("order", is_exit=request.purpose.is_exit):
            return _no_room()
        ticket = ticket_of(request, self._automatic_pct(request.symbol))
        return self._ask(lambda exchange: exchange.place_order(ticket))

    async def modify(self, request: OrderRequest, *, venue_order_id: str) -> Reply:
        """Request once that a working order takes the kind, price and total quantity of `request`."""
        if not venue_order_id:
            return _no_number(request.order_id)
        if not await self._has_room("change", is_exit=request.purpose.is_exit):
            return _no_room()
        changes: dict[str, Any] = changes_of(request, self._automatic_pct(request.symbol))
        return self._ask(lambda exchange: exchange.modify_order(venue_order_id, **changes))

    async def cancel(self, *, order_id: str, venue_order_id: str) -> Reply:
        """Request once that a working order is cancelled."""
        if not venue_order_id:
            return _no_number(order_id)
        if not await self._has_room("change", is_exit=True):
            return _no_room()
        return self._ask(lambda exchange: exchange.cancel_order(venue_order_id))

    def _ask(self, make: Callable[[Exchange], BookOrder]) -> Reply:
        try:
            order = self.market.make_request(make, self._clock.market_ns())
        except ExchangeRefusal as refusal:
            return self._reply_to(refusal)
        finally:
            self._wake()
        return Accepted(venue_order_id=order.order_id)

    async def _has_room(self, kind: str, *, is_exit: bool) -> bool:
        return await self._limiter.acquire(kind, is_exit=is_exit, within_s=MAX_WRITE_WAIT_S)

    def _automatic_pct(self, symbol: str) -> Decimal:
        return automatic_pct_of(self.market.exchange, symbol)

    def _up_to_date(self) -> Exchange:
        self.market.advance_to(self._clock.market_ns())
        return self.market.exchange

    def _day_begins_at(self) -> int:
        # The log knows the orders of months, so the day is found once and not for each of them.
        return market_of(self.venue_rules.exchange).to_ns(self.market.exchange.account.session_day, MIDNIGHT)


def order_limiter(rules: VenueRules, clock: Clock) -> Limiter:
    """Return a limiter of orders and changes: our own limits at the venue, or the venue's where we have none."""
    rows = rules.client_limits or (
        ("order change", rules.orders_per_second, 1.0, 0),
        ("order", rules.orders_per_minute, 60.0, 0),
        ("order", rules.orders_per_day, None, 0),
    )
    return Limiter(rate_windows(*rows), clock, market=market_of(rules.exchange))


def automatic_pct_of(exchange: Exchange, symbol: str) -> Decimal:
    """Return the market protection in percent of an order that leaves it to the broker, at the last price."""
    if symbol not in exchange.universe:
        return Decimal(1)  # the exchange refuses the order for its symbol
    instrument = exchange.universe.instrument_of(symbol)
    columns, row = exchange.latest_columns, exchange.universe.id_of(symbol)
    last = instrument.price_from_units(int(columns["last"][row]) or int(columns["previous_close"][row]))
    return automatic_protection(instrument, last)


def _no_room() -> NotSent:
    return NotSent(reason="our own rate limit leaves no room for it")


def _no_number(order_id: str) -> NotSent:
    return NotSent(reason=f"order {order_id} has no usable order id of the venue")
