"""The simulated parts of the measured daemon: fills of the venue, and a signal to enter again after each exit.

Feed, bars, desk, gate, journal, order sender, broker and outbox are the daemon's own. No simulated part lies between a
quote and its order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from decimal import Decimal

from tradebot.bench.venue.ticker import STOP_PRICE
from tradebot.bench.venue.wire import PROFILE, Broker
from tradebot.daemon.daemon import Daemon
from tradebot.domain.instrument import Universe
from tradebot.domain.messages import Action, FillReport, Signal, Signals
from tradebot.domain.order import Fill, OrderRequest, VenueHolding, VenueOrder, VenuePosition
from tradebot.domain.venue_rows import VenueRows
from tradebot.errors import LinkLost
from tradebot.ops.events.event import EventListener, drop_event
from tradebot.venues.venue import Accepted, Feed, Reply, VenueRules

PRICE_CHECK_S = 0.005  # how often a price is checked for being above its stop again


class InstantFillBroker(Broker):
    """The broker of a real venue, which fills accepted orders itself and enters again after an exit."""

    daemon: Daemon

    async def submit(self, request: OrderRequest) -> Reply:
        """Send the order as usual; an accepted order is filled in the next turn of the loop."""
        reply = await super().submit(request)
        if isinstance(reply, Accepted):
            asyncio.get_running_loop().call_soon(self._fill, request, reply.venue_order_id)
        return reply

    def _fill(self, request: OrderRequest, venue_order_id: str) -> None:
        engine, clock = self.daemon.engine, self._clock
        order = self.daemon.desk.account.kept_orders()[request.order_id]
        fill = Fill(
            execution_id=venue_order_id,
            venue_order_id=venue_order_id,
            symbol=request.symbol,
            exchange=request.exchange,
            side=request.side,
            quantity=request.quantity,
            price=order.reference or Decimal(100),  # a fill far from the reference would halt the symbol
            traded_at=clock.market_ns(),
        )
        engine.queues.updates.put_or_fail(FillReport(fill=fill, mono=clock.monotonic_ns()))
        if request.purpose.is_exit:
            self._enter_above(request.symbol)

    def _enter_above(self, symbol: str) -> None:
        # The gate denies an entry below its own stop.
        price = self.daemon.desk.account.last_price(symbol)
        if price is not None and price > STOP_PRICE:
            self.enter_positions([symbol])
        else:
            asyncio.get_running_loop().call_later(PRICE_CHECK_S, self._enter_above, symbol)

    def enter_positions(self, symbols: Sequence[str]) -> None:
        """Signal an entry of each symbol: one share, with a stop."""
        mono = self._clock.monotonic_ns()
        signals = [
            Signal(
                signal_id=f"{symbol}-{mono}",
                strategy="bench",
                symbol=symbol,
                action=Action.ENTER_LONG,
                bar_at=self._clock.market_ns(),
                quoted_at=mono,
                made_at=mono,
                quantity=1.0,
                stop_loss=STOP_PRICE,
            )
            for symbol in symbols
        ]
        self.daemon.engine.queues.signals.put_or_fail(
            Signals(at=self._clock.market_ns(), interval=0, signals=tuple(signals))
        )

    async def fetch_orders(self) -> VenueRows[VenueOrder]:
        """Return no orders at the start. Raises LinkLost later, so that no reconciliation disturbs the measurement."""
        if hasattr(self, "daemon") and self.daemon.engine.quotes_ready.is_set():
            raise LinkLost("this venue keeps no books")
        return VenueRows()

    async def fetch_fills(self) -> VenueRows[Fill]:
        """Return nothing: fills are reported as they happen."""
        return VenueRows()

    async def fetch_positions(self) -> VenueRows[VenuePosition]:
        """Return nothing."""
        return VenueRows()

    async def fetch_holdings(self) -> VenueRows[VenueHolding]:
        """Return nothing."""
        return VenueRows()

    async def fetch_cash(self) -> Decimal:
        """Return ten million, more than is ever needed."""
        return Decimal(10_000_000)


class InstantFillVenue:
    """A venue of a real profile, the broker above and the feed that `feed_of` makes for the instruments."""

    venue_rules: VenueRules = PROFILE

    def __init__(self, broker: InstantFillBroker, feed_of: Callable[[Universe], Feed]) -> None:
        self.broker, self._feed_of = broker, feed_of

    def resume_day(self, sent_before: int) -> None:
        """Count the orders that earlier processes sent today."""
        self.broker.resume_day(sent_before)

    def create_feed(self, universe: Universe, *, tell: EventListener = drop_event) -> Feed:
        """Return the feed of `feed_of`."""
        return self._feed_of(universe)
